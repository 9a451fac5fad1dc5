"""What stops the robot: at once, to exactly zero, for the reason that is told."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driven import COMMANDS, FINE, HOLD, NAN, START, Driven, go_to, halt_chunk, ns, rows_chunk

from vlam_ros.actions import ActionTokenizer
from vlam_ros.errors import SensorError
from vlam_ros.types import (
    ActionChunk,
    ActionDimension,
    Command,
    Halt,
    InstructionRequest,
    Odometry,
    Outcome,
    VelocityCommand,
    Verdict,
)

PILLAR = np.column_stack(
    [
        0.1 * np.cos(np.arange(0, 6.28, 0.1)),
        0.1 * np.sin(np.arange(0, 6.28, 0.1)),
        np.full(63, 0.4),
    ]
)


def moving(**robot: Any) -> Driven:
    """A robot that drives straight on at full speed."""
    driven = Driven(**robot)
    driven.controller.chunk(go_to(2.9, 0.0, 0.0, horizon=40), driven.now)
    driven.run(1.5)
    assert driven.told[-1].velocity.linear == 0.4
    return driven


def assert_stopped(command: Command, why: Halt) -> None:
    assert command == Command(VelocityCommand(0.0, 0.0), None, None, why)


def test_before_the_first_chunk_the_robot_stands() -> None:
    assert_stopped(Driven().tick(), Halt.NO_CHUNK)


@pytest.mark.parametrize(
    ("verdict", "why"), [(HOLD, Halt.HOLD), (Verdict(Outcome.DONE), Halt.DONE)]
)
@pytest.mark.parametrize("sequence", [1, 2])
def test_hold_and_done_stop_at_once(verdict: Verdict, why: Halt, sequence: int) -> None:
    robot = moving()
    robot.controller.chunk(halt_chunk(verdict, robot.now, sequence), robot.now)
    assert_stopped(robot.tick(), why)
    robot.controller.chunk(go_to(2.0, 0.0, 0.0, stamp=robot.now, sequence=sequence), robot.now)
    assert 0 < robot.tick().velocity.linear < 0.01, "from rest again"


def test_a_row_that_says_stop_stops() -> None:
    robot = moving()
    chunk = go_to(2.0, 0.0, 0.0, stamp=robot.now)
    tokens = halt_chunk().tokens
    robot.controller.chunk(replace(chunk, tokens=tokens, skill="stop"), robot.now)
    assert_stopped(robot.tick(), Halt.HOLD)


def test_a_chunk_that_runs_out_stops() -> None:
    robot = Driven()
    robot.controller.chunk(go_to(2.9, 0.0, 0.0, horizon=4), robot.now)
    robot.run(1.2)
    assert robot.now < START + ns(0.2 + 4 * 0.25)
    assert robot.tick().velocity.linear > 0.3
    assert_stopped(robot.tick(), Halt.EXPIRED)


def with_gripper(chunk: ActionChunk, index: int) -> ActionChunk:
    """The chunk with a further dimension."""
    dimensions = (*chunk.space.dimensions, ActionDimension("gripper", "", 0.0, 1.0))
    tokens = np.column_stack([chunk.tokens, np.full(len(chunk.tokens), index, np.uint16)])
    return replace(chunk, space=replace(chunk.space, dimensions=dimensions), tokens=tokens)


def test_a_skill_that_nobody_here_has_heard_of_is_carried_out_as_its_command_says() -> None:
    robot = Driven()
    others = (replace(command, name=f"my_{command.name}") for command in COMMANDS[1:])
    commands = (COMMANDS[0], *others)
    chunk = go_to(1.0, 0.0, 0.0)
    space = replace(chunk.space, commands=commands)
    robot.controller.chunk(replace(chunk, space=space, skill="my_go_to"), robot.now)
    robot.run(0.6)
    assert robot.told[-1].halt is Halt.NONE
    assert robot.told[-1].velocity.linear > 0.1


def test_a_further_dimension_that_is_not_used_does_not_matter() -> None:
    robot = Driven()
    robot.controller.chunk(with_gripper(go_to(1.0, 0.0, 0.0), 255), robot.now)
    assert robot.tick().halt is Halt.NONE


def wrong_chunks() -> dict[str, Any]:
    good = go_to(1.0, 0.0, 0.0, sequence=2)
    beyond = good.tokens.copy()
    beyond[0, 1] = FINE.unused[0] + 1
    other = good.tokens.copy()
    other[1, 0] = 2
    return {
        "no bin": replace(good, tokens=beyond),
        "another skill in a row": replace(good, tokens=other),
        "a dimension this robot does not have": with_gripper(good, 17),
        "another frame": replace(good, frame_id="map"),
        "a waypoint that is none": rows_chunk(
            "go_to", [[1.0, 0.0, NAN, 1.0], [NAN, NAN, NAN, 1.0]], sequence=2
        ),
        "no place and no angle": rows_chunk("go_to", [[NAN, NAN, 0.5, NAN]], sequence=2),
        "half a waypoint": rows_chunk("go_to", [[1.0, NAN, NAN, 1.0]], sequence=2),
        "a sweep with a height": rows_chunk("search", [[NAN, NAN, 0.5, 1.0]], sequence=2),
        "an event in a push": rows_chunk("push", [[NAN] * 4], sequence=2),
        "a tool without height": rows_chunk("push", [[0.5, 0.0, NAN, 0.0]], sequence=2),
        "a tool out of reach": rows_chunk("push", [[1.5, 0.0, 0.1, 0.0]], sequence=2),
    }


@pytest.mark.parametrize("name", wrong_chunks())
def test_a_chunk_that_cannot_be_decoded_stops_and_says_why(name: str) -> None:
    robot = moving()
    robot.controller.chunk(wrong_chunks()[name], robot.now)
    assert_stopped(robot.tick(), Halt.UNREADABLE)
    assert robot.controller.chunk_error
    robot.controller.chunk(go_to(1.0, 0.0, 0.0, stamp=robot.now, sequence=2), robot.now)
    assert robot.tick().halt is Halt.NONE
    assert robot.controller.chunk_error == ""


def test_a_message_that_is_no_chunk_stops() -> None:
    robot = moving()
    robot.controller.unreadable("no rows")
    assert_stopped(robot.tick(), Halt.UNREADABLE)


def test_odometry_that_falls_silent_stops_after_its_time() -> None:
    robot = moving()
    commands = [robot.tick(odometry=False) for _ in range(12)]
    halts = [command.halt for command in commands]
    # The last odometry came one tick before the first of these.
    assert halts.index(Halt.NO_ODOMETRY) == math.floor(0.25 * 30)
    assert_stopped(commands[-1], Halt.NO_ODOMETRY)
    assert robot.tick().halt is Halt.NONE


def test_without_odometry_at_the_stamp_there_is_no_place_to_go_to() -> None:
    robot = Driven()
    robot.now += ns(1.0)
    robot.report()
    robot.controller.chunk(go_to(1.0, 0.0, 0.0, stamp=START - ns(1.0), horizon=40), robot.now)
    assert_stopped(robot.tick(), Halt.NO_ODOMETRY)


def test_odometry_of_another_time_does_not_count() -> None:
    robot = Driven()
    robot.controller.chunk(go_to(1.0, 0.0, 0.0), robot.now)
    robot.controller.odometry(Odometry(robot.now + ns(10.0), 0.0, 0.0, 0.0))
    assert_stopped(robot.controller.command(robot.now), Halt.NO_ODOMETRY)


def test_the_emergency_stop_stops_until_it_is_released() -> None:
    robot = moving()
    robot.controller.estop(True)
    assert_stopped(robot.tick(), Halt.ESTOP)
    robot.controller.reset()
    assert_stopped(robot.tick(), Halt.ESTOP)
    robot.controller.estop(False)
    robot.controller.chunk(go_to(2.0, 0.0, 0.0, stamp=robot.now), robot.now)
    assert robot.tick().halt is Halt.NONE


def test_a_lost_publisher_stops_and_its_chunk_is_void() -> None:
    robot = moving()
    robot.controller.publisher(alive=False)
    assert_stopped(robot.tick(), Halt.PUBLISHER_LOST)
    robot.controller.publisher(alive=True)
    assert_stopped(robot.tick(), Halt.NO_CHUNK)


def test_a_clock_that_stands_still_stops() -> None:
    robot = moving()
    controller, now = robot.controller, robot.now
    robot.report()
    assert controller.command(now, steady=0).halt is Halt.NONE
    assert controller.command(now, steady=ns(0.25)).halt is Halt.NONE
    assert_stopped(controller.command(now, steady=ns(0.26)), Halt.CLOCK_FROZEN)
    assert controller.command(now + 1, steady=ns(0.3)).halt is Halt.NONE


def test_a_clock_that_jumps_back_forgets_everything() -> None:
    robot = moving()
    robot.now -= ns(20.0)
    assert_stopped(robot.tick(), Halt.NO_CHUNK)
    robot.controller.chunk(go_to(2.0, 0.0, 0.0, stamp=robot.now), robot.now)
    assert robot.tick().halt is Halt.NONE, "an older stamp is newer now"


# ------------------------------------------------------------------------------ order


def test_older_chunks_are_ignored() -> None:
    robot = moving()
    newest = robot.now
    robot.controller.chunk(halt_chunk(HOLD, newest, sequence=5), newest)
    for old in (
        go_to(2.0, 0.0, 0.0, stamp=newest, sequence=4),
        go_to(2.0, 0.0, 0.0, stamp=newest - 1, sequence=5),
        replace(
            go_to(2.0, 0.0, 0.0, stamp=newest, sequence=9), request=InstructionRequest("x", 6, 9)
        ),
    ):
        robot.controller.chunk(old, robot.now)
        assert_stopped(robot.tick(), Halt.HOLD)
    assert robot.controller.ignored == 3
    restarted = replace(go_to(2.0, 0.0, 0.0), stamp=robot.now, request=InstructionRequest("x", 8))
    robot.controller.chunk(restarted, robot.now)
    assert robot.tick().halt is Halt.NONE


# ------------------------------------------------------------------------------ LiDAR


def test_a_robot_without_lidar_drives() -> None:
    assert moving().told[-1].halt is Halt.NONE


def test_a_lidar_that_falls_silent_stops_after_its_time() -> None:
    robot = moving(cloud=np.array([[50.0, 50.0, 0.4]], np.float32))
    robot.cloud = None
    halts = [command.halt for command in robot.run(0.6)]
    assert halts.index(Halt.NO_SCAN) == math.floor(0.4 * 30)
    assert_stopped(robot.told[-1], Halt.NO_SCAN)


def test_a_lidar_that_says_nothing_usable_stops() -> None:
    robot = moving()
    robot.controller.unusable_cloud()
    assert_stopped(robot.tick(), Halt.NO_SCAN)


def pillar(robot: Driven, x: float, y: float) -> None:
    """Put a pillar of 0.2 m in the way, its centre in `base_link` now."""
    place = robot.in_odom(x, y)
    robot.cloud = (PILLAR + np.array([place[0], place[1], 0.0])).astype(np.float32)


def nearest(robot: Driven) -> float:
    assert robot.cloud is not None
    seen = robot.seen(robot.cloud)
    return float(np.hypot(seen[:, 0], seen[:, 1]).min())


def test_a_pillar_that_appears_within_the_stopping_distance_stops_at_once() -> None:
    robot = moving()
    pillar(robot, 0.55, 0.0)
    assert_stopped(robot.tick(), Halt.OBSTACLE)


def test_a_robot_slows_down_before_a_pillar_and_keeps_its_distance() -> None:
    robot = Driven()
    pillar(robot, 1.5, 0.05)
    robot.controller.chunk(go_to(2.9, 0.0, 0.0, horizon=60), robot.now)
    robot.run(10.0)
    speeds = np.array([command.velocity.linear for command in robot.told])
    assert speeds.max() == 0.4
    assert speeds[-1] < 0.01
    assert 0.28 <= nearest(robot) < 0.34
    assert np.abs(np.diff(speeds)).max() * 30 < 0.61, "no jerk to a stop"


def test_what_stands_beside_the_way_does_not_stop() -> None:
    robot = Driven()
    pillar(robot, 1.0, 0.45)
    robot.controller.chunk(go_to(2.0, 0.0, 0.0, horizon=60), robot.now)
    robot.run(8.0)
    assert robot.told[-1].velocity.linear == 0.0
    assert {command.halt for command in robot.told} == {Halt.NONE}
    assert math.hypot(robot.x - 0.3, robot.y + 0.2) == pytest.approx(2.0, abs=0.03)


def test_a_robot_near_an_object_can_turn_away_and_leave() -> None:
    robot = Driven()
    pillar(robot, 0.36, 0.0)
    goal = robot.in_odom(-1.0, 0.0, math.pi)
    robot.controller.chunk(go_to(-1.0, 0.0, math.pi, horizon=60), robot.now)
    robot.run(11.0)
    assert {command.halt for command in robot.told} == {Halt.NONE}
    x, y, _ = robot.in_base(*goal)
    assert math.hypot(x, y) < 0.03


def test_a_robot_near_an_object_does_not_come_nearer() -> None:
    robot = Driven()
    pillar(robot, 0.36, 0.0)
    robot.controller.chunk(go_to(1.0, 0.0, 0.0, horizon=40), robot.now)
    robot.run(3.0)
    assert_stopped(robot.told[-1], Halt.OBSTACLE)
    assert nearest(robot) == pytest.approx(0.26, abs=0.002)


def test_returns_are_moved_with_the_base_until_the_next_sweep() -> None:
    robot = moving()
    pillar(robot, 0.77, 0.0)
    sweep, stamp = robot.seen(robot.cloud), robot.now  # type: ignore[arg-type]
    robot.cloud = None
    robot.controller.cloud(sweep, stamp)
    assert robot.tick().velocity.linear == 0.4
    robot.run(0.36)
    assert 0.0 < robot.told[-1].velocity.linear < 0.4, "it brakes before what it saw then"


def test_two_lidars_both_count_each_with_its_own_age() -> None:
    """The one sees a pillar ahead, the other does not, and is not so often here."""
    robot = moving()
    away = np.array([[50.0, 50.0, 0.4]])
    for k in range(8):
        if k % 4 == 0:
            robot.controller.cloud(PILLAR + np.array([0.36, 0.0, 0.0]), robot.now)
        robot.controller.cloud(away, robot.now, "scan")
        assert_stopped(robot.tick(), Halt.OBSTACLE)
    assert set(robot.controller.ages(robot.now)) == {"odometry", "points", "scan"}


@pytest.mark.parametrize("silent", ["points", "scan"])
def test_one_of_two_lidars_that_falls_silent_stops(silent: str) -> None:
    robot = moving()
    away = np.array([[50.0, 50.0, 0.4]])
    for source in ("points", "scan"):
        robot.controller.cloud(away, robot.now, source)
    for _ in range(14):
        robot.controller.cloud(away, robot.now, "scan" if silent == "points" else "points")
        command = robot.tick()
    assert_stopped(command, Halt.NO_SCAN)
    robot.controller.no_cloud(silent)
    assert robot.tick().halt is Halt.NONE, "nothing is expected of it any more"


def test_a_lidar_that_sees_the_robot_alone_stops() -> None:
    robot = moving()
    with pytest.raises(SensorError, match="sees only the robot itself"):
        robot.controller.cloud(np.full((50, 3), 0.1), robot.now)
    assert_stopped(robot.tick(), Halt.NO_SCAN)


def test_a_stop_that_comes_twice_is_released_once() -> None:
    """Over two subscriptions, of which one is late: what was sent last counts."""
    controller = Driven().controller

    def pressed(*messages: tuple[bool, int, int]) -> bool:
        for message in messages:
            controller.estop(*message)
        return controller._gate.estop

    assert pressed((False, 90, 0), (True, 100, 0), (False, 90, 5), (True, 100, 9))
    assert not pressed((False, 110, 10), (True, 100, 12), (False, 110, 14))
    # Of another sender, whose clock is behind, it is a release, if it does not come at once.
    assert pressed((True, 200, 20), (False, 50, 30))
    assert not pressed((False, 50, 20 + ns(1.0)))


def test_what_cannot_be_heard_stops() -> None:
    robot = moving()
    robot.controller.unheard(True)
    assert_stopped(robot.tick(), Halt.UNHEARD)
    robot.controller.unheard(False)
    assert robot.tick().halt is Halt.NONE


def test_tokens_of_the_test_are_what_the_tokenizer_reads() -> None:
    chunk = go_to(1.0, 0.5, 0.3)
    assert ActionTokenizer(FINE).decode(chunk.tokens)[-1, 1:] == pytest.approx(
        [1.0, 0.5, NAN, 0.3], abs=1e-3, nan_ok=True
    )
