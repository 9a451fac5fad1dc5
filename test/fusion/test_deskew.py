"""Sweeps of a moving robot, against the truth of a generator that shares no code with fusion."""

import numpy as np
import pytest

from vlam_ros.fusion import PoseTable, Rates, pose_table
from vlam_ros.lab.evaluation.synthetic_sweep import SyntheticSweep, Turning, synthetic_sweep
from vlam_ros.types import LidarSweep

MOTIONS = {
    "constant": Turning((0.3, -0.4, 1.5)),
    "linear": Turning((0.3, -0.5, 1.0), (3.0, 5.0, -15.0)),
    "driving": Turning((0.0, 0.0, 0.0), speed=1.0),
}


def deskewed(synthetic: SyntheticSweep) -> np.ndarray:
    reference, sweep = synthetic.reference, synthetic.sweep
    times = np.array([(s.stamp - reference) / 1e9 for s in synthetic.imu])
    rates = Rates(times, np.array([s.rate for s in synthetic.imu]))
    odometry = synthetic.odometry if synthetic.odometry[0].speed else ()
    table = pose_table(times[0], times[-1], rates, odometry, reference)
    assert sweep.offsets is not None
    return table.bring(sweep.points, sweep.offsets - reference / 1e9)


@pytest.mark.parametrize("order", ["forward", "reverse", "interleaved"])
@pytest.mark.parametrize("name", MOTIONS)
def test_every_point_is_within_a_fifth_of_a_millimetre(name: str, order: str) -> None:
    synthetic = synthetic_sweep(MOTIONS[name], columns=120, order=order)
    ranges = np.linalg.norm(synthetic.truth, axis=1)
    assert ranges.max() > 15.5
    before = np.linalg.norm(synthetic.sweep.points - synthetic.truth, axis=1)
    assert before.max() > 0.04
    after = np.linalg.norm(deskewed(synthetic) - synthetic.truth, axis=1)
    assert after.max() <= 0.0002


def test_points_of_one_time_are_turned_alike() -> None:
    points = np.array([[1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
    table = pose_table(0, 0.1, Rates(np.array([0.0, 0.1]), np.array([[0, 0, 2.0]] * 2)), (), 0)
    turned = table.bring(points, np.full(3, 0.05))
    c, s = np.cos(0.1), np.sin(0.1)
    np.testing.assert_allclose(turned, [[c, s, 0], [-2 * s, 2 * c, 0], [0, 0, 3]], atol=1e-6)


def test_an_empty_sweep_stays_empty() -> None:
    table = pose_table(0, 0, None, (), 0)
    nothing = LidarSweep(0, np.zeros((0, 3), np.float32), np.zeros(0))
    assert table.bring(nothing.points, np.zeros(0)).shape == (0, 3)
    assert nothing.span == (0, 0)


def test_without_imu_and_odometry_points_stay_where_they_are() -> None:
    points = np.array([[1.0, 2.0, 3.0]], np.float32)
    table: PoseTable = pose_table(-0.1, 0.1, None, (), 0)
    np.testing.assert_array_equal(table.bring(points, np.array([0.07])), points)
