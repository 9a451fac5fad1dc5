"""Subscribes to action chunks, odometry, LiDAR, joints and emergency stop, for a Controller."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.event_handler import QoSLivelinessChangedInfo, SubscriptionEventCallbacks
from rclpy.node import Node

from vlam_ros.configuration import ControllerSettings
from vlam_ros.control import Controller
from vlam_ros.errors import VlamError
from vlam_ros.interface import LIDAR, TOPICS
from vlam_ros.ros.converters import Converters
from vlam_ros.ros.mount import ODOM_FRAME, Transforms
from vlam_ros.ros.topics import subscribe


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
        self._convert = Converters(transforms, settings)
        self._controller = controller
        self._report_error = report_error
        self.odom_frame = ODOM_FRAME
        feeds: dict[str, Callable[[Any, int], None]] = {
            "action_chunk": self._feed_chunk,
            "estop": lambda m, now: controller.estop(m.data),
            "odom": self._feed_odometry,
            "points": partial(self._feed_sweep, "points"),
            "scan": partial(self._feed_sweep, "scan"),
            "joint_states": lambda m, now: controller.joints(self._convert("joint_states", m, now)),
        }
        events = SubscriptionEventCallbacks(liveliness=self._on_liveliness)
        self._subscriptions = [
            subscribe(
                node.create_subscription,
                topic,
                partial(self._on_message, topic, feed),
                event_callbacks=events if topic == "action_chunk" else None,
            )
            for topic, feed in feeds.items()
        ]

    def destroy(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_message(self, topic: str, feed: Callable[[Any, int], None], message: Any) -> None:
        try:
            feed(message, int(self._node.get_clock().now().nanoseconds))
            return
        except (VlamError, ValueError) as error:
            why = str(error)
        except Exception:  # a fault of the program must not silence the other topics
            why = traceback.format_exc()
        self._report_error(f"{topic}: {why}", topic)
        if topic == "action_chunk":
            self._controller.unreadable(why)
        elif TOPICS[topic].sensor is LIDAR:
            self._controller.unusable_cloud()

    def _on_liveliness(self, event: QoSLivelinessChangedInfo) -> None:
        self._controller.publisher(alive=event.alive_count > 0)

    def _feed_chunk(self, message: Any, now: int) -> None:
        self._controller.chunk(self._convert("action_chunk", message, now), now)
        if self._controller.chunk_error:
            self._report_error(f"action_chunk: {self._controller.chunk_error}", "action_chunk")

    def _feed_odometry(self, message: Any, now: int) -> None:
        self._controller.odometry(self._convert("odom", message, now))
        self.odom_frame = message.header.frame_id or ODOM_FRAME

    def _feed_sweep(self, topic: str, message: Any, now: int) -> None:
        sweep = self._convert(topic, message, now)
        self._controller.cloud(sweep.points, sweep.stamp)
