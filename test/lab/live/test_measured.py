"""What simulated sensors publish is read back by what reads real ones."""

import numpy as np
import pytest

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.lab.live.measured import imu_to_message, odometry_to_message, sweep_to_message
from vlam_ros.ros.clouds import sweep_from_cloud
from vlam_ros.ros.mount import Mount, mount_from_settings
from vlam_ros.ros.robot_state import imu_from_message, odometry_from_message
from vlam_ros.ros.rotations import rotation_from_angles
from vlam_ros.types import ImuSample, LidarSweep, Odometry

STAMP = 5_000_000_123


@pytest.mark.parametrize("timed", [True, False])
def test_a_sweep_comes_back_as_it_was(timed: bool) -> None:
    points = np.random.default_rng(0).uniform(-5, 5, (50, 3)).astype(np.float32)
    offsets = np.linspace(0, 0.1, 50) if timed else None
    mount = Mount(rotation_from_angles(0.1, -0.2, 2.0), np.array([0.1, 0.2, 0.5]))
    message = sweep_to_message(LidarSweep(STAMP, points, offsets), mount, "lidar")
    assert message.header.frame_id == "lidar"
    back = sweep_from_cloud(message, mount, 0.0, 100.0)
    assert back.stamp == STAMP
    np.testing.assert_allclose(back.points, points, atol=1e-5)
    if offsets is None:
        assert back.offsets is None
    else:
        np.testing.assert_allclose(back.offsets, offsets, atol=1e-8)


def test_a_reading_comes_back_without_an_orientation() -> None:
    sample = ImuSample(STAMP, (0.1, -0.2, 0.3), (1.0, 2.0, 9.0))
    mount = mount_from_settings(FusionNodeSettings.load().imu)
    assert imu_from_message(imu_to_message(sample, "imu"), mount) == sample


def test_odometry_comes_back_as_it_was() -> None:
    measured = Odometry(STAMP, 1.0, -2.0, 2.5, 0.4, -0.1)
    back = odometry_from_message(odometry_to_message(measured))
    assert back.yaw == pytest.approx(measured.yaw)
    assert (back.stamp, back.x, back.y, back.speed, back.yaw_rate) == (STAMP, 1.0, -2.0, 0.4, -0.1)
