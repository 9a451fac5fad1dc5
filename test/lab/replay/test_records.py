import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_runs import EXECUTE, HOLD, SPACE, replay, with_decisions
from told_decisions import CUP as SEEN_CUP
from told_decisions import decision

from vlam_ros.errors import ReplayError
from vlam_ros.lab.replay.records import (
    DESTINATION,
    OTHER,
    TARGET,
    DecisionRecord,
    FoundObject,
    ReplayRun,
    stamp_text,
)
from vlam_ros.types import DecisionInputs, InstructionRequest, Plan, Scene, SkillStep

RUN = replace(replay(EXECUTE, HOLD, bag="kitchen"), notes=("no camera_info",))

whole = st.integers(0, 2**63)
number = st.floats(allow_nan=False)
tokens = st.lists(st.tuples(st.integers(0, 2), *[st.integers(0, 255)] * 4), min_size=1, max_size=3)
found = st.builds(
    FoundObject,
    phrase=st.text(),
    role=st.sampled_from([OTHER, TARGET, DESTINATION]),
    box=st.tuples(*[st.integers(0, 4000)] * 4),
    score=number,
    position=st.none() | st.tuples(number, number, number),
    spread=st.none() | number,
)
records = st.builds(
    DecisionRecord,
    stamp=whole,
    now=whole,
    era=whole,
    instruction=st.text(),
    outcome=st.sampled_from(["EXECUTE", "HOLD", "DONE"]),
    reason=st.text(),
    message=st.text(),
    confidence=number,
    skill=st.text(),
    trace=st.text(),
    start_offset=whole,
    step=whole,
    tokens=tokens.map(tuple),
    objects=st.lists(found, max_size=3).map(tuple),
)


@st.composite
def runs(draw: st.DrawFn) -> ReplayRun:
    those = tuple(draw(st.lists(records, max_size=3)))
    seconds = tuple(draw(st.lists(number, min_size=len(those), max_size=len(those))))
    about = draw(st.dictionaries(st.text(), st.text(), max_size=3))
    return ReplayRun(SPACE, those, seconds, about, tuple(draw(st.lists(st.text(), max_size=2))))


@given(runs())
def test_a_run_that_was_saved_loads_equal_and_saves_to_the_same_bytes(run: ReplayRun) -> None:
    with TemporaryDirectory() as folder:
        first, second = Path(folder, "baseline.json"), Path(folder, "again.json")
        first.write_text(run.to_json(), encoding="utf-8")
        again = ReplayRun.load(first)
        second.write_text(again.to_json(), encoding="utf-8")
        files = {first.read_bytes(), second.read_bytes()}
    assert again == run
    assert len(files) == 1


def test_it_is_written_to_a_file_with_one_line_for_each_decision(tmp_path: Path) -> None:
    text = RUN.to_json()
    (tmp_path / "baseline.json").write_text(text, encoding="utf-8")
    assert ReplayRun.load(tmp_path / "baseline.json") == RUN
    assert sum('"stamp": 1700000000' in line for line in text.splitlines()) == 2
    assert json.loads(text)["decisions"] == json.loads(RUN.decisions_json())


def test_the_text_of_a_decision_tells_what_equality_does_not() -> None:
    nothing, minus = replace(HOLD, confidence=0.0), replace(HOLD, confidence=-0.0)
    assert nothing == minus
    assert nothing.to_json() != minus.to_json()
    a, b = (replace(HOLD, confidence=float("nan")) for _ in range(2))
    assert a != b
    assert a.to_json() == b.to_json()


