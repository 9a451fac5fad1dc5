"""Odometry, joints and gripper of the robot."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vlam_ros.errors import SensorError
from vlam_ros.ros.mount import BASE_FRAME, same_frame
from vlam_ros.ros.rotations import rotation_matrix
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import GripperState, JointState, Odometry

if TYPE_CHECKING:
    import nav_msgs.msg
    import sensor_msgs.msg
    import std_msgs.msg

BASE_FRAMES = (BASE_FRAME, "base_footprint")
"""Frames whose planar motion is the base's: they differ by a height (REP-120)."""


def odometry_from_message(message: nav_msgs.msg.Odometry) -> Odometry:
    """The planar part of pose and twist.

    Raises:
        SensorError: it is that of another frame than the base's, the orientation is not a
            quaternion, or a value is not finite.
    """
    if message.child_frame_id and not any(
        same_frame(message.child_frame_id, frame) for frame in BASE_FRAMES
    ):
        raise SensorError(
            f"odometry must be that of {' or '.join(BASE_FRAMES)}, got child_frame_id "
            f"{message.child_frame_id!r}"
        )
    pose, twist = message.pose.pose, message.twist.twist
    r = rotation_matrix(pose.orientation)
    values = (
        pose.position.x,
        pose.position.y,
        math.atan2(r[1, 0], r[0, 0]),
        twist.linear.x,
        twist.angular.z,
    )
    if not all(math.isfinite(value) for value in values):
        raise SensorError(f"odometry must be finite, got x, y, yaw, speed, yaw rate = {values}")
    return Odometry(nanoseconds(message.header.stamp), *values)


def joints_from_message(message: sensor_msgs.msg.JointState) -> JointState:
    """Names and positions.

    Raises:
        SensorError: not one finite position for each name.
    """
    positions = tuple(map(float, message.position))
    if len(message.name) != len(positions) or not all(map(math.isfinite, positions)):
        raise SensorError(
            f"joint_states needs one finite position for each name, got names "
            f"{list(message.name)}, positions {list(positions)}"
        )
    return JointState(nanoseconds(message.header.stamp), tuple(message.name), positions)


def gripper_from_message(message: std_msgs.msg.Bool, now: int) -> GripperState:
    """Whether the gripper holds something; the message came at `now` (ns) and has no stamp."""
    return GripperState(now, bool(message.data))
