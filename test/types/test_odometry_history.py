"""Where the base was: odometry interpolated, carried on for a while, and forgotten."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vlam_ros.types import Odometry, PlanarPose
from vlam_ros.types.history import OdometryHistory

PATIENCE = 250_000_000


def history(*odometry: Odometry) -> OdometryHistory:
    kept = OdometryHistory(PATIENCE)
    for one in odometry:
        kept.add(one)
    return kept


def test_between_two_stamps_the_pose_is_interpolated_on_the_shorter_way_round() -> None:
    kept = history(Odometry(0, 0.0, 0.0, 3.0), Odometry(10**8, 1.0, 2.0, -3.0))
    pose = kept.at(25 * 10**6)
    assert pose is not None
    assert (pose.x, pose.y) == (0.25, 0.5)
    assert pose.yaw == pytest.approx(3.0 + (math.tau - 6.0) / 4)


def test_beyond_the_newest_the_velocity_tells_the_pose_for_a_while() -> None:
    kept = history(Odometry(0, 1.0, 0.0, math.pi / 2, speed=0.4, yaw_rate=0.0))
    pose = kept.at(PATIENCE)
    assert pose is not None
    assert (pose.x, pose.y) == (pytest.approx(1.0), pytest.approx(0.1))
    assert kept.at(PATIENCE + 1) is None
    assert kept.at(-PATIENCE - 1) is None


def test_without_odometry_there_is_no_pose() -> None:
    assert history().at(0) is None


def test_five_seconds_are_kept() -> None:
    kept = history(*(Odometry(i * 10**8, float(i), 0.0, 0.0) for i in range(100)))
    assert kept.at(99 * 10**8 - 5 * 10**9) == PlanarPose(49.0, 0.0, 0.0)
    assert kept.at(40 * 10**8) is None


def test_late_odometry_is_dropped_and_a_jump_back_forgets_the_rest() -> None:
    kept = history(Odometry(10**9, 1.0, 0.0, 0.0))
    assert not kept.add(Odometry(10**9 - 10**8, 9.0, 0.0, 0.0))
    assert kept.at(10**9) == PlanarPose(1.0, 0.0, 0.0)
    assert kept.add(Odometry(10**8, 5.0, 0.0, 0.0))
    assert kept.newest == Odometry(10**8, 5.0, 0.0, 0.0)
    assert kept.at(10**9) is None


def test_points_go_out_of_a_base_and_back_into_it() -> None:
    pose = PlanarPose(1.0, 2.0, math.pi / 2)
    points = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(pose.out(points), [[1.0, 3.0], [0.0, 2.0]], atol=1e-12)
    np.testing.assert_allclose(pose.into(pose.out(points)), points, atol=1e-12)
