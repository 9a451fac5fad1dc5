"""Subscribes to the sensors beside the camera's image and keeps the last good data of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from geometry_msgs.msg import PoseStamped, QuaternionStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2
from std_msgs.msg import Bool

from vlam_ros.configuration import Settings
from vlam_ros.errors import VlamError
from vlam_ros.fusion import Sensors, check_age
from vlam_ros.ros import fused, qos
from vlam_ros.ros.camera_info import CameraSource
from vlam_ros.ros.images import depth_from_message
from vlam_ros.ros.mount import Transforms
from vlam_ros.ros.robot_state import joints_from_message, odometry_from_message
from vlam_ros.types import GripperState

Convert = Callable[[Any], Any]


class SensorInputs:
    """`latest` is what the sensors said last. A message that cannot be used is reported to
    `report_error`, with its topic, and does not take the place of one that could.
    """

    def __init__(
        self,
        node: Node,
        settings: Settings,
        transforms: Transforms,
        report_error: Callable[[str, str], None],
        on_depth: Callable[[int], None],
    ) -> None:
        """Subscribe; `on_depth` is told the stamp (ns) of every depth image that can be used."""
        self._node = node
        self._limits = settings.sensors
        self._report_error = report_error
        self._on_depth = on_depth
        self.latest = Sensors()
        camera = CameraSource(transforms, settings.camera).camera
        self._subscriptions = [
            self._subscribe(kind, topic, profile, field, convert)
            for kind, topic, profile, field, convert in (
                (CameraInfo, "camera_info", qos.IMAGE, "camera", camera),
                (QuaternionStamped, "attitude", qos.FUSED, "attitude", fused.attitude_from_message),
                (PoseStamped, "floor", qos.FUSED, "floor", fused.floor_from_message),
                (PointCloud2, "obstacles", qos.FUSED, "obstacles", fused.obstacles_from_message),
                (Odometry, "odom", qos.ROBOT_STATE, "odometry", odometry_from_message),
                (
                    JointState,
                    "joint_states",
                    qos.ROBOT_STATE,
                    "joints",
                    joints_from_message,
                ),
                (Bool, "gripper_state", qos.ROBOT_STATE, "gripper", self._gripper),
                # Last: of what is here the executor takes the first first, and with its depth a
                # image is decided on.
                (Image, "depth", qos.FUSED, "depth", depth_from_message),
            )
        ]

    @property
    def depth_published(self) -> bool:
        """Whether anybody says that depth images will come."""
        return bool(self._subscriptions[-1].get_publisher_count())

    def forget(self) -> None:
        """Everything is of another time now."""
        self.latest = Sensors()

    def destroy(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _subscribe(
        self, kind: type, topic: str, profile: QoSProfile, field: str, convert: Convert
    ) -> Any:
        callback = partial(self._on_message, topic, field, convert)
        return self._node.create_subscription(kind, topic, callback, profile)

    def _on_message(self, topic: str, field: str, convert: Convert, message: Any) -> None:
        try:
            data = convert(message)
            # A calibration does not age, and depth is as old as the image it belongs to.
            if field not in ("camera", "depth"):
                now = int(self._node.get_clock().now().nanoseconds)
                check_age(field, data.stamp, now, self._limits)
        except VlamError as error:
            self.latest = self.latest.with_error(field, str(error))
            self._report_error(f"{topic}: {error}", topic)
            return
        self.latest = self.latest.with_data(field, data)
        if field == "depth":
            self._on_depth(data.stamp)

    def _gripper(self, message: Bool) -> GripperState:
        # The message has no stamp of its own.
        return GripperState(self._node.get_clock().now().nanoseconds, message.data)
