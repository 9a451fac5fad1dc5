"""What is kept of an episode, and what it looks like."""

import cv2
import numpy as np
import pytest

from vlam_ros.actions import ActionTokenizer
from vlam_ros.lab.evaluation.film import COLUMNS, FRAMES, WIDTH, FilmStrip
from vlam_ros.types import (
    ActionChunk,
    ActionSpace,
    Decision,
    InstructionRequest,
    Outcome,
    Plan,
    Reason,
    Scene,
    SceneObject,
    SkillStep,
    Uint8Array,
    Verdict,
)
from vlam_ros.visualization.overlay import TARGET, VERDICT_COLOURS

EXECUTE = Verdict(Outcome.EXECUTE, confidence=0.9)
SPACE = ActionSpace.of(("stop", "go_to"), (-1.0, -1.0, -1.0, -3.0), (1.0, 1.0, 1.0, 3.0))
CUP = SceneObject("red cup", (320, 240, 400, 320), np.ones((4, 4), bool), 0.9, 0.9, 0.5)


def decided(verdict: Verdict = EXECUTE, grey: int = 128) -> tuple[Uint8Array, Decision]:
    """A decision on a grey image with one target."""
    rows, used = np.array([[1, 0.5, 0.0, 0.0, 0.0]]), np.ones((1, 4), bool)
    chunk = ActionChunk(
        stamp=0,
        frame_id="base_link",
        space=SPACE,
        tokens=ActionTokenizer(SPACE).encode(rows, used),
        start_offset=0,
        step=100_000_000,
        request=InstructionRequest("go to the red cup"),
        skill="go_to",
        trace="",
        verdict=verdict,
    )
    plan = Plan((SkillStep("go_to", CUP),))
    image = np.full((480, 640, 3), grey, np.uint8)
    return image, Decision(Scene(0, (CUP,)), plan, verdict, chunk)


def strip_of(count: int) -> FilmStrip:
    """A decision on a black image, and on a brighter one every 0.4 s."""
    strip = FilmStrip()
    for index in range(count):
        strip.add(0.4 * index, *decided(grey=index))
    return strip


def seconds_of(strip: FilmStrip) -> list[float]:
    return [0.4 * int(frame[0, 0, 0]) for frame in strip.frames]


@pytest.mark.parametrize("count", [8, 9, 16, 17, 18, 33, 100, 190])
def test_a_long_episode_has_eight_frames_evenly_spread_from_the_first_to_the_last(
    count: int,
) -> None:
    seconds = seconds_of(strip_of(count))
    assert len(seconds) == FRAMES == 8
    assert seconds[0] == 0.0
    assert seconds[-1] == pytest.approx(0.4 * (count - 1))
    gaps = np.diff(seconds)
    assert gaps.min() > 0
    assert gaps.max() <= 2 * 0.4 * (count - 1) / 7


def test_a_short_episode_is_shown_whole() -> None:
    assert seconds_of(strip_of(3)) == pytest.approx([0.0, 0.4, 0.8])


def test_frames_are_in_two_rows() -> None:
    image = strip_of(100).image()
    assert WIDTH * COLUMNS < image.shape[1] < (WIDTH + 8) * COLUMNS
    assert 2 * 192 < image.shape[0] < 3 * 192


def test_the_target_has_a_box_where_it_is_seen() -> None:
    image = strip_of(1).frames[0]
    assert tuple(image[96, 144]) == TARGET
    assert tuple(image[112, 144]) == (0, 0, 0)


def test_the_caption_has_the_colour_of_the_verdict_and_grows_with_its_message() -> None:
    strip = FilmStrip()
    strip.add(0.0, *decided())
    message = "I do not see 'red cup': show it to me, or name another thing"
    strip.add(0.4, *decided(Verdict(Outcome.HOLD, Reason.TARGET_NOT_FOUND, message)))
    execute, hold = strip.frames
    assert tuple(execute[-1, -1]) == VERDICT_COLOURS[Outcome.EXECUTE]
    assert tuple(hold[-1, -1]) == VERDICT_COLOURS[Outcome.HOLD]
    assert hold.shape[0] > execute.shape[0] + 10


def test_the_jpeg_is_the_image_and_always_the_same() -> None:
    strip = strip_of(20)
    data = strip.jpeg()
    assert data == strip_of(20).jpeg()
    read = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), 4)
    assert read.shape == strip.image().shape
    difference = np.abs(read.astype(int) - strip.image().astype(int))
    assert difference.mean() < 4


def test_an_episode_without_decisions_has_a_image_too() -> None:
    assert FilmStrip().frames == []
    assert FilmStrip().jpeg().startswith(b"\xff\xd8")
