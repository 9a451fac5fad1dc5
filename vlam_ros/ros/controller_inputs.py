"""Subscribes to action chunks, odometry, LiDAR, joints and emergency stop, for a Controller."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.event_handler import QoSLivelinessChangedInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from sensor_msgs.msg import JointState, LaserScan, PointCloud2
from std_msgs.msg import Bool

import vlam_ros.msg
from vlam_ros.configuration import ControllerSettings
from vlam_ros.control import Controller
from vlam_ros.errors import VlamError
from vlam_ros.ros import qos
from vlam_ros.ros.clouds import sweep_from_cloud, sweep_from_scan
from vlam_ros.ros.decisions import chunk_from_message
from vlam_ros.ros.mount import ODOM_FRAME, MountSource, Transforms
from vlam_ros.ros.robot_state import joints_from_message, odometry_from_message
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import LidarSweep


class ControllerInputs:
    """Converts and feeds what comes. What cannot be used ends in an error, and where the robot
    depends on it in a stop. `odom_frame` is the frame that odometry comes in.
    """

    def __init__(
        self,
        node: Node,
        settings: ControllerSettings,
        transforms: Transforms,
        controller: Controller,
        report_error: Callable[[str, str], None],
    ) -> None:
        """Subscribe; `report_error` is told what cannot be used, and its topic."""
        self._node = node
        self._lidar = settings.lidar
        self._mount = MountSource(transforms, settings.lidar)
        self._controller = controller
        self._report_error = report_error
        self.odom_frame = ODOM_FRAME
        subscribe = node.create_subscription
        self._subscriptions = [
            subscribe(
                vlam_ros.msg.ActionChunk,
                "action_chunk",
                partial(self._on_message, "action_chunk", self._feed_chunk),
                qos.ACTION_CHUNK,
                event_callbacks=SubscriptionEventCallbacks(liveliness=self._on_liveliness),
            ),
            *(
                subscribe(kind, topic, partial(self._on_message, topic, feed), profile)
                for kind, topic, profile, feed in (
                    (Bool, "estop", qos.ESTOP, self._feed_estop),
                    (Odometry, "odom", qos.ROBOT_STATE, self._feed_odometry),
                    (PointCloud2, "points", qos.SWEEP, partial(self._feed, sweep_from_cloud)),
                    (LaserScan, "scan", qos.SWEEP, partial(self._feed, sweep_from_scan)),
                    (JointState, "joint_states", qos.ROBOT_STATE, self._feed_joints),
                )
            ),
        ]

    def destroy(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_message(self, topic: str, feed: Callable[[Any], None], message: Any) -> None:
        try:
            feed(message)
            return
        except (VlamError, ValueError) as error:
            why = str(error)
        except Exception:  # a fault of the program must not silence the other topics
            why = traceback.format_exc()
        self._report_error(f"{topic}: {why}", topic)
        if topic == "action_chunk":
            self._controller.unreadable(why)
        elif topic in ("points", "scan"):
            self._controller.unusable_cloud()

    def _on_liveliness(self, event: QoSLivelinessChangedInfo) -> None:
        self._controller.publisher(alive=event.alive_count > 0)

    def _feed_chunk(self, message: vlam_ros.msg.ActionChunk) -> None:
        now = int(self._node.get_clock().now().nanoseconds)
        self._controller.chunk(chunk_from_message(message), now)
        if self._controller.chunk_error:
            self._report_error(f"action_chunk: {self._controller.chunk_error}", "action_chunk")

    def _feed_estop(self, message: Bool) -> None:
        self._controller.estop(message.data)

    def _feed_odometry(self, message: Odometry) -> None:
        self._controller.odometry(odometry_from_message(message))
        self.odom_frame = message.header.frame_id or ODOM_FRAME

    def _feed_joints(self, message: JointState) -> None:
        self._controller.joints(joints_from_message(message))

    def _feed(self, convert: Callable[..., LidarSweep], message: Any) -> None:
        stamp = nanoseconds(message.header.stamp)
        mount = self._mount.mount(message.header.frame_id, stamp)
        sweep = convert(message, mount, self._lidar.min_range, self._lidar.max_range)
        self._controller.cloud(sweep.points, sweep.stamp)
