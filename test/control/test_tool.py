"""The tool goes along its rows in time, the gripper acts once and never late, the base stands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from driven import COMMANDS, FINE, HOLD, NAN, START, TICK, Driven, go_to, halt_chunk, ns, rows_chunk

from vlam_ros.control.arm import tool_at
from vlam_ros.policies.skills import load_skills
from vlam_ros.policies.skills.tool_path import ToolPath
from vlam_ros.resources import resource_path
from vlam_ros.types import ActionChunk, Halt, Outcome, VelocityCommand, Verdict

DURATION, EVENT = 6.0, 3.9
OVER, LOW = [0.5, 0.2, 0.20, 0.0], [0.5, 0.2, 0.05, 0.0]
PATH = ToolPath(np.array([0.0, 2.1, 3.6, 4.2, 6.0]), np.array([OVER, OVER, LOW, LOW, OVER]), EVENT)


def pick(
    elapsed: float, skill: str = "pick_up", sequence: int = 1, horizon: int = 8
) -> ActionChunk:
    """The rows that are due `elapsed` seconds after the start of the path, as the policy has it."""
    due = elapsed + 0.2 + 0.25 * np.arange(horizon)
    return rows_chunk(
        skill, PATH.rows(due, 0.25), stamp=START + ns(elapsed), sequence=sequence, space=FINE
    )


def picking(
    seconds: float = DURATION,
    every: float = 0.4,
    latency: float = 0.3,
    silent: tuple[float, float] = (9.0, 9.0),
    **chunk: Any,
) -> tuple[Driven, list[float], list[str]]:
    """A robot that gets the chunks of a path now and then, but none during `silent`; when the
    gripper acted, in seconds from the start of the path, and what was missed.
    """
    robot = Driven(arm=(0.0, 0.0, 0.0))
    coming: list[ActionChunk] = []
    acted, missed = [], []
    for i in range(round(seconds * 30)):
        elapsed = (robot.now - START) / 1e9
        if i % round(every * 30) == 0 and not silent[0] <= elapsed < silent[1]:
            coming.append(pick(elapsed, **chunk))
        while coming and coming[0].stamp + ns(latency) <= robot.now:
            robot.controller.chunk(coming.pop(0), robot.now)
        at = robot.now
        command = robot.tick()
        if command.grip is not None:
            assert command.grip is (chunk.get("skill", "pick_up") == "pick_up")
            acted.append((at - START) / 1e9)
        if robot.controller.missed_event is not None:
            missed.append(robot.controller.missed_event)
    return robot, acted, missed


def tool_places(robot: Driven) -> npt.NDArray[np.float64]:
    arm = robot.settings.arm
    return np.array(
        [tool_at(c.joints, arm) if c.joints else (NAN,) * 3 for c in robot.told]  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("latency", [0.0, 0.1, 0.3, 0.8])
def test_the_tool_is_where_the_path_says_when_it_says_so(latency: float) -> None:
    robot, _, missed = picking(latency=latency)
    places = tool_places(robot)
    times = np.arange(len(places)) * TICK / 1e9
    expected = np.stack([np.interp(times, PATH.times, column) for column in PATH.poses.T[:3]])
    caught_up = times > 2.2
    error = np.abs(places - expected.T)[caught_up]
    # Rows are straight between poses a quarter of a second apart, and the path has corners.
    assert error.max() < 0.012
    assert missed == []


def test_joints_never_go_faster_than_they_can() -> None:
    robot, _, _ = picking(latency=1.0)
    joints = np.array([c.joints for c in robot.told if c.joints])
    speeds = np.abs(np.diff(joints, axis=0)).max(axis=0) / (TICK / 1e9)
    assert (speeds <= np.array(robot.settings.arm.speeds) + 1e-9).all()
    assert speeds[1:] == pytest.approx(robot.settings.arm.speeds[1:])


@pytest.mark.parametrize("skill", ["pick_up", "place"])
@pytest.mark.parametrize("every", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("latency", [0.0, 0.1, 0.3, 0.9])
def test_the_gripper_acts_once_in_the_time_of_its_row(
    skill: str, every: float, latency: float
) -> None:
    _, acted, missed = picking(every=every, latency=latency, skill=skill)
    assert len(acted) == 1
    assert abs(acted[0] - EVENT) <= 0.25
    assert missed == []


def test_the_base_stands_while_the_tool_moves() -> None:
    robot = Driven(arm=(0.0, 0.0, 0.0))
    robot.controller.chunk(go_to(2.0, 0.0, 0.0), robot.now)
    robot.run(1.0)
    assert robot.told[-1].velocity.linear > 0.3
    chunk = rows_chunk("push", [OVER] * 8, stamp=robot.now)
    robot.controller.chunk(chunk, robot.now)
    assert {command.velocity for command in robot.run(1.0)} == {VelocityCommand(0.0, 0.0)}
    assert robot.told[-1].joints is not None


def test_poses_are_those_of_the_base_at_the_stamp() -> None:
    robot = Driven(arm=(0.0, 0.0, 0.0))
    at, place = robot.now, robot.in_odom(0.5, 0.2)
    robot.now += ns(0.1)
    robot.x, robot.y, robot.yaw = robot.in_odom(0.02, 0.0, 0.1)
    robot.report()
    robot.controller.chunk(rows_chunk("push", [OVER] * 12, stamp=at), robot.now)
    robot.run(2.5)
    x, y, _ = tool_places(robot)[-1]
    assert robot.in_odom(x, y)[:2] == pytest.approx(place[:2], abs=1e-3)


# ------------------------------------------------------------------------------ events


def test_an_event_that_passes_during_a_stop_is_missed_and_told_once() -> None:
    robot = Driven(arm=(0.0, 0.0, 0.0))
    robot.now += ns(3.0)
    robot.report()
    robot.controller.chunk(pick(3.0), robot.now)
    robot.controller.estop(True)
    told = []
    for _ in range(60):
        assert robot.tick().grip is None
        told.append(robot.controller.missed_event)
    (missed,) = [why for why in told if why is not None]
    assert "closes" in missed
    assert (told.index(missed) * TICK) / 1e9 == pytest.approx(0.7 + 0.25, abs=0.05)
    # The next chunk is of the same instruction, and the event is over.
    robot.controller.estop(False)
    robot.controller.chunk(pick(5.0), robot.now)
    assert {command.grip for command in robot.run(1.0)} == {None}
    assert robot.controller.missed_event is None


def test_an_event_that_is_over_when_its_chunk_comes_is_missed() -> None:
    _, acted, missed = picking(latency=1.8, every=7.0, seconds=9.0)
    assert (acted, len(missed)) == ([], 0), "the first chunk ends before the event"
    robot = Driven(arm=(0.0, 0.0, 0.0))
    robot.controller.chunk(pick(3.0, horizon=40), robot.now)
    robot.now += ns(4.3)
    robot.tick()
    assert robot.controller.missed_event is not None


def test_a_hold_over_the_time_of_an_event_makes_it_missed_and_done_does_not() -> None:
    for verdict, sequence, expected in (
        (HOLD, 1, True),
        (Verdict(Outcome.DONE), 1, False),
        (HOLD, 2, False),
    ):
        robot = Driven(arm=(0.0, 0.0, 0.0))
        robot.now += ns(3.0)
        robot.report()
        robot.controller.chunk(pick(3.0), robot.now)
        robot.run(0.3)
        robot.controller.chunk(halt_chunk(verdict, robot.now, sequence), robot.now)
        missed = []
        for _ in range(60):
            robot.tick()
            missed.append(robot.controller.missed_event)
        assert any(missed) is expected


def test_a_newer_instruction_has_its_own_event() -> None:
    robot = Driven(arm=(0.0, 0.0, 0.0))
    robot.now += ns(3.6)
    robot.report()
    grips = []
    for sequence in (1, 2):
        robot.controller.chunk(pick(3.6, sequence=sequence), robot.now)
        grips += [command.grip for command in robot.run(0.35)]
    assert [grip for grip in grips if grip is not None] == [True, True]


def test_two_events_of_one_chunk_fire_both() -> None:
    rows = np.array([OVER, [NAN] * 4, LOW, LOW, [NAN] * 4, OVER])
    robot = Driven(arm=(0.0, 0.0, 0.0))
    robot.controller.chunk(rows_chunk("place", rows), robot.now)
    grips = [command.grip for command in robot.run(1.6)]
    fired = [i * TICK / 1e9 for i, grip in enumerate(grips) if grip is False]
    assert fired == [pytest.approx(0.45, abs=0.034), pytest.approx(1.2, abs=0.034)]


def test_without_joint_states_nothing_is_told_and_the_event_is_missed() -> None:
    robot = Driven()
    robot.now += ns(3.0)
    robot.report()
    robot.controller.chunk(pick(3.0), robot.now)
    missed = []
    for _ in range(45):
        command = robot.tick()
        missed.append(robot.controller.missed_event)
        assert (command.joints, command.grip) == (None, None)
    assert any(missed)


# ------------------------------------------------------------------------------ base and arm


def test_a_base_waits_until_the_arm_is_stowed() -> None:
    robot = Driven(arm=(0.4, 0.3, 0.6))
    robot.controller.chunk(go_to(1.0, 0.0, 0.0, horizon=40), robot.now)
    robot.run(6.0)
    moving = [i for i, command in enumerate(robot.told) if command.velocity.linear > 0]
    stowing = [i for i, command in enumerate(robot.told) if command.joints is not None]
    assert moving[0] > stowing[-1]
    assert robot.told[stowing[-1]].joints == pytest.approx((0.0, 0.0, 0.0), abs=0.02)
    assert stowing[-1] * TICK / 1e9 == pytest.approx(0.6 / 0.8 + 0.3 / 0.6, abs=0.15)


def test_the_robots_skills_are_followed_as_these_tests_follow_them() -> None:
    skills = load_skills(resource_path("config/skills.yaml"))
    assert tuple(skill.command for skill in skills) == COMMANDS


def test_what_is_followed_is_shown_in_the_odometry_frame() -> None:
    robot = Driven()
    goal = robot.in_odom(1.0, 0.5, 0.4)
    robot.controller.chunk(go_to(1.0, 0.5, 0.4), robot.now)
    robot.tick()
    shown = robot.controller.waypoints(robot.now)
    assert shown.shape == (8, 4)
    assert shown[-1, [0, 1, 3]] == pytest.approx(goal, abs=1e-3)
    robot.run(0.7)
    assert len(robot.controller.waypoints(robot.now)) == 6, "two rows have ended"
    robot.run(3.0)
    assert robot.told[-1].halt is Halt.EXPIRED
    assert len(robot.controller.waypoints(robot.now)) == 0
    assert not math.isnan(float(shown[-1, 3]))
