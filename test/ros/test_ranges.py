"""Where something may be that a range sensor sees, and what is no reading."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sensor_msgs.msg import Range
from std_msgs.msg import Header

from vlam_ros.configuration import Settings
from vlam_ros.errors import SensorError
from vlam_ros.ros.converters import Converters
from vlam_ros.ros.mount import Mount
from vlam_ros.ros.ranges import SPACING, range_from_message
from vlam_ros.ros.rotations import rotation_from_angles
from vlam_ros.ros.stamps import time_message

STAMP = 12_000_000_034
AHEAD = Mount(np.eye(3), np.array([0.25, 0.0, 0.2]))


def reading(distance: float, view: float = 0.5, low: float = 0.02, high: float = 4.0) -> Range:
    header = Header(stamp=time_message(STAMP), frame_id="range")
    return Range(header=header, field_of_view=view, min_range=low, max_range=high, range=distance)


def test_something_may_be_anywhere_on_the_arc_at_its_distance() -> None:
    got = range_from_message(reading(2.0), AHEAD)
    assert (got.stamp, got.distance, got.arc.dtype) == (STAMP, 2.0, np.float32)
    own = got.arc - np.float32(AHEAD.position)
    assert np.linalg.norm(own, axis=1) == pytest.approx(2.0, abs=1e-6)
    angles = np.arctan2(own[:, 1], own[:, 0])
    assert (angles[0], angles[-1]) == pytest.approx((-0.25, 0.25), abs=1e-6)
    assert np.abs(angles).min() == pytest.approx(0.0, abs=1e-9), "the middle is a point of it"
    assert np.linalg.norm(np.diff(got.arc, axis=0), axis=1).max() <= SPACING
    assert got.arc[:, 2] == pytest.approx(0.2)


@pytest.mark.parametrize(("distance", "view"), [(0.02, 0.5), (2.0, 0.0), (4.0, math.tau)])
def test_an_arc_has_three_points_at_least_and_none_too_far_from_the_next(
    distance: float, view: float
) -> None:
    arc = range_from_message(reading(distance, view), AHEAD).arc
    assert len(arc) >= 3
    assert np.linalg.norm(np.diff(arc, axis=0), axis=1).max() <= SPACING


def test_a_far_and_wide_arc_is_not_more_points_than_one_can_check() -> None:
    assert len(range_from_message(reading(1e9, math.tau, high=1e10), AHEAD).arc) < 2100


def test_infinite_is_nothing_and_no_error() -> None:
    got = range_from_message(reading(math.inf), AHEAD)
    assert got.distance == math.inf
    assert got.arc.shape == (0, 3)


def test_the_limits_themselves_are_readings() -> None:
    for distance in (0.5, 4.0):
        assert range_from_message(reading(distance, low=0.5), AHEAD).distance == distance


@pytest.mark.parametrize("distance", [math.nan, -math.inf, -1.0, 0.0, 0.49, 4.01])
def test_what_is_outside_of_the_limits_is_refused(distance: float) -> None:
    with pytest.raises(SensorError, match=r"from 0\.5 to 4 m, or infinite for nothing, got"):
        range_from_message(reading(distance, low=0.5), AHEAD)


@pytest.mark.parametrize(
    ("view", "low", "high"),
    [(math.nan, 0.0, 1.0), (-0.1, 0.0, 1.0), (7.0, 0.0, 1.0), (0.5, 2.0, 1.0),
     (0.5, math.nan, 1.0), (0.5, 0.0, math.nan), (0.5, -1.0, 1.0)],
)  # fmt: skip
def test_limits_and_a_view_that_make_no_sense_are_refused(
    view: float, low: float, high: float
) -> None:
    with pytest.raises(SensorError, match="0 <= min_range <= max_range"):
        range_from_message(reading(math.inf, view, low, high), AHEAD)


def test_the_arc_is_turned_and_moved_to_where_the_sensor_sits() -> None:
    left = Mount(rotation_from_angles(0.0, 0.0, math.pi / 2), np.array([0.0, 0.1, 0.3]))
    middle = range_from_message(reading(1.0, 0.0), left).arc
    assert middle == pytest.approx(np.tile([0.0, 1.1, 0.3], (3, 1)), abs=1e-6)


class NoTransforms:
    source = "nothing"

    def mount(self, frame_id: str, stamp: int) -> Mount | None:
        return AHEAD if frame_id == "known" else None

    def odometry(self, span: tuple[int, int]) -> list[object]:
        return []


def test_where_it_sits_is_told_by_transforms_or_else_by_parameters() -> None:
    settings = Settings.load()
    settings = replace(settings, range=replace(settings.range, x=0.4, z=0.1))
    convert = Converters(NoTransforms(), settings)  # type: ignore[arg-type]
    message = reading(1.0, 0.0)
    assert convert("range", message, 0).arc[0] == pytest.approx([1.4, 0.0, 0.1])
    message.header.frame_id = "known"
    assert convert("range", message, 0).arc[0] == pytest.approx([1.25, 0.0, 0.2])
    message.header.frame_id = "rear_range"
    with pytest.raises(SensorError, match=r"set range.frame_id"):
        convert("range", message, 0)
