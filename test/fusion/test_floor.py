"""The floor among the points of a sweep, and what stands on it."""

import math

import numpy as np
import pytest

from vlam_ros.configuration import FusionNodeSettings, FusionSettings
from vlam_ros.fusion import fit_floor, obstacles_among
from vlam_ros.fusion.attitude import tilt_of, up_vector
from vlam_ros.types import FloorPlane, Missing


@pytest.fixture
def settings() -> FusionSettings:
    return FusionNodeSettings.load().fusion


def floor_points(up: np.ndarray, offset: float = 0.0, noise: float = 0.01) -> np.ndarray:
    """2,000 points of the plane with normal `up`, and 800 of a wall ahead of it."""
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-3, 3, (2, 2000))
    z = (offset - up[0] * x - up[1] * y) / up[2] + rng.normal(0, noise, x.size)
    wall = np.column_stack([np.full(800, 2.5), rng.uniform(-3, 3, 800), rng.uniform(0, 2, 800)])
    return np.concatenate([np.column_stack([x, y, z]), wall]).astype(np.float32)


@pytest.mark.parametrize(("roll", "pitch"), [(0.0, 0.0), (0.03, -0.09), (-0.15, 0.1)])
@pytest.mark.parametrize("offset", [0.0, -0.05])
def test_the_floor_is_found_within_a_few_millimetres(
    roll: float, pitch: float, offset: float
) -> None:
    floor = fit_floor(floor_points(up_vector(roll, pitch), offset), 7)
    assert isinstance(floor, FloorPlane)
    assert floor.stamp == 7
    assert tilt_of(np.array(floor.normal)) == pytest.approx((roll, pitch), abs=0.002)
    assert floor.offset == pytest.approx(offset, abs=0.003)


def test_the_same_points_give_the_same_floor() -> None:
    points = floor_points(up_vector(0.02, 0.03))
    assert fit_floor(points, 0) == fit_floor(points.copy(), 0)


def wall() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.column_stack([np.full(900, 1.0), rng.uniform(-1, 1, 900), rng.uniform(-0.3, 1, 900)])


def line() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.column_stack([rng.uniform(-2, 2, 900), rng.normal(0, 0.02, 900), np.zeros(900)])


def table() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.column_stack([*rng.uniform(-1, 1, (2, 900)), np.full(900, 0.4)])


@pytest.mark.parametrize("points", [wall(), line(), table(), np.zeros((10, 3)), np.zeros((0, 3))])
def test_what_is_no_floor_is_not_taken_for_one(points: np.ndarray) -> None:
    floor = fit_floor(points.astype(np.float32), 0)
    assert isinstance(floor, Missing)
    assert "LiDAR returns" in floor.reason


LEVEL = FloorPlane(0, (0.0, 0.0, 1.0), 0.0)


@pytest.mark.parametrize(
    ("point", "kept"),
    [
        ((1.0, 0.0, 0.3), True),
        ((1.0, 0.0, 0.01), False),  # floor
        ((3.0, 0.0, 0.05), False),  # floor that leaves its plane a little, farther away
        ((1.0, 0.0, 2.0), False),  # above everything
        ((1.0, 0.0, -0.5), True),  # a step down
        ((1.0, 0.0, -0.05), False),
        ((0.0, 0.0, 0.4), False),  # the robot itself
        ((0.0, 0.5, 0.4), True),
    ],
)
def test_obstacles_stand_on_the_floor_and_are_not_the_robot(
    settings: FusionSettings, point: tuple[float, float, float], kept: bool
) -> None:
    found = obstacles_among(np.array([point], np.float32), LEVEL, settings)
    assert len(found) == kept


def test_on_a_ramp_the_floor_ahead_is_no_obstacle(settings: FusionSettings) -> None:
    up = up_vector(0.0, math.radians(-8))
    points = floor_points(up)[:2000]
    ramp = fit_floor(points, 0)
    assert isinstance(ramp, FloorPlane)
    assert len(obstacles_among(points, ramp, settings)) < 5
    assert len(obstacles_among(points, LEVEL, settings)) > 500
