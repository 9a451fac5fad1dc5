"""A chunk says all that it takes to carry it out: a robot that knows only the message does it."""

import ast
import math
from pathlib import Path

import pytest
import stranger
from policy_world import PLATE, World, gripper, odometry, seen_from, settings, thing
from rclpy.serialization import deserialize_message, serialize_message
from stranger import Stranger

from vlam_ros.msg import ActionChunk
from vlam_ros.ros.decisions import chunk_to_message
from vlam_ros.types import Decision, Outcome

CUP = thing("red cup", 2.0, 0.5, 0.05)
"""In the world."""


def over_the_wire(decision: Decision) -> ActionChunk:
    return deserialize_message(serialize_message(chunk_to_message(decision.chunk)), ActionChunk)


def ask(world: World, robot: Stranger, text: str, seconds: float, holding: bool) -> Decision:
    base = odometry(robot.x, robot.y, robot.yaw, seconds=seconds)
    world.perceiver.objects = [seen_from(base, CUP), PLATE]
    return world.ask(text, seconds, odometry=base, gripper=gripper(holding))


def test_the_stranger_knows_nothing_of_this_package_but_its_messages() -> None:
    source = Path(stranger.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 60
    names = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert sorted(names) == ["dataclasses", "math", "vlam_ros.msg"]


def test_it_drives_to_where_it_was_told_and_faces_the_object() -> None:
    world, robot = World(), Stranger(x=-0.2, y=0.1, yaw=0.3)
    robot.carry_out(over_the_wire(ask(world, robot, "go to the red cup", 0.0, holding=False)))
    assert math.dist((robot.x, robot.y), (2.0, 0.5)) == pytest.approx(
        settings().policy.standoff, abs=0.03
    )
    assert robot.yaw == pytest.approx(math.atan2(0.5 - robot.y, 2.0 - robot.x), abs=0.03)


def test_it_turns_without_driving() -> None:
    world, robot = World(), Stranger()
    robot.carry_out(over_the_wire(ask(world, robot, "turn to the red cup", 0.0, holding=False)))
    assert (robot.x, robot.y) == (0.0, 0.0)
    assert robot.yaw == pytest.approx(math.atan2(0.5, 2.0), abs=0.02)


def test_it_drives_picks_up_and_holds_what_was_meant() -> None:
    world, robot = World(), Stranger()
    for number in range(40):
        decision = ask(world, robot, "pick up the red cup", 0.5 * number, "close" in robot.gripped)
        if decision.verdict.outcome is Outcome.DONE:
            break
        assert decision.verdict.outcome is Outcome.EXECUTE, decision.verdict
        chunk = over_the_wire(decision)
        del chunk.tokens[2:]  # two rows are due until the next image
        robot.carry_out(chunk)
    else:
        pytest.fail("it was never done")
    assert robot.gripped == ["close"]
    lowest = min(robot.tool, key=lambda place: place[2])
    assert lowest[:2] == pytest.approx((2.0, 0.5), abs=0.03)
    assert lowest[2] == pytest.approx(0.02, abs=0.02), "pressed on the cup's middle at 0.05 m"
    assert robot.tool[-1][2] > 0.5, "and lifted"


def test_it_stands_still_on_a_chunk_that_holds() -> None:
    world, robot = World(), Stranger()
    decision = world.ask("go to the green ball")
    assert decision.verdict.outcome is Outcome.HOLD
    robot.carry_out(over_the_wire(decision))
    assert (robot.x, robot.y, robot.yaw, robot.tool, robot.gripped) == (0.0, 0.0, 0.0, [], [])


@pytest.mark.parametrize(
    ("text", "x", "yaw"),
    [("go back half a metre", -0.5, 0.0), ("move forward 1 m", 1.0, 0.0), ("turn left", 0.0, 1.57)],
)
def test_it_goes_as_far_and_turns_as_much_as_was_said(text: str, x: float, yaw: float) -> None:
    world, robot = World(), Stranger()
    for number in range(8):
        decision = ask(world, robot, text, 0.5 * number, holding=False)
        robot.carry_out(over_the_wire(decision))
    assert decision.verdict.outcome is Outcome.DONE
    assert (robot.x, robot.y) == (pytest.approx(x, abs=0.035), 0.0)
    assert robot.yaw == pytest.approx(yaw, abs=0.03)
