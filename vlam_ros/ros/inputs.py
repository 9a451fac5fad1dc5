"""Subscribes to the sensors beside the camera's picture and keeps the newest of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from geometry_msgs.msg import QuaternionStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2
from std_msgs.msg import Bool

from vlam_ros.configuration import CameraSettings
from vlam_ros.errors import VlamError
from vlam_ros.ros import qos, sensors
from vlam_ros.ros.images import depth_from_message
from vlam_ros.ros.mount import MountSource
from vlam_ros.types import Camera, GripperState, Missing


class SensorInputs:
    """`latest` is what the sensors said last; a message that cannot be used makes its sensor
    Missing, with the reason, and is reported to `complain`.
    """

    def __init__(self, node: Node, camera: CameraSettings, complain: Callable[[str], None]) -> None:
        self._node = node
        self._mounts = MountSource(node, camera)
        self._complain = complain
        self.latest = sensors.Sensors()
        self._subscriptions = [
            self._subscribe(CameraInfo, "camera_info", qos.PICTURE, "camera", self._camera),
            node.create_subscription(Image, "depth", self._on_depth, qos.FUSED),
            self._subscribe(
                QuaternionStamped, "attitude", qos.FUSED, "attitude", sensors.attitude_from_message
            ),
            self._subscribe(
                PointCloud2, "obstacles", qos.FUSED, "obstacles", sensors.obstacles_from_message
            ),
            self._subscribe(
                Odometry, "odom", qos.ROBOT_STATE, "odometry", sensors.odometry_from_message
            ),
            self._subscribe(
                JointState, "joint_states", qos.ROBOT_STATE, "joints", sensors.joints_from_message
            ),
            self._subscribe(Bool, "gripper_state", qos.ROBOT_STATE, "gripper", self._gripper),
        ]

    def forget(self) -> None:
        """Everything is of another time now."""
        self.latest = sensors.Sensors()

    def destroy(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _subscribe(
        self,
        kind: type,
        topic: str,
        profile: QoSProfile,
        field: str,
        convert: Callable[[Any], Any],
    ) -> Any:
        callback = partial(self._on_message, topic, field, convert)
        return self._node.create_subscription(kind, topic, callback, profile)

    def _on_message(
        self, topic: str, field: str, convert: Callable[[Any], Any], message: Any
    ) -> None:
        try:
            data = convert(message)
        except VlamError as error:
            data = Missing(str(error))
            self._complain(f"{topic}: {error}")
        self.latest = replace(self.latest, **{field: data})

    def _on_depth(self, message: Image) -> None:
        try:
            self.latest = self.latest.with_depth(depth_from_message(message))
        except VlamError as error:
            self._complain(f"depth: {error}")

    def _camera(self, message: CameraInfo) -> Camera:
        return sensors.camera_from_message(message, self._mounts.mount(message.header.frame_id))

    def _gripper(self, message: Bool) -> GripperState:
        # The message has no stamp of its own.
        return GripperState(self._node.get_clock().now().nanoseconds, message.data)
