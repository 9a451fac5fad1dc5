"""What stops the robot on its arc: returns that it would come too near to, and no others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vlam_ros.configuration import ControllerSettings
from vlam_ros.control.gate import free_way, standing_points

SETTINGS = ControllerSettings.load()
KEEP = 0.28


def standing(*points: tuple[float, float, float]) -> int:
    cloud = np.array(points, np.float32)
    return len(standing_points(cloud, SETTINGS.safety, SETTINGS.fusion.robot_box))


@pytest.mark.parametrize(
    ("point", "stands"),
    [
        ((0.6, 0.0, 0.30), True),
        ((0.6, 0.0, 0.13), True),
        ((0.6, 0.0, 0.11), False),
        ((2.0, 0.0, 0.28), False),
        ((2.0, 0.0, 0.30), True),
        ((0.6, 0.0, 1.10), False),
        ((0.1, 0.1, 0.40), False),
        ((0.6, 0.0, -0.20), False),
    ],
)
def test_what_is_between_floor_and_robot_height_and_not_the_robot_counts(
    point: tuple[float, float, float], stands: bool
) -> None:
    assert standing(point) == stands


def test_the_foot_of_a_ramp_of_six_degrees_is_floor() -> None:
    x = np.linspace(0.3, 3.0, 50)
    ramp = np.column_stack([x, np.zeros(50), np.maximum(0, x - 0.5) * math.tan(math.radians(6))])
    assert standing(*map(tuple, ramp)) == 0


def free(x: float, y: float, linear: float = 0.4, curvature: float = 0.0, reach: float = 1.0):
    return free_way(np.array([[x, y]]), linear, curvature, reach, KEEP)


def test_straight_on_the_way_is_free_as_far_as_the_robot_keeps_its_distance() -> None:
    assert free(0.8, 0.0) == pytest.approx(0.8 - KEEP, abs=0.021)
    assert free(0.8, 0.0) <= 0.8 - KEEP
    assert free(0.8, 0.2) == pytest.approx(0.8 - math.sqrt(KEEP**2 - 0.2**2), abs=0.021)


@pytest.mark.parametrize("y", [0.29, -0.29])
def test_what_is_passed_at_a_distance_does_not_matter(y: float) -> None:
    assert free(0.5, y) == math.inf


def test_what_is_beyond_the_reach_does_not_matter() -> None:
    assert free(0.8, 0.0, reach=0.5) == math.inf


def test_nothing_is_in_the_way_of_a_robot_that_turns_in_place() -> None:
    assert free(0.25, 0.0, linear=0.0) == math.inf


@pytest.mark.parametrize(("linear", "expected"), [(0.1, 0.0), (-0.1, math.inf)])
def test_a_robot_near_an_object_may_leave_it_but_not_come_nearer(
    linear: float, expected: float
) -> None:
    assert free(0.26, 0.0, linear=linear, reach=0.05) == expected


def test_backwards_counts_what_is_behind() -> None:
    assert free(-0.8, 0.0, linear=-0.4) == pytest.approx(0.8 - KEEP, abs=0.021)
    assert free(-0.8, 0.0, linear=0.4) == math.inf


def test_on_an_arc_counts_what_is_on_the_arc() -> None:
    # A quarter of a circle of 1 m to the left ends at (1, 1).
    assert free(1.0, 1.0, curvature=1.0, reach=2.0) == pytest.approx(math.pi / 2 - KEEP, abs=0.04)
    assert free(1.5, 0.0, curvature=1.0, reach=2.0) == math.inf
    assert free(1.0, -1.0, curvature=-1.0, reach=2.0) < math.pi / 2
    # Backwards the same arc leads to the other side.
    assert free(-1.0, 1.0, linear=-0.4, curvature=1.0, reach=2.0) < math.pi / 2


def test_without_returns_the_way_is_free() -> None:
    assert free_way(np.empty((0, 2)), 0.4, 0.0, 1.0, KEEP) == math.inf
