"""A base that does exactly what it is told ends where its chunks say, within all limits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from driven import COARSE, FINE, TICK, Driven, go_to, ns, rows_chunk, search, turn_to

from vlam_ros.types import ActionSpace, Halt

DIRECTIONS = range(-180, 180, 30)


def drive(
    goal: tuple[float, float, float],
    seconds: float = 14.0,
    every: float = 0.5,
    latency: float = 0.3,
    space: ActionSpace = FINE,
) -> tuple[Driven, tuple[float, float, float]]:
    """A drive to a goal in `base_link`, with a new chunk for where it is seen from now and then;
    where the goal is in `base_link` at the end.
    """
    robot = Driven()
    there = robot.in_odom(*goal)
    coming: list[tuple[int, object]] = []
    for i in range(round(seconds * 30)):
        if i % round(every * 30) == 0:
            chunk = go_to(*robot.in_base(*there), stamp=robot.now, space=space)
            coming.append((robot.now + ns(latency), chunk))
        while coming and coming[0][0] <= robot.now:
            robot.controller.chunk(coming.pop(0)[1], robot.now)  # type: ignore[arg-type]
        robot.tick()
    return robot, robot.in_base(*there)


def speeds(robot: Driven) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    told = [(c.velocity.linear, c.velocity.angular) for c in robot.told]
    linear, angular = np.array(told).T
    return linear, angular


def assert_within_limits(robot: Driven) -> None:
    s = robot.settings.control
    for values, fastest, change, jerk in (
        (speeds(robot)[0], s.max_speed, s.acceleration, s.jerk),
        (speeds(robot)[1], s.max_turn, s.turn_acceleration, s.turn_jerk),
    ):
        slopes = np.diff(values, prepend=0) / (TICK / 1e9)
        assert np.abs(values).max() <= fastest
        assert np.abs(slopes).max() <= change + 1e-6
        assert np.abs(np.diff(slopes, prepend=0)).max() / (TICK / 1e9) <= jerk + 1e-4


@pytest.mark.parametrize("degrees", DIRECTIONS)
@pytest.mark.parametrize("distance", [0.4, 1.8])
def test_go_to_ends_at_the_goal_within_all_limits_and_never_backs_up(
    degrees: int, distance: float
) -> None:
    angle = math.radians(degrees)
    goal = (distance * math.cos(angle), distance * math.sin(angle), angle)
    robot, (x, y, theta) = drive(goal)
    assert math.hypot(x, y) < 0.03
    assert abs(theta) < 0.03
    assert_within_limits(robot)
    linear, angular = speeds(robot)
    assert linear.min() >= -1e-9
    assert (linear[-30:], angular[-30:]) == (pytest.approx(0.0), pytest.approx(0.0))
    if distance > 1:
        assert linear.max() == robot.settings.control.max_speed


@pytest.mark.parametrize("theta", [-2.5, 0.0, 1.5])
def test_the_goal_has_a_direction_of_its_own(theta: float) -> None:
    robot, (x, y, error) = drive((0.8, 0.2, theta))
    assert math.hypot(x, y) < 0.03
    assert abs(error) < 0.03
    assert_within_limits(robot)


@pytest.mark.parametrize("degrees", DIRECTIONS)
def test_the_bins_of_the_default_action_space_cost_centimetres_only(degrees: int) -> None:
    angle = math.radians(degrees)
    robot, (x, y, theta) = drive(
        (1.5 * math.cos(angle), 1.5 * math.sin(angle), angle), space=COARSE
    )
    assert math.hypot(x, y) < 0.06
    assert abs(theta) < 0.05
    assert_within_limits(robot)
    assert speeds(robot)[0].min() >= -1e-9


def test_a_goal_behind_is_turned_to_in_place_first() -> None:
    robot, _ = drive((-1.0, 0.1, math.pi))
    linear, angular = speeds(robot)
    first = int(np.flatnonzero(linear > 1e-9)[0])
    assert np.abs(angular[:first]).sum() * TICK / 1e9 > 2.8


def test_a_base_stops_at_the_distance_that_is_left_for_it() -> None:
    robot, _ = drive((1.5, 0.0, 0.0), latency=0.0)
    linear, _ = speeds(robot)
    left = 1.5 - np.cumsum(linear) * TICK / 1e9
    ahead = left > 0.03
    assert (linear[ahead] <= np.sqrt(2 * 0.6 * left[ahead]) + 1e-9).all()


def test_a_base_told_to_rest_where_it_was_does_not_turn_back() -> None:
    robot = Driven()
    robot.controller.chunk(go_to(2.0, 0.0, 0.0), robot.now)
    robot.run(1.2)
    at = robot.now - ns(0.3)
    robot.controller.chunk(go_to(0.0, 0.0, 0.0, stamp=at), robot.now)
    x, y, heading = robot.x, robot.y, robot.yaw
    robot.run(1.6)
    assert robot.told[-1].halt is Halt.NONE
    assert robot.told[-1].velocity.linear == 0.0
    assert math.hypot(robot.x - x, robot.y - y) < 0.25
    assert abs(robot.yaw - heading) < 0.01


@pytest.mark.parametrize("angle", [-3.1, -1.0, -0.1, 0.1, 1.0, 3.1])
def test_turn_to_ends_at_the_angle_without_overshoot(angle: float) -> None:
    robot = Driven()
    goal = robot.yaw + angle
    robot.controller.chunk(turn_to(angle, horizon=40), robot.now)
    robot.run(6.0)
    assert abs(robot.yaw - goal) < 0.03
    assert_within_limits(robot)
    linear, angular = speeds(robot)
    assert not linear.any()
    assert (np.sign(angular[np.abs(angular) > 1e-9]) == np.sign(angle)).all()


def test_search_turns_at_its_rate_without_stopping() -> None:
    robot = Driven()
    begun = robot.yaw
    for _ in range(20):
        robot.controller.chunk(search(0.5, stamp=robot.now), robot.now)
        robot.run(0.5)
    angular = speeds(robot)[1]
    assert robot.yaw - begun == pytest.approx(0.5 * 10, abs=0.3)
    assert angular[30:] == pytest.approx(0.5, abs=0.03)
    assert_within_limits(robot)


def test_a_search_that_comes_late_makes_up_for_it_gently() -> None:
    robot = Driven()
    stamp = robot.now
    robot.run(0.8)
    robot.controller.chunk(search(0.5, stamp=stamp), robot.now)
    robot.run(1.3)
    assert 0.5 < speeds(robot)[1].max() < 0.95


def test_a_curved_path_is_followed() -> None:
    # A quarter of a circle of 1 m to the left.
    angles = np.linspace(0, math.pi / 2, 21)[1:]
    rows = np.column_stack([np.sin(angles), 1 - np.cos(angles), np.full(20, math.nan), angles])
    robot = Driven()
    start = replace(robot)
    robot.controller.chunk(rows_chunk("go_to", rows, step=0.5), robot.now)
    places = []
    for _ in range(270):
        robot.tick()
        places.append(start.in_base(robot.x, robot.y, robot.yaw))
    x, y, yaw = places[-1]
    assert math.hypot(x - 1, y - 1) < 0.03
    assert abs(yaw - math.pi / 2) < 0.03
    assert max(abs(math.hypot(px, py - 1) - 1) for px, py, _ in places) < 0.06
    assert_within_limits(robot)


def test_latency_does_not_move_the_goal() -> None:
    """The goal is where it was seen from at the stamp, not from where the chunk arrives."""
    robot = Driven()
    robot.controller.chunk(go_to(2.0, 0.0, 0.0, horizon=40), robot.now)
    robot.run(1.0)
    seen_at, goal = robot.now, robot.in_odom(1.0, 0.3, 0.4)
    late = go_to(1.0, 0.3, 0.4, stamp=seen_at, horizon=40)
    robot.run(0.6)
    robot.controller.chunk(late, robot.now)
    robot.run(7.0)
    x, y, theta = robot.in_base(*goal)
    assert math.hypot(x, y) < 0.03
    assert abs(theta) < 0.03
    assert {command.halt for command in robot.told} == {Halt.NONE}


# ---------------------------------------------------------------------------------- backward


@pytest.mark.parametrize("space", [FINE, COARSE])
@pytest.mark.parametrize("goal", [(-0.5, 0.0, 0.0), (-1.5, 0.2, 0.1)])
def test_what_lies_straight_behind_is_backed_up_to(
    goal: tuple[float, float, float], space: ActionSpace
) -> None:
    robot, (x, y, theta) = drive(goal, space=space)
    assert math.hypot(x, y) < (0.03 if space is FINE else 0.06)
    assert abs(theta) < 0.05
    assert_within_limits(robot)
    linear, angular = speeds(robot)
    assert linear.max() <= 1e-9
    assert np.abs(np.cumsum(angular)).max() * TICK / 1e9 < 0.6, "it never turns around"
    assert (linear[-30:], angular[-30:]) == (pytest.approx(0.0), pytest.approx(0.0))


def test_without_a_direction_at_the_end_the_base_turns_and_drives_forward() -> None:
    robot = Driven()
    robot.controller.chunk(go_to(-1.0, 0.0, math.nan, horizon=40), robot.now)
    robot.run(8.0)
    assert speeds(robot)[0].min() >= -1e-9
    assert speeds(robot)[0].max() > 0.2


@pytest.mark.parametrize("side", [-1, 1])
def test_backing_up_it_stops_before_what_is_behind_and_not_for_what_is_ahead(side: int) -> None:
    robot = Driven()
    x, y, _ = robot.in_odom(side * 0.9, 0.0)
    wall = [[x + dx, y + dy, 0.3] for dx in (0.0, 0.02) for dy in (-0.02, 0.0, 0.02)]
    robot.cloud = np.array(wall, np.float32)
    goal = robot.in_odom(-1.5, 0.0)
    robot.controller.chunk(go_to(-1.5, 0.0, 0.0, horizon=40), robot.now)
    robot.run(8.0)
    left = math.dist((robot.x, robot.y), goal[:2])
    if side > 0:
        assert left < 0.03
    else:
        keep = robot.settings.safety.radius + robot.settings.safety.margin
        assert keep - 0.03 <= math.dist((robot.x, robot.y), (x, y)) < keep + 0.2
        assert robot.told[-1].halt is Halt.OBSTACLE
