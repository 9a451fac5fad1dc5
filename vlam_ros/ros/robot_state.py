"""What the robot measures of itself: IMU readings (REP-145), odometry, joints and gripper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vlam_ros.errors import SensorError
from vlam_ros.ros.mount import BASE_FRAME, Mount, same_frame
from vlam_ros.ros.rotations import roll_pitch, rotation_matrix
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import FloatArray, GripperState, ImuSample, JointState, Odometry

if TYPE_CHECKING:
    import nav_msgs.msg
    import sensor_msgs.msg
    import std_msgs.msg
    from geometry_msgs.msg import Vector3
    from sensor_msgs.msg import Imu

BASE_FRAMES = (BASE_FRAME, "base_footprint")
"""Frames whose planar motion is the base's: they differ by a height (REP-120)."""
MAX_TILT_SIGMA = math.radians(2.0)
"""rad; a standard deviation of roll or pitch above which the IMU's orientation is not used."""


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
    """Names and positions of the joints whose position is known: finite.

    Raises:
        SensorError: not one position for each name, or none of them is finite.
    """
    positions = tuple(map(float, message.position))
    pairs = zip(message.name, positions, strict=False)
    known = {name: position for name, position in pairs if math.isfinite(position)}
    if len(message.name) != len(positions) or not known:
        raise SensorError(
            f"joint_states needs one finite position for each name, got names "
            f"{list(message.name)}, positions {list(positions)}"
        )
    return JointState(nanoseconds(message.header.stamp), tuple(known), tuple(known.values()))


def gripper_from_message(message: std_msgs.msg.Bool, now: int) -> GripperState:
    """Whether the gripper holds something; the message came at `now` (ns) and has no stamp."""
    return GripperState(now, bool(message.data))


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
