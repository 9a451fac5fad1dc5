"""A film, and which step of its plan it says the robot is at."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from told_decisions import DONE, TRACE, decision

from vlam_ros.lab.evaluation.film import Film, PlanProgress, steps_of
from vlam_ros.types import Outcome, Reason, Uint8Array, Verdict
from vlam_ros.visualization.overlay import VERDICT_COLOURS

BLIND = Verdict(Outcome.HOLD, Reason.TARGET_NOT_FOUND, "I do not see 'red cup': " + 40 * "look ")
TWICE = f"{TRACE} -> go to blue plate [0.50] -> place on blue plate [0.50]"


def overview(grey: int = 200) -> Uint8Array:
    image = np.full((360, 480, 3), grey, np.uint8)
    image[100:120, 300:320] = (230, 110, 20)
    return image


def film(frames: int = 12) -> Film:
    made = Film("pick up the red cup")
    made.saw(0.0, overview())
    made.decided(decision("go_to"), np.full((480, 640, 3), 90, np.uint8))
    for index in range(1, frames):
        made.saw(0.2 * index, overview(200 - index % 50))
    return made


def test_the_steps_of_a_trace_are_told_without_places_and_scores() -> None:
    assert steps_of("go to ball right of cup (1.25, -0.45) [0.90] -> pick up purple cone") == (
        "go to ball right of cup",
        "pick up purple cone",
    )
    assert steps_of("") == ()


def test_progress_goes_from_step_to_step_and_not_back_to_one_of_the_same_skill() -> None:
    progress = PlanProgress()
    seen = []
    for skill in ("go_to", "go_to", "pick_up", "go_to", "place"):
        progress.follow(decision(skill, trace=TWICE))
        seen.append(progress.current)
    assert seen == [0, 0, 1, 2, 3]
    progress.follow(decision("stop", BLIND, trace=TWICE))
    assert progress.current == 3
    progress.follow(decision("stop", DONE, trace=TWICE))
    assert progress.current == len(progress.steps) == 4


def test_all_frames_are_of_one_size_whatever_is_said() -> None:
    made = film()
    made.decided(decision("stop", BLIND), None)
    made.saw(3.0, overview())
    made.decided(decision("stop", DONE), None)
    made.saw(4.0, overview())
    assert {frame.shape for frame in made.frames} == {made.frames[0].shape}
    bottoms = [tuple(frame[-3, 3].tolist()) for frame in made.frames[-3:]]
    assert bottoms == [VERDICT_COLOURS[o] for o in (Outcome.EXECUTE, Outcome.HOLD, Outcome.DONE)]


def test_it_shows_what_the_robot_sees_in_the_corner() -> None:
    first, second = film().frames[:2]
    bottom = 360 + (first.shape[0] - 360) // 2 - 10
    assert first[bottom, 470].tolist() == [200, 200, 200]
    assert second[bottom, 470].tolist() == [90, 90, 90]


def test_the_gif_has_all_frames_in_their_colours_and_rests_on_the_last() -> None:
    made = film(20)
    with Image.open(io.BytesIO(made.gif())) as gif:
        assert (gif.format, gif.n_frames, gif.info["duration"]) == ("GIF", 20, 200)
        for index in (0, 19):
            gif.seek(index)
            shown = np.array(gif.convert("RGB")).astype(int)
            off = np.abs(shown - made.frames[index]).max(axis=2)
            assert np.percentile(off, 99) < 20
            top = (made.frames[index].shape[0] - 360) // 2
            assert off[top + 105 : top + 115, 305:315].max() < 25
        assert gif.info["duration"] == 2000


def test_a_long_film_is_thinned_and_takes_as_long() -> None:
    made = film(301)
    with Image.open(io.BytesIO(made.gif())) as gif:
        assert (gif.n_frames, gif.info["duration"]) == (101, 600)


@pytest.mark.parametrize(("frames", "rows"), [(1, 1), (5, 2), (30, 2)])
def test_the_strip_has_eight_frames_at_most(frames: int, rows: int) -> None:
    made = film(frames)
    strip = cv2.imdecode(np.frombuffer(made.strip(), np.uint8), cv2.IMREAD_COLOR)
    high, wide = made.frames[0].shape[:2]
    assert strip.shape == (rows * high, 4 * wide, 3)
