"""Readings of an IMU (REP-145), turned into the axes of `base_link`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vlam_ros.errors import SensorError
from vlam_ros.ros.mount import Mount
from vlam_ros.ros.rotations import roll_pitch, rotation_matrix
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import FloatArray, ImuSample

if TYPE_CHECKING:
    from geometry_msgs.msg import Vector3
    from sensor_msgs.msg import Imu

MAX_TILT_SIGMA = math.radians(2.0)
"""rad; a standard deviation of roll or pitch above which the IMU's orientation is not used."""


def imu_from_message(message: Imu, mount: Mount) -> ImuSample:
    """Rate and specific force; roll and pitch too, if the IMU says that it knows them well.

    The first element of a covariance is -1 for what the IMU does not measure; that of an
    orientation whose error nobody knows is 0.

    Raises:
        SensorError: it measures no rate or no force, they are not finite, or the orientation has
            a covariance and is not filled in.
    """
    for name in ("angular_velocity", "linear_acceleration"):
        if getattr(message, f"{name}_covariance")[0] == -1:
            raise SensorError(
                f"the IMU says that it does not measure {name} ({name}_covariance[0] is -1)"
            )
    return ImuSample(
        stamp=nanoseconds(message.header.stamp),
        rate=_turned(mount.rotation, message.angular_velocity),
        force=_turned(mount.rotation, message.linear_acceleration),
        tilt=_tilt(message, mount),
    )


def _tilt(message: Imu, mount: Mount) -> tuple[float, float] | None:
    variances = message.orientation_covariance[0], message.orientation_covariance[4]
    if not all(0 < variance <= MAX_TILT_SIGMA**2 for variance in variances):
        return None
    # The orientation of base_link in the world: that of the IMU, seen from the base.
    return roll_pitch(rotation_matrix(message.orientation) @ mount.rotation.T)


def _turned(rotation: FloatArray, vector: Vector3) -> tuple[float, float, float]:
    with np.errstate(invalid="ignore"):  # infinite readings are refused by ImuSample
        x, y, z = rotation @ np.array([vector.x, vector.y, vector.z])
    return float(x), float(y), float(z)
