from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn import Written
from hypothesis import given, settings
from hypothesis import strategies as st

from vlam_ros.types import (
    ActionChunk,
    ActionSpace,
    Decision,
    InstructionRequest,
    Outcome,
    Placement,
    Plan,
    Reason,
    Scene,
    SceneObject,
    SkillStep,
    Verdict,
)
from vlam_ros.visualization import draw_attention, draw_overlay
from vlam_ros.visualization.overlay import DESTINATION, OTHER, SHADE, TARGET, VERDICT_COLOURS

HOLD = Verdict(Outcome.HOLD, Reason.TARGET_NOT_FOUND, "no 'red cup' in the image")


def thing(phrase: str, box: tuple[int, int, int, int]) -> SceneObject:
    """An object of a 640 x 480 image, whose mask fills its box at a tenth of the resolution."""
    mask = np.zeros((48, 64), dtype=bool)
    x0, y0, x1, y1 = (c // 10 for c in box)
    mask[y0:y1, x0:x1] = True
    return SceneObject(phrase, box, mask, 0.9, 0.8, 0.4, position=(3.0, 4.0, 0.0))


CUP = thing("red cup", (100, 100, 200, 200))
TRAY = thing("blue tray", (300, 300, 400, 400))
BALL = thing("green ball", (500, 100, 600, 200))
STEPS = (SkillStep("pick_up", CUP), SkillStep("place", None, TRAY, Placement.ON))


def decide(
    objects: tuple[SceneObject, ...] = (), plan: Plan | None = None, verdict: Verdict = HOLD
) -> Decision:
    space = ActionSpace.of(("stop",), (-1.0,) * 4, (1.0,) * 4)
    tokens = np.array([[0, 255, 255, 255, 255]], np.uint16)
    chunk = ActionChunk(
        0, "base_link", space, tokens, 0, 1, InstructionRequest(""), "stop", "", verdict
    )
    return Decision(Scene(0, objects), plan or Plan(), verdict, chunk)


def grey(height: int = 480, width: int = 640) -> np.ndarray:
    return np.full((height, width, 3), 100, np.uint8)


def bands(image: np.ndarray, height: int) -> int:
    """Rows that header and footer add."""
    return image.shape[0] - height


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        ((480, 640), (480, 640)),
        ((120, 160), (480, 640)),
        ((720, 1280), (720, 1280)),
        ((1, 1), (640, 640)),
        ((4000, 30), (4000, 640)),
        ((540, 300), (1080, 640)),
    ],
)
def test_images_are_at_least_640_wide(shape: tuple[int, int], drawn: tuple[int, int]) -> None:
    image = grey(*shape)
    result = draw_overlay(image, decide(), "go to the box")
    assert result.dtype == np.uint8
    assert result.shape[1:] == (drawn[1], 3)
    assert 60 * drawn[1] / 640 < bands(result, drawn[0]) < 200 * drawn[1] / 640
    assert (image == 100).all()


def test_masks_are_tinted_by_role_and_the_rest_is_shaded() -> None:
    decision = decide((BALL, TRAY, CUP), Plan(STEPS))
    result = draw_overlay(grey(), decision, "pick up the red cup")
    plain = draw_overlay(grey(), decide((BALL,)), "pick up the red cup")
    header = int(np.argmax((plain[:, 0] == 100).all(axis=1)))

    def tint(x: int, y: int) -> np.ndarray:
        return result[header + y, x].astype(int)

    def mixed(colour: tuple[int, int, int], opacity: float) -> np.ndarray:
        return np.array(colour) * opacity + 100 * (1 - opacity)

    np.testing.assert_allclose(tint(150, 150), mixed(TARGET, 0.40), atol=1)
    np.testing.assert_allclose(tint(350, 350), mixed(DESTINATION, 0.35), atol=1)
    np.testing.assert_allclose(tint(550, 150), mixed(OTHER, 0.30), atol=1)
    np.testing.assert_allclose(tint(20, 240), 100 * SHADE, atol=1)
    assert (plain[header + 240, 20] == 100).all()


def test_labels_name_role_score_and_distance(written: list[Written]) -> None:
    draw_overlay(grey(), decide((BALL, TRAY, CUP), Plan(STEPS)), "x")
    texts = {text for text, *_ in written}
    assert "target: red cup 0.90, 5.00 m" in texts
    assert "destination: blue tray 0.90, 5.00 m" in texts
    assert "green ball 0.90" in texts


