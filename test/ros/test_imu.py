"""Readings of an IMU in base_link, whatever way it is mounted, and which are refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion, Vector3
from sensor_msgs.msg import Imu

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.errors import SensorError
from vlam_ros.ros.mount import Mount, mount_from_settings
from vlam_ros.ros.robot_state import imu_from_message
from vlam_ros.ros.rotations import quaternion_from_angles, rotation_matrix
from vlam_ros.ros.stamps import time_message

LEVEL = Mount(np.eye(3), np.zeros(3))
DEGREE = math.radians(1.0)


def imu(
    rate: Sequence[float] = (0.1, 0.2, 0.3),
    force: Sequence[float] = (1.0, 2.0, 9.0),
    orientation: Quaternion | None = None,
    variances: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Imu:
    message = Imu(angular_velocity=Vector3(**dict(zip("xyz", rate, strict=True))))
    message.linear_acceleration = Vector3(**dict(zip("xyz", force, strict=True)))
    message.orientation = orientation or Quaternion(w=0.0)
    message.orientation_covariance = np.diag(variances).ravel()
    message.header.stamp = time_message(7_000_000_042)
    return message


def test_rate_and_force_are_those_of_the_message() -> None:
    sample = imu_from_message(imu(), LEVEL)
    assert sample.stamp == 7_000_000_042
    assert sample.rate == pytest.approx((0.1, 0.2, 0.3))
    assert sample.force == pytest.approx((1.0, 2.0, 9.0))
    assert sample.tilt is None


def test_an_imu_on_its_side_is_turned_into_the_base() -> None:
    # Its z axis points to the left of the robot.
    settings = replace(FusionNodeSettings.load().imu, roll=-math.pi / 2)
    sample = imu_from_message(imu(force=(0.0, -9.81, 0.5)), mount_from_settings(settings))
    assert sample.force == pytest.approx((0.0, 0.5, 9.81))
    assert sample.rate == pytest.approx((0.1, 0.3, -0.2))


@pytest.mark.parametrize("mounted", [(0.0, 0.0, 0.0), (0.0, 0.0, 1.5), (math.pi, 0.2, -0.4)])
@pytest.mark.parametrize("yaw", [0.0, 2.5])
def test_the_tilt_is_that_of_the_base_not_of_the_imu(
    mounted: tuple[float, float, float], yaw: float
) -> None:
    mount = Mount(rotation_matrix(quaternion_from_angles(*mounted)), np.zeros(3))
    base = quaternion_from_angles(0.2, -0.1, yaw)
    turned = rotation_matrix(base) @ mount.rotation  # the axes of the IMU in the world
    message = imu(orientation=quaternion_of(turned), variances=(1e-4, 1e-4, 1.0))
    assert imu_from_message(message, mount).tilt == pytest.approx((0.2, -0.1))


def quaternion_of(rotation: np.ndarray) -> Quaternion:
    """The quaternion of a rotation, from its axis and angle."""
    values, vectors = np.linalg.eig(rotation)
    axis = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    skew = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0],
                     rotation[1, 0] - rotation[0, 1]])  # fmt: skip
    angle = math.atan2(float(axis @ skew) / 2, (np.trace(rotation) - 1) / 2)
    x, y, z = math.sin(angle / 2) * axis
    return Quaternion(w=math.cos(angle / 2), x=float(x), y=float(y), z=float(z))


@pytest.mark.parametrize(
    ("variances", "used"),
    [
        ((-1.0, 0.0, 0.0), False),  # it has none
        ((0.0, 0.0, 0.0), False),  # nobody knows how good it is
        (((1.9 * DEGREE) ** 2, (1.9 * DEGREE) ** 2, 10.0), True),  # yaw does not matter
        (((2.1 * DEGREE) ** 2, (1.9 * DEGREE) ** 2, 0.0), False),
        (((1.9 * DEGREE) ** 2, (2.1 * DEGREE) ** 2, 0.0), False),
        ((math.nan, 1e-4, 0.0), False),
    ],
)
def test_the_orientation_is_used_if_its_covariance_says_that_it_is_good(
    variances: tuple[float, float, float], used: bool
) -> None:
    message = imu(orientation=quaternion_from_angles(0.2, -0.1), variances=variances)
    assert (imu_from_message(message, LEVEL).tilt is not None) == used


@pytest.mark.parametrize("name", ["angular_velocity", "linear_acceleration"])
def test_what_is_not_measured_is_refused(name: str) -> None:
    message = imu()
    setattr(message, f"{name}_covariance", [-1.0] + [0.0] * 8)
    with pytest.raises(SensorError, match=f"does not measure {name}"):
        imu_from_message(message, LEVEL)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_reading_that_is_not_finite_is_refused(bad: float) -> None:
    for message in (imu(rate=(0.0, bad, 0.0)), imu(force=(0.0, 0.0, bad))):
        with pytest.raises(SensorError, match="must be finite"):
            imu_from_message(message, LEVEL)


def test_an_orientation_with_a_covariance_that_nobody_filled_in_is_refused() -> None:
    with pytest.raises(SensorError, match="unit quaternion"):
        imu_from_message(imu(variances=(1e-4, 1e-4, 1e-4)), LEVEL)
