"""What fusion_node tells vlam_node, from messages: attitude, obstacles and the floor.

Depth is a picture: see `messages/images.py`. All else is in `base_link`, stamped as the picture.
"""

from __future__ import annotations

import math

from vlam_ros.errors import SensorError
from vlam_ros.messages.clouds import finite_points
from vlam_ros.messages.kinds import Header, PointCloud2, PoseStamped, QuaternionStamped
from vlam_ros.messages.mount import BASE_FRAME, same_frame
from vlam_ros.messages.rotations import roll_pitch, rotation_matrix
from vlam_ros.messages.stamps import nanoseconds
from vlam_ros.types import Attitude, FloorPlane, Obstacles


def attitude_from_message(message: QuaternionStamped) -> Attitude:
    """Roll and pitch of the orientation of `base_link` in a level frame (REP-103 axes).

    Raises:
        SensorError: the orientation is not a quaternion.
    """
    roll, pitch = roll_pitch(rotation_matrix(message.quaternion))
    return Attitude(nanoseconds(message.header.stamp), roll, pitch)


def obstacles_from_message(message: PointCloud2) -> Obstacles:
    """The finite points of a cloud in `base_link` as float32[N,3].

    Raises:
        SensorError: another frame, or a cloud that cannot be read.
    """
    _check_frame("obstacles", message.header)
    return Obstacles(nanoseconds(message.header.stamp), finite_points(message))


def floor_from_message(message: PoseStamped) -> FloorPlane:
    """The x-y plane of a pose in `base_link`.

    Raises:
        SensorError: another frame, not finite, or not a plane one could stand on.
    """
    _check_frame("floor", message.header)
    normal = rotation_matrix(message.pose.orientation)[:, 2]
    p = message.pose.position
    offset = float(normal @ (p.x, p.y, p.z))
    if not (math.isfinite(offset) and normal[2] > 0):
        raise SensorError(
            f"a floor's position must be finite and its z axis point up, got {message.pose}"
        )
    x, y, z = map(float, normal)
    return FloorPlane(nanoseconds(message.header.stamp), (x, y, z), offset)


def _check_frame(name: str, header: Header) -> None:
    if not same_frame(header.frame_id, BASE_FRAME):
        raise SensorError(f"{name} must be in {BASE_FRAME}, got {header.frame_id!r}")
