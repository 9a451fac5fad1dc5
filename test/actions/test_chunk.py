import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlam_ros.actions import (
    ActionChunk,
    ActionSpace,
    chunk_from_dict,
    chunk_to_dict,
    current_row,
    drop_late_rows,
    due_times,
    is_void,
    stop_chunk,
    tokens_from_text,
    tokens_to_text,
    void_at,
)
from vlam_ros.errors import ActionError
from vlam_ros.types import InstructionRequest, Outcome, Reason, Verdict

STAMP = 1_700_000_000_123_456_789
SPACE = ActionSpace.of(("stop", "go_to"), (-3.0, -3.0, -1.0, -3.1), (3.0, 3.0, 1.0, 3.1))
CHUNK = ActionChunk(
    stamp=STAMP,
    frame_id="base_link",
    space=SPACE,
    tokens=np.array([[1, 128, 91, 127, 64], [1, 130, 91, 127, 255], [0, 255, 255, 255, 255]], "u2"),
    start_offset=200,
    step=100,
    request=InstructionRequest("go to the box", epoch=STAMP - 7, sequence=3),
    skill="go_to",
    trace="go to the box at 1.2 m",
    verdict=Verdict(Outcome.EXECUTE, confidence=0.1 + 0.2),
)


def same(a: ActionChunk, b: ActionChunk) -> bool:
    tokens = np.array_equal(a.tokens, b.tokens) and a.tokens.dtype == b.tokens.dtype
    blank = np.zeros((1, 5), np.uint16)
    return tokens and str(replace(a, tokens=blank)) == str(replace(b, tokens=blank))


def test_rows_are_due_one_step_after_another() -> None:
    np.testing.assert_array_equal(due_times(CHUNK) - STAMP, [200, 300, 400])
    assert void_at(CHUNK) == STAMP + 500


@pytest.mark.parametrize(
    ("after", "row"),
    [(-1, None), (199, None), (200, 0), (299, 0), (300, 1), (499, 2), (500, None), (10**12, None)],
)
def test_the_current_row_is_chosen_by_time(after: int, row: int | None) -> None:
    assert current_row(CHUNK, STAMP + after) == row
    assert is_void(CHUNK, STAMP + after) == (after >= 500)


@given(st.integers(-1000, 1000))
def test_a_row_is_current_from_its_due_time_until_the_next(after: int) -> None:
    now = STAMP + after
    rows = [i for i, due in enumerate(due_times(CHUNK)) if due <= now < due + CHUNK.step]
    assert current_row(CHUNK, now) == (rows[0] if rows else None)


@given(st.integers(-1000, 499), st.integers(0, 999))
def test_dropping_late_rows_changes_nothing_of_what_follows(after: int, later: int) -> None:
    kept = drop_late_rows(CHUNK, STAMP + after)
    assert kept is not None
    assert due_times(kept)[0] + kept.step > STAMP + after
    full, rest = (current_row(c, STAMP + after + later) for c in (CHUNK, kept))
    assert (full is None) == (rest is None)
    if full is not None and rest is not None:
        np.testing.assert_array_equal(kept.tokens[rest], CHUNK.tokens[full])


def test_nothing_is_left_of_a_void_chunk() -> None:
    assert drop_late_rows(CHUNK, STAMP + 500) is None


@pytest.mark.parametrize(
    "verdict", [Verdict(Outcome.HOLD, Reason.TARGET_NOT_FOUND, "no cup"), Verdict(Outcome.DONE)]
)
def test_a_stop_chunk_is_one_stop_row_without_values(verdict: Verdict) -> None:
    chunk = stop_chunk(
        stamp=STAMP, frame_id="base_link", space=SPACE, step=100,
        request=CHUNK.request, verdict=verdict, trace="nothing to do",
    )  # fmt: skip
    assert tokens_to_text(chunk.tokens) == "0 255 255 255 255"
    assert (chunk.skill, chunk.verdict, chunk.start_offset) == ("stop", verdict, 0)
    assert current_row(chunk, STAMP) == 0


def test_a_stop_chunk_cannot_execute() -> None:
    with pytest.raises(ActionError, match="HOLD or DONE"):
        stop_chunk(
            stamp=STAMP, frame_id="base_link", space=SPACE, step=100,
            request=CHUNK.request, verdict=Verdict(Outcome.EXECUTE),
        )  # fmt: skip


def test_the_text_form_is_that_of_rt_2() -> None:
    text = tokens_to_text(CHUNK.tokens)
    assert text == "1 128 91 127 64\n1 130 91 127 255\n0 255 255 255 255"
    np.testing.assert_array_equal(tokens_from_text(text + "\n", SPACE), CHUNK.tokens)
    assert tokens_from_text(text, SPACE).dtype == np.uint16


@pytest.mark.parametrize(
    "text",
    ["", "\n", "1 2 3 4", "1 2 3 4 5 6", "1 2 3 4 -5", "1 2 3 4 5.0", "a b c d e", "2 0 0 0 0",
     "1 256 0 0 0", "1 0 0 0 0\n\n1 0 0 0 0", f"1 0 0 0 {10**30}"],
)  # fmt: skip
def test_text_that_is_no_action_is_refused(text: str) -> None:
    with pytest.raises(ActionError):
        tokens_from_text(text, SPACE)


def test_json_keeps_everything() -> None:
    document = json.dumps(chunk_to_dict(CHUNK), allow_nan=False)
    assert same(chunk_from_dict(json.loads(document)), CHUNK)
    assert json.loads(document)["verdict"]["outcome"] == "EXECUTE"
    assert json.loads(document)["tokens"][0] == [1, 128, 91, 127, 64]


def test_json_keeps_a_refusal() -> None:
    verdict = Verdict(Outcome.HOLD, Reason.TARGET_AMBIGUOUS, "two “cups”", 0.5)
    chunk = replace(CHUNK, verdict=verdict)
    assert same(chunk_from_dict(json.loads(json.dumps(chunk_to_dict(chunk)))), chunk)


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": [[1, 2, 3]]},
        {"tokens": [[1, 2, 3, 4, 300]]},
        {"tokens": [[1, 2, 3, 4, -1]]},
        {"tokens": [[1, 2], [3]]},
        {"tokens": []},
        {"stamp": "now"},
        {"step": 0.5},
        {"space": None},
        {"verdict": {"outcome": "MAYBE", "reason": "NONE"}},
        {"verdict": {"outcome": "HOLD", "reason": "NONE"}},
        {"speed": 3},
    ],
)
def test_a_wrong_dictionary_is_refused(change: dict) -> None:
    with pytest.raises(ActionError):
        chunk_from_dict(chunk_to_dict(CHUNK) | change)


@pytest.mark.parametrize("missing", ["stamp", "tokens", "space", "verdict", "request", "trace"])
def test_an_incomplete_dictionary_is_refused(missing: str) -> None:
    values = chunk_to_dict(CHUNK)
    del values[missing]
    with pytest.raises(ActionError, match=missing):
        chunk_from_dict(values)
