"""What fusion_node tells vlam_node, as messages: attitude, obstacles and the floor.

Depth is a picture: see `ros/images.py`. All else is in `base_link`, stamped as the picture.
"""

from __future__ import annotations

import array

import numpy as np
from geometry_msgs.msg import Point, PoseStamped, QuaternionStamped
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from vlam_ros.messages.mount import BASE_FRAME
from vlam_ros.ros.rotations import quaternion_from_angles, quaternion_to_normal
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import Attitude, FloorPlane, Obstacles


def attitude_to_message(attitude: Attitude) -> QuaternionStamped:
    """The orientation of `base_link` in a level frame that looks where it looks (yaw 0)."""
    quaternion = quaternion_from_angles(attitude.roll, attitude.pitch)
    return QuaternionStamped(header=_header(attitude.stamp), quaternion=quaternion)


def obstacles_to_message(obstacles: Obstacles) -> PointCloud2:
    """The points as float32 x, y, z."""
    points = np.ascontiguousarray(obstacles.points, "<f4")
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate("xyz")
    ]
    message = PointCloud2(
        header=_header(obstacles.stamp), height=1, width=len(points), fields=fields, is_dense=True
    )
    message.point_step, message.row_step = 12, 12 * len(points)
    message.data = array.array("B", points.tobytes())
    return message


def floor_to_message(floor: FloorPlane) -> PoseStamped:
    """A pose whose z axis is the floor's normal, in the floor's point nearest to `base_link`."""
    message = PoseStamped(header=_header(floor.stamp))
    message.pose.position = Point(**dict(zip("xyz", _foot(floor), strict=True)))
    message.pose.orientation = quaternion_to_normal(floor.normal)
    return message


def _foot(floor: FloorPlane) -> tuple[float, float, float]:
    x, y, z = (float(floor.offset * n) for n in floor.normal)
    return x, y, z


def _header(stamp: int) -> Header:
    return Header(stamp=time_message(stamp), frame_id=BASE_FRAME)
