"""What vlam_node published of its decisions, put together again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import serialize_message
from replayed import MS, SECOND, SETTINGS
from told_decisions import CUP, DONE, EXECUTE, SPACE, decision

from vlam_ros.lab.bags import BagReader, BagWriter
from vlam_ros.lab.replay.collected import Collected, DecisionCollector, recorded_run
from vlam_ros.lab.replay.records import DecisionRecord
from vlam_ros.lab.replay.roles import DECISIONS, ROLES, assign
from vlam_ros.ros.decision_inputs import inputs_to_message
from vlam_ros.ros.decisions import chunk_to_message, hold_chunk, scene_to_message
from vlam_ros.ros.images import image_to_message
from vlam_ros.types import (
    Decision,
    DecisionInputs,
    InstructionRequest,
    Outcome,
    Plan,
    Reason,
    Scene,
    SceneObject,
    SkillStep,
    Verdict,
)

GO = InstructionRequest("go to the red cup", epoch=5, sequence=2)
BACK = InstructionRequest("go to the blue tray", epoch=5, sequence=3)
TRAY = SceneObject("blue tray", (0, 0, 9, 9), np.ones((4, 4), bool), 0.3, 0.3, 0.1, spread=0.02)
CommandEvent = list[tuple[str, Any]]


def decided(stamp: int, request: InstructionRequest | None = GO, **changes: Any) -> Decision:
    """A decision on the image of a stamp, with two objects that have roles and one that has not.

    Its numbers are none that float32 holds.
    """
    verdict = replace(changes.pop("verdict", EXECUTE), confidence=0.1)
    made = decision(stamp=stamp, request=request or InstructionRequest(""), verdict=verdict)
    other = replace(CUP, phrase="green box", position=None, score=0.7)
    plan = Plan((SkillStep("go_to", CUP, TRAY),), trace=made.plan.trace)
    return replace(made, scene=Scene(stamp, (CUP, TRAY, other)), plan=plan, **changes)


def inputs(made: Decision, request: InstructionRequest | None = GO, **changes: Any) -> Any:
    return replace(
        DecisionInputs(made.scene.stamp, made.scene.stamp + 40 * MS, 1, request, ()), **changes
    )


def told(made: Decision, what: DecisionInputs) -> CommandEvent:
    """What is published of a decision, in the order of DECISIONS."""
    messages = chunk_to_message(made.chunk), scene_to_message(made)
    return list(zip(DECISIONS, (*messages, inputs_to_message(what, "camera")), strict=True))


def collect(messages: CommandEvent, now: int = 0) -> list[Collected]:
    collector = DecisionCollector()
    return [found for role, message in messages for found in collector.add(role, message, now)]


def hold(stamp: int, request: InstructionRequest = GO) -> tuple[str, Any]:
    """The chunk that stops the robot when there is no image to decide on."""
    verdict = Verdict(Outcome.HOLD, Reason.STALE_SENSOR, "no image")
    return "action_chunk", chunk_to_message(hold_chunk(SETTINGS[0].action, stamp, request, verdict))


def test_messages_tell_the_same_record_as_the_decision_and_the_seconds_to_its_chunk() -> None:
    made = decided(SECOND)
    collector = DecisionCollector()
    messages = told(made, inputs(made))
    assert collector.add(*messages[0], SECOND + 300 * MS) == []
    assert collector.add(*messages[1], SECOND + 310 * MS) == []
    (found,) = collector.add(*messages[2], SECOND + 320 * MS)
    assert found.record.to_json() == DecisionRecord.of(made, inputs(made)).to_json()
    assert [o.role for o in found.record.objects] == ["target", "destination", "other"]
    assert found.seconds == 0.3
    assert collector.space == SPACE


@given(st.data())
def test_however_the_topics_interleave_decisions_come_in_the_order_of_their_inputs(
    data: st.DataObject,
) -> None:
    made = [decided(SECOND + i * MS) for i in range(3)]
    lanes = list(zip(*(told(m, inputs(m)) for m in made), strict=True))
    queues = [list(lane) for lane in lanes]
    order = []
    while any(queues):
        order.append(data.draw(st.sampled_from([q for q in queues if q])).pop(0))
    stamps = [found.record.stamp for found in collect(order)]
    assert stamps == [m.scene.stamp for m in made]


def test_one_image_decided_on_under_two_instructions_is_two_decisions() -> None:
    first, second = decided(SECOND), decided(SECOND, BACK, verdict=DONE)
    a, b = told(first, inputs(first)), told(second, inputs(second, BACK))
    for order in ([*a, *b], [a[0], b[0], a[1], b[1], a[2], b[2]]):
        found = collect(order)
        asked = [(f.record.instruction, f.record.outcome) for f in found]
        assert asked == [(GO.text, "EXECUTE"), (BACK.text, "DONE")]


def test_a_chunk_without_a_decision_and_an_answer_that_came_too_late_are_none() -> None:
    late, made = decided(SECOND), decided(2 * SECOND, BACK)
    unpublished = told(late, inputs(late, published=False))[2]
    collector = DecisionCollector()
    messages = [hold(SECOND), unpublished, hold(SECOND + MS, BACK), *told(made, inputs(made, BACK))]
    found = [f for role, message in messages for f in collector.add(role, message, 0)]
    assert [f.record.stamp for f in found] == [2 * SECOND]
    collector.add(*hold(3 * SECOND), 0)
    assert collector.space == SPACE, "a chunk that only stops has a space of its own"


def test_the_node_may_stop_the_robot_at_the_very_time_of_a_image() -> None:
    """As in a simulation, whose clock ticks when the image is taken."""
    made = decided(SECOND)
    chunk, scene, what = told(made, inputs(made))
    for order in ([hold(SECOND), chunk, scene, what], [chunk, hold(SECOND), scene, what]):
        (found,) = collect(order)
        assert found.record.outcome == "EXECUTE"


def test_what_was_said_before_anybody_listened_is_not_taken_for_a_part_of_the_next() -> None:
    first = decided(SECOND)
    second = replace(decided(SECOND, BACK), scene=Scene(SECOND, (TRAY,)))
    a, b = told(first, inputs(first)), told(second, inputs(second, BACK))
    for heard in (a[:2], a[1:2], a[1:], a[:1] + a[2:]):
        found = collect([*heard, *b])
        assert [o.phrase for o in found[-1].record.objects] == ["blue tray"]
        assert found[-1].record.instruction == BACK.text


def test_the_same_image_of_the_next_round_is_another_decision() -> None:
    first, second = decided(SECOND), decided(SECOND, verdict=DONE)
    lost = told(first, inputs(first))[:2]
    (found,) = collect([*lost, *told(second, inputs(second, era=2))])
    assert (found.record.era, found.record.outcome) == (2, "DONE")


def test_without_an_instruction_only_the_node_knows_its_order() -> None:
    made = decided(SECOND, InstructionRequest("", epoch=5, sequence=9))
    (found,) = collect(told(made, inputs(made, request=None)))
    assert found.record.instruction == ""


def test_a_decision_of_which_something_was_lost_does_not_hold_up_the_next() -> None:
    first, second = decided(SECOND), decided(2 * SECOND)
    for lost in range(3):
        rest = told(first, inputs(first))
        del rest[lost]
        found = collect([*rest, *told(second, inputs(second))])
        assert [f.record.stamp for f in found] == [2 * SECOND]


def test_what_never_becomes_whole_is_not_kept_for_ever() -> None:
    collector = DecisionCollector()
    for i in range(100):
        made = decided(SECOND + i)
        collector.add(*told(made, inputs(made))[i % 3], 0)
    kept = len(collector._chunks), len(collector._scenes), len(collector._inputs)
    assert max(kept) <= 32


# ------------------------------------------------------------------------------------ in a bag


def recorded(path: Path, messages: list[tuple[int, str, Any]], *without: str) -> Path:
    """A bag of messages by receive time, with an image, of a robot in a namespace."""
    image = image_to_message(np.zeros((3, 4, 3), np.uint8), SECOND, "camera")
    with BagWriter(path) as bag:
        for role in {*DECISIONS, "image"} - set(without):
            bag.add(f"/robot1/{role}", ROLES[role])
        bag.write("/robot1/image", messages[0][0], serialize_message(image))
        for received, role, message in messages:
            if role not in without:
                bag.write(f"/robot1/{role}", received, serialize_message(message))
    return path


def run_of(path: Path) -> Any:
    with BagReader(path) as bag:
        return recorded_run(bag, assign(bag.topics, {}))


def two_decisions(received: int) -> list[tuple[int, str, Any]]:
    first, second = decided(SECOND), decided(2 * SECOND, BACK)
    messages = [*told(first, inputs(first)), *told(second, inputs(second, BACK)), hold(3 * SECOND)]
    return [(received + i * MS, role, message) for i, (role, message) in enumerate(messages)]


def test_a_bag_tells_the_run_that_it_was_recorded_of(tmp_path: Path) -> None:
    run = run_of(recorded(tmp_path / "drive", two_decisions(2 * SECOND + 200 * MS)))
    first, second = decided(SECOND), decided(2 * SECOND, BACK)
    expected = [
        DecisionRecord.of(first, inputs(first)),
        DecisionRecord.of(second, inputs(second, BACK)),
    ]
    assert [d.to_json() for d in run.decisions] == [d.to_json() for d in expected]
    assert run.seconds == pytest.approx((1.2, 0.203))
    assert run.space == SPACE
    assert run.about["bag"].startswith("drive, 0.0 s, 0.0")
    assert run.about["decided"] == "when it was recorded"


def test_by_the_clock_of_another_recorder_seconds_are_those_to_the_beginning(
    tmp_path: Path,
) -> None:
    run = run_of(recorded(tmp_path / "drive", two_decisions(1_700_000_000 * SECOND)))
    assert run.seconds == (0.04, 0.04)


@pytest.mark.parametrize("lacking", DECISIONS)
def test_a_bag_that_lacks_a_part_of_its_decisions_tells_no_run(
    tmp_path: Path, lacking: str
) -> None:
    assert run_of(recorded(tmp_path / "drive", two_decisions(SECOND), lacking)) is None


def test_a_bag_without_a_decision_tells_no_run(tmp_path: Path) -> None:
    assert run_of(recorded(tmp_path / "drive", [(SECOND, *hold(SECOND))])) is None


def test_a_damaged_message_costs_its_decision_only(tmp_path: Path) -> None:
    messages = two_decisions(SECOND)
    with BagWriter(tmp_path / "drive") as bag:
        for role in (*DECISIONS, "image"):
            bag.add(role, ROLES[role])
        for i, (received, role, message) in enumerate(messages):
            data = serialize_message(message)
            bag.write(role, received, data[:20] if i == 1 else data)
    run = run_of(tmp_path / "drive")
    assert [d.stamp for d in run.decisions] == [2 * SECOND]
