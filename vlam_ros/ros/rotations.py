"""Rotations as quaternions of messages."""

from __future__ import annotations

import math

from geometry_msgs.msg import Quaternion


def quaternion_from_angles(roll: float, pitch: float, yaw: float = 0.0) -> Quaternion:
    """The quaternion of R_z(yaw) R_y(pitch) R_x(roll); rad."""
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a / 2), math.sin(a / 2)) for a in (roll, pitch, yaw))
    return Quaternion(
        w=cr * cp * cy + sr * sp * sy,
        x=sr * cp * cy - cr * sp * sy,
        y=cr * sp * cy + sr * cp * sy,
        z=cr * cp * sy - sr * sp * cy,
    )


def quaternion_to_normal(normal: tuple[float, float, float]) -> Quaternion:
    """The smallest rotation that turns the z axis into a unit vector that points upwards."""
    x, y, z = map(float, normal)
    length = math.sqrt((1 + z) ** 2 + x * x + y * y)
    return Quaternion(w=(1 + z) / length, x=-y / length, y=x / length, z=0.0)
