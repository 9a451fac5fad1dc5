"""What simulated sensors measure as the messages that the drivers of real ones publish."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import Vector3
from nav_msgs.msg import Odometry as OdometryMessage
from rclpy.node import Node
from sensor_msgs.msg import Imu, PointCloud2, PointField
from sensor_msgs.msg import JointState as JointStateMessage
from std_msgs.msg import Bool

from vlam_ros.configuration import LidarSettings
from vlam_ros.ros.mount import BASE_FRAME, ODOM_FRAME, Mount, mount_from_settings
from vlam_ros.ros.rotations import quaternion_from_angles
from vlam_ros.ros.stamps import time_message
from vlam_ros.ros.topics import advertise
from vlam_ros.types import GripperState, ImuSample, JointState, LidarSweep, Odometry

Measurement = ImuSample | LidarSweep | Odometry | JointState | GripperState

_LAYOUT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("time", "<f4")])


def sweep_to_message(sweep: LidarSweep, mount: Mount, frame_id: str) -> PointCloud2:
    """A sweep in `base_link` as a cloud in the LiDAR's own frame, which is mounted on that.

    Its field `time` has seconds from the stamp, if the sweep has any.
    """
    count = len(sweep.points)
    points = np.zeros(count, _LAYOUT)
    own = (sweep.points - mount.position) @ mount.rotation
    for name, column in zip("xyz", own.T, strict=True):
        points[name] = column
    names = ["x", "y", "z"]
    if sweep.offsets is not None:
        points["time"] = sweep.offsets
        names.append("time")
    step = _LAYOUT.itemsize
    message = PointCloud2(
        height=1, width=count, point_step=step, row_step=step * count, is_dense=True
    )
    message.fields = [
        PointField(name=n, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, n in enumerate(names)
    ]
    message.header.stamp, message.header.frame_id = time_message(sweep.stamp), frame_id
    message.data = array.array("B", points.tobytes())
    return message


def imu_to_message(sample: ImuSample, frame_id: str) -> Imu:
    """A reading without orientation (REP-145), of an IMU that is turned as `base_link` is."""
    message = Imu(
        angular_velocity=Vector3(**dict(zip("xyz", sample.rate, strict=True))),
        linear_acceleration=Vector3(**dict(zip("xyz", sample.force, strict=True))),
    )
    message.orientation_covariance[0] = -1.0
    message.header.stamp, message.header.frame_id = time_message(sample.stamp), frame_id
    return message


def odometry_to_message(odometry: Odometry) -> OdometryMessage:
    """A planar pose in the odometry's frame, its velocity in `base_link`."""
    message = OdometryMessage(child_frame_id=BASE_FRAME)
    message.header.stamp = time_message(odometry.stamp)
    message.header.frame_id = ODOM_FRAME
    pose, twist = message.pose.pose, message.twist.twist
    pose.position.x, pose.position.y = odometry.x, odometry.y
    pose.orientation = quaternion_from_angles(0.0, 0.0, odometry.yaw)
    twist.linear.x, twist.angular.z = odometry.speed, odometry.yaw_rate
    return message


def joints_to_message(joints: JointState) -> JointStateMessage:
    """Names and positions; velocities and efforts are not measured."""
    message = JointStateMessage(name=list(joints.names), position=list(joints.positions))
    message.header.stamp = time_message(joints.stamp)
    return message


def measured_message(measured: Measurement, lidar: LidarSettings) -> tuple[str, Any]:
    """The topic of a measurement, and its message; the LiDAR sits where its settings say."""
    if isinstance(measured, ImuSample):
        return "imu", imu_to_message(measured, "imu")
    if isinstance(measured, LidarSweep):
        return "points", sweep_to_message(measured, mount_from_settings(lidar), lidar.frame_id)
    if isinstance(measured, JointState):
        return "joint_states", joints_to_message(measured)
    if isinstance(measured, GripperState):
        return "gripper_state", Bool(data=measured.holding)
    return "odom", odometry_to_message(measured)


def as_it_is(topic: str, message: Any) -> Any:
    """No fault."""
    return message


class SensorPublishers:
    """Publishes what the sensors of a robot measure."""

    def __init__(
        self,
        node: Node,
        lidar: LidarSettings,
        fault_injection: Callable[[str, Any], Any] = as_it_is,
        arm: bool = False,
    ) -> None:
        """Advertise, with an `arm` its joints and gripper too.

        Messages go through `fault_injection` by their topics, which may keep them (None).
        """
        self._fault_injection = fault_injection
        self._lidar = lidar
        topics = ["points", "imu", "odom", *(["joint_states", "gripper_state"] if arm else [])]
        self._publishers = {topic: advertise(node.create_publisher, topic) for topic in topics}
        self.publishers = list(self._publishers.values())

    def publish(self, measured: Measurement) -> None:
        """One measurement, on its topic."""
        topic, message = measured_message(measured, self._lidar)
        if (kept := self._fault_injection(topic, message)) is not None:
            self._publishers[topic].publish(kept)