def test_what_is_done_is_no_target_any_more(written: list[Written]) -> None:
    draw_overlay(grey(), decide((TRAY, CUP), Plan(STEPS, current=1)), "x")
    texts = {text for text, *_ in written}
    assert "red cup 0.90" in texts
    assert "destination: blue tray 0.90, 5.00 m" in texts


def test_objects_of_an_earlier_image_are_not_drawn(written: list[Written]) -> None:
    draw_overlay(grey(), decide((), Plan(STEPS)), "x")
    assert not any("red cup 0.90" in text for text, *_ in written)


def test_labels_of_objects_in_one_place_do_not_cover_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filled: list[tuple[int, int, int, int]] = []
    draw = cv2.rectangle

    def record(image, first, second, colour, thickness):
        if thickness == cv2.FILLED:
            filled.append((*first, *second))
        return draw(image, first, second, colour, thickness)

    monkeypatch.setattr(cv2, "rectangle", record)
    crowd = tuple(replace(CUP, phrase=f"red cup number {i}") for i in range(6))
    draw_overlay(grey(), decide(crowd), "x")
    assert len(filled) == 6
    for i, a in enumerate(filled):
        for b in filled[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert a[0] >= 0
        assert a[2] <= 640
        assert a[1] >= 0
        assert a[3] <= 480


@pytest.mark.parametrize(
    ("verdict", "title"),
    [
        (Verdict(Outcome.EXECUTE, confidence=0.875), "EXECUTE with confidence 0.88"),
        (HOLD, "HOLD: TARGET_NOT_FOUND"),
        (Verdict(Outcome.DONE), "DONE"),
    ],
)
def test_the_verdict_has_its_colour_and_words(
    verdict: Verdict, title: str, written: list[Written]
) -> None:
    result = draw_overlay(grey(), decide(verdict=verdict), "go to the box")
    assert tuple(result[-1, 0]) == VERDICT_COLOURS[verdict.outcome]
    texts = [text for text, *_ in written]
    assert title in texts
    assert (verdict.message in texts) == bool(verdict.message)
    assert "go to the box" in texts


@pytest.mark.parametrize("width", [640, 1280])
def test_a_long_trace_is_wrapped_and_nothing_is_cut_off(width: int, written: list[Written]) -> None:
    trace = " -> ".join(f"step{i} at ({i}.25, -{i}.50)" for i in range(40)) + " " + "x" * 300
    draw_overlay(grey(480, width), decide(plan=Plan(trace=trace)), "go")
    joined = "".join(text for text, *_ in written).replace(" ", "")
    assert trace.replace(" ", "") in joined
    assert len(written) > 10
    assert all(w.left >= 0 and w.right <= width for w in written)


def test_what_the_font_lacks_is_written_another_way(written: list[Written]) -> None:
    decision = decide(plan=Plan(trace="⟨go_to, θ = 0.5⟩ → café ± 3° 拿\n红"))
    draw_overlay(grey(), decision, "“go”…")
    texts = [text for text, *_ in written]
    assert "<go_to, theta = 0.5> -> cafe +- 3 deg ? ?" in texts
    assert '"go"...' in texts


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), st.integers(1, 700), st.integers(1, 700))
def test_any_text_and_size_can_be_drawn(text: str, trace: str, height: int, width: int) -> None:
    box = (width // 4, height // 4, width // 2 + 1, height // 2 + 1)
    seen = replace(CUP, phrase=text, box=box)
    plan = Plan((SkillStep("go_to", seen),), trace=trace)
    assert draw_overlay(grey(height, width), decide((seen,), plan), text).shape[1] >= 640


def test_an_instruction_of_10_kb_does_not_hide_the_image() -> None:
    result = draw_overlay(grey(), decide(), "go " * 3500)
    assert bands(result, 480) < 400


def test_attention_is_lighter_where_the_policy_looked() -> None:
    looked = np.zeros((20, 20), np.float32)
    looked[5, 15] = 0.3
    result = draw_attention(grey(), looked, decide(), "go to the box")
    header = bands(draw_overlay(grey(), decide(), "go to the box"), 480)
    assert result.shape[0] == 480 + header
    rows = result.sum(-1, dtype=int)
    _, x = np.unravel_index(rows[60:440].argmax(), (380, 640))
    assert abs(x - 15.5 * 32) < 32
    blank = draw_attention(grey(), np.zeros((20, 20), np.float32), decide(), "go to the box")
    assert blank.shape == result.shape