def test_a_record_keeps_what_a_decision_says_as_messages_hold_it() -> None:
    made = decision(request=InstructionRequest("go to the red cup"), stamp=7)
    inputs = DecisionInputs(7, 9, 2, InstructionRequest("go to the red cup"), ())
    record = DecisionRecord.of(made, inputs)
    assert (record.stamp, record.now, record.era) == (7, 9, 2)
    assert (record.instruction, record.outcome, record.reason) == (
        "go to the red cup",
        "EXECUTE",
        "NONE",
    )
    assert record.confidence == pytest.approx(0.9, abs=1e-7)
    assert record.confidence != 0.9  # a float32 has no 0.9
    assert record.tokens == ((1, 191, 127, 127, 127),)
    (cup,) = record.objects
    assert (cup.phrase, cup.role, cup.position) == ("red cup", TARGET, (1.0, 0.2, 0.05))
    assert cup.spread is None  # NaN is unknown


def test_objects_have_the_roles_that_the_plan_gives_them() -> None:
    other = replace(SEEN_CUP, box=(0, 0, 9, 9))
    tray = replace(SEEN_CUP, phrase="blue tray")
    plan = Plan((SkillStep("pick_up", SEEN_CUP, tray),))
    made = replace(decision(), plan=plan, scene=Scene(0, (other, SEEN_CUP, tray)))
    record = DecisionRecord.of(made, DecisionInputs(0, 0, 0, None, ()))
    assert [thing.role for thing in record.objects] == [OTHER, TARGET, DESTINATION]
    assert record.first(TARGET) == record.objects[1]
    assert record.instruction == ""
    assert HOLD.first(TARGET) is None


def changed(**values: Any) -> dict[str, Any]:
    return {**json.loads(RUN.to_json()), **values}


def decisions(**values: Any) -> dict[str, Any]:
    first, second = json.loads(RUN.decisions_json())
    return changed(decisions=[{**first, **values}, second])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "list indices"),
        ({}, "no 'version'"),
        (changed(version=2), "it has format 2, 1 is expected"),
        (changed(seconds=[0.1]), "each of 2 decisions needs its seconds, got 1"),
        (
            changed(space={"commands": ["go"], "low": [0] * 4, "high": [1] * 4, "bins": 255}),
            "command 0 must",
        ),
        (changed(about=["bag"]), "no attribute 'items'"),
        (decisions(outcome="MOVE"), "no 'MOVE'"),
        (decisions(stamp="now"), "stamp must be int, got 'now'"),
        (decisions(stamp=True), "stamp must be int, got True"),
        (decisions(confidence="high"), "confidence must be float, got 'high'"),
        (decisions(message=None), "message must be str, got None"),
        (decisions(tokens=[[1, 2, 3]]), "inhomogeneous|must be integers"),
        (decisions(tokens=[[3, 0, 0, 0, 0]]), "cmd must be 0..2"),
        (decisions(tokens=[[1, 256, 0, 0, 0]]), "x must be a bin index"),
        (decisions(mood="good"), "unexpected keyword argument 'mood'"),
        (decisions(objects=[{"phrase": "cup"}]), "no 'box'"),
    ],
)
def test_a_file_that_holds_something_else_is_refused_in_one_line(
    document: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ReplayError, match=message) as caught:
        ReplayRun.load(path)
    text = str(caught.value)
    assert text.startswith(f"{path} is no file of replayed decisions (")
    assert text.endswith("make one with vlam replay BAG --save FILE")
    assert "\n" not in text


def test_a_file_that_is_cut_off_or_absent_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    with pytest.raises(ReplayError, match=r"cannot read .*baseline\.json: No such file"):
        ReplayRun.load(path)
    path.write_text(RUN.to_json()[:-40])
    with pytest.raises(ReplayError, match="is no file of replayed decisions"):
        ReplayRun.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ReplayError, match="is no file of replayed decisions"):
        ReplayRun.load(path)


def test_a_run_needs_the_seconds_of_all_decisions() -> None:
    with pytest.raises(ReplayError, match="each of 2 decisions needs its seconds, got 1"):
        with_decisions(RUN, RUN.decisions, [0.1])


def test_stamps_are_read_as_seconds() -> None:
    assert stamp_text(1_700_000_000_012_999_999) == "1700000000.012"
