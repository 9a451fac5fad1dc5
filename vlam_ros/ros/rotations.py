"""Rotations: matrices, quaternions of messages, and the angles of REP-103."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vlam_ros.errors import SensorError
from vlam_ros.types import FloatArray

if TYPE_CHECKING:
    from geometry_msgs.msg import Quaternion


def rotation_matrix(q: Quaternion) -> FloatArray:
    """The float64[3,3] matrix of a quaternion of any length.

    Raises:
        SensorError: its length is zero, as in a message that nobody filled in, or not finite.
    """
    length = math.sqrt(q.w**2 + q.x**2 + q.y**2 + q.z**2)
    if not math.isfinite(length) or length < 1e-6:
        raise SensorError(f"an orientation must be a unit quaternion, got {q}: is it filled in?")
    w, x, y, z = q.w / length, q.x / length, q.y / length, q.z / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def roll_pitch(rotation: FloatArray) -> tuple[float, float]:
    """Roll and pitch in rad of R_z(yaw) R_y(pitch) R_x(roll), whatever the yaw."""
    r = rotation
    pitch = math.asin(max(-1.0, min(1.0, -float(r[2, 0]))))
    return math.atan2(r[2, 1], r[2, 2]), pitch


def rotation_from_angles(roll: float, pitch: float, yaw: float) -> FloatArray:
    """The float64[3,3] matrix R_z(yaw) R_y(pitch) R_x(roll), as in URDF and `tf2`; rad."""
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a), math.sin(a)) for a in (roll, pitch, yaw))
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def quaternion_from_angles(roll: float, pitch: float, yaw: float = 0.0) -> Quaternion:
    """The quaternion of R_z(yaw) R_y(pitch) R_x(roll); rad."""
    from geometry_msgs.msg import Quaternion

    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a / 2), math.sin(a / 2)) for a in (roll, pitch, yaw))
    return Quaternion(
        w=cr * cp * cy + sr * sp * sy,
        x=sr * cp * cy - cr * sp * sy,
        y=cr * sp * cy + sr * cp * sy,
        z=cr * cp * sy - sr * sp * cy,
    )


def quaternion_to_normal(normal: tuple[float, float, float]) -> Quaternion:
    """The smallest rotation that turns the z axis into a unit vector that points upwards."""
    from geometry_msgs.msg import Quaternion

    x, y, z = map(float, normal)
    length = math.sqrt((1 + z) ** 2 + x * x + y * y)
    return Quaternion(w=(1 + z) / length, x=-y / length, y=x / length, z=0.0)
