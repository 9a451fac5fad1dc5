"""Commands to base, arm and gripper as messages, and what is followed, for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from nav_msgs.msg import Path
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from vlam_ros.ros.mount import BASE_FRAME
from vlam_ros.ros.stamps import duration_message, time_message
from vlam_ros.types import VelocityCommand


def twist_message(velocity: VelocityCommand) -> Twist:
    """The velocity of a differential base."""
    message = Twist()
    message.linear.x = float(velocity.linear)
    message.angular.z = float(velocity.angular)
    return message


def stamped_twist_message(velocity: VelocityCommand, stamp: int) -> TwistStamped:
    """The velocity of a base in `base_link`, with the time (ns) at which it is commanded."""
    message = TwistStamped(twist=twist_message(velocity))
    message.header.stamp, message.header.frame_id = time_message(stamp), BASE_FRAME
    return message


def arm_message(names: Sequence[str], positions: Sequence[float], within: int) -> JointTrajectory:
    """One point: where the joints are to be in `within` ns; the stamp of zero stands for now."""
    point = JointTrajectoryPoint(positions=[float(position) for position in positions])
    point.time_from_start = duration_message(within)
    return JointTrajectory(joint_names=list(names), points=[point])


def path_message(poses: npt.NDArray[np.float64], stamp: int, frame_id: str) -> Path:
    """Poses [N,4] x, y, z (m) and θ (rad) as a path; without those that have no place."""
    message = Path()
    message.header.stamp, message.header.frame_id = time_message(stamp), frame_id
    placed = poses[np.isfinite(poses[:, :2]).all(axis=1)]
    message.poses = [_pose(row, stamp, frame_id) for row in np.nan_to_num(placed)]
    return message


def tool_pose_message(place: tuple[float, float, float], stamp: int) -> PoseStamped:
    """Where the tool is to be now, in `base_link`."""
    return _pose(np.array([*place, 0.0]), stamp, BASE_FRAME)


def _pose(row: npt.NDArray[np.float64], stamp: int, frame_id: str) -> PoseStamped:
    x, y, z, theta = map(float, row)
    message = PoseStamped()
    message.header.stamp, message.header.frame_id = time_message(stamp), frame_id
    at, turned = message.pose.position, message.pose.orientation
    at.x, at.y, at.z = x, y, z
    turned.z, turned.w = math.sin(theta / 2), math.cos(theta / 2)
    return message
