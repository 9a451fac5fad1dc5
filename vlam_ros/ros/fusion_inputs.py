"""Subscribes to LiDAR, IMU, odometry and depth camera, and feeds a SensorFusion with them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rclpy.node import Node

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.errors import SensorError, VlamError
from vlam_ros.fusion import SensorFusion
from vlam_ros.interface import CAMERA, TOPICS
from vlam_ros.ros.announced import AnnouncedImage, AnnouncedImages
from vlam_ros.ros.converters import Converters
from vlam_ros.ros.mount import Transforms, same_frame
from vlam_ros.ros.reporter import SensorReporter
from vlam_ros.ros.topics import subscribe


class FusionInputs:
    """Converts and feeds what comes. What cannot be used ends in an error about its sensor, and
    the node goes on.
    """

    def __init__(
        self,
        node: Node,
        settings: FusionNodeSettings,
        transforms: Transforms,
        fusion: SensorFusion,
        reporter: SensorReporter,
        on_image: Callable[[AnnouncedImage], None],
        on_data: Callable[[], None],
    ) -> None:
        """Subscribe; `on_image` gets every image that is announced, `on_data` is called when
        anything came.
        """
        self._node = node
        self._fusion = fusion
        self._reporter = reporter
        self._on_image = on_image
        self._on_data = on_data
        self._transforms = transforms
        self._convert = Converters(transforms, settings)
        max_age = round(settings.sensors.max_lidar_age * 1e9)
        self._images = AnnouncedImages(transforms, settings.camera, max_age)
        feeds: dict[str, Callable[[Any, int], None]] = {
            "camera_info": self._feed_camera_info,
            "imu": lambda m, now: fusion.add_imu(self._convert("imu", m, now), now),
            "points": partial(self._feed_sweep, "points"),
            "scan": partial(self._feed_sweep, "scan"),
            "odom": lambda m, now: fusion.add_odometry(self._convert("odom", m, now), now),
            "camera_depth": self._feed_depth,
        }
        self._subscriptions = [
            subscribe(node.create_subscription, topic, partial(self._on_message, topic, feed))
            for topic, feed in feeds.items()
        ]

    def states(self, now: int) -> Mapping[str, str]:
        """What each sensor is, for diagnostics."""
        return {CAMERA.name: self._images.state(now), **self._fusion.status(now)}

    def forget(self) -> None:
        """Everything is of another time now."""
        self._fusion.reset()
        self._images.forget()

    def destroy(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_message(self, topic: str, feed: Callable[[Any, int], None], message: Any) -> None:
        row = TOPICS[topic]
        sensor = row.sensor.name if row.sensor else topic
        self._reporter.message(sensor)
        try:
            feed(message, self._now())
        except VlamError as error:
            self._report_error(sensor, str(error))
            self._reporter.report_error(f"{topic}: {error}", sensor)
        except Exception as error:  # a fault of the program must not silence the other sensors
            self._report_error(sensor, f"{type(error).__name__}: {error}")
            self._reporter.report_error(f"{topic}: {traceback.format_exc()}", sensor)
        else:
            self._on_data()

    def _report_error(self, sensor: str, why: str) -> None:
        if sensor == CAMERA.name:
            self._images.error = why
        else:
            self._fusion.report_error(sensor, why)

    def _feed_camera_info(self, message: Any, now: int) -> None:
        self._on_image(self._images.image(message, now))

    def _feed_sweep(self, topic: str, message: Any, now: int) -> None:
        sweep = self._convert(topic, message, now)
        if self._node.count_publishers("odom") == 0:  # then tf may know how the robot moved
            for moved in self._transforms.odometry(sweep.span):
                self._fusion.add_odometry(moved, now)
        self._fusion.add_cloud(sweep, now)

    def _feed_depth(self, message: Any, now: int) -> None:
        frame, expected = message.header.frame_id, self._images.frame_id
        if expected and not same_frame(frame, expected):
            raise SensorError(
                f"depth came in frame {frame!r}, the images are in {expected!r}: publish depth "
                "registered to the image"
            )
        self._fusion.add_depth(self._convert("camera_depth", message, now), now)

    def _now(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
