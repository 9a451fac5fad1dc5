"""What fusion_node tells vlam_node: attitude, obstacles and the floor, as messages and from them.

Depth is an image: see `ros/images.py`. All else is in `base_link`, stamped as the image.
"""

from __future__ import annotations

import array
import math
from typing import TYPE_CHECKING

import numpy as np

from vlam_ros.errors import SensorError, UnseenError
from vlam_ros.ros.clouds import finite_points
from vlam_ros.ros.mount import BASE_FRAME, same_frame
from vlam_ros.ros.rotations import (
    quaternion_from_angles,
    quaternion_to_normal,
    roll_pitch,
    rotation_matrix,
)
from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.types import Attitude, FloorPlane, Obstacles

BY_CAMERA = "by_camera"

if TYPE_CHECKING:
    from geometry_msgs.msg import PoseStamped, QuaternionStamped
    from sensor_msgs.msg import PointCloud2
    from std_msgs.msg import Header


def attitude_from_message(message: QuaternionStamped) -> Attitude:
    """Roll and pitch of the orientation of `base_link` in a level frame (REP-103 axes).

    Raises:
        SensorError: the orientation is not a quaternion.
    """
    roll, pitch = roll_pitch(rotation_matrix(message.quaternion))
    return Attitude(nanoseconds(message.header.stamp), roll, pitch)


def obstacles_from_message(message: PointCloud2) -> Obstacles:
    """The finite points of a cloud in `base_link` as float32[N,3]; by a depth camera alone if it
    has the field `by_camera`.

    Raises:
        SensorError: another frame, or a cloud that cannot be read.
        UnseenError: there is no finite point in it: what should see obstacles does not.
    """
    _check_frame("obstacles", message.header)
    points = finite_points(message)
    if message.width * message.height and not len(points):
        raise UnseenError(
            "what fusion_node sees obstacles with cannot be used: see its diagnostics"
        )
    by_camera = any(field.name == BY_CAMERA for field in message.fields)
    return Obstacles(nanoseconds(message.header.stamp), points, by_camera)


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


def attitude_to_message(attitude: Attitude) -> QuaternionStamped:
    """The orientation of `base_link` in a level frame that looks where it looks (yaw 0)."""
    from geometry_msgs.msg import QuaternionStamped

    quaternion = quaternion_from_angles(attitude.roll, attitude.pitch)
    return QuaternionStamped(header=_header(attitude.stamp), quaternion=quaternion)


def obstacles_to_message(obstacles: Obstacles) -> PointCloud2:
    """The points as float32 x, y, z, and 1 in the field `by_camera` where that saw them alone."""
    from sensor_msgs.msg import PointCloud2, PointField

    points = np.asarray(obstacles.points, "<f4")
    names = ["x", "y", "z"]
    if obstacles.by_camera:
        points, names = np.insert(points, 3, 1.0, axis=1), [*names, BY_CAMERA]
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(names)
    ]
    message = PointCloud2(
        header=_header(obstacles.stamp), height=1, width=len(points), fields=fields
    )
    message.is_dense = bool(np.isfinite(points).all())
    message.point_step, message.row_step = 4 * len(names), 4 * len(names) * len(points)
    message.data = array.array("B", points.tobytes())
    return message


def unseen_to_message(stamp: int) -> PointCloud2:
    """Of obstacles that cannot be seen, although there is a LiDAR or a depth camera for that: a
    cloud as of a sensor that measures nothing, of one point that is NaN.
    """
    return obstacles_to_message(Obstacles(stamp, np.full((1, 3), np.nan, np.float32)))


def floor_to_message(floor: FloorPlane) -> PoseStamped:
    """A pose whose z axis is the floor's normal, in the floor's point nearest to `base_link`."""
    from geometry_msgs.msg import Point, PoseStamped

    message = PoseStamped(header=_header(floor.stamp))
    x, y, z = (float(floor.offset * n) for n in floor.normal)
    message.pose.position = Point(x=x, y=y, z=z)
    message.pose.orientation = quaternion_to_normal(floor.normal)
    return message


def _header(stamp: int) -> Header:
    from std_msgs.msg import Header

    return Header(stamp=time_message(stamp), frame_id=BASE_FRAME)
