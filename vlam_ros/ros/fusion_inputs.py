"""Subscribes to LiDAR, IMU, odometry and depth camera, and feeds a SensorFusion with them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, Imu, LaserScan, PointCloud2

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.errors import SensorError, VlamError
from vlam_ros.fusion import SensorFusion
from vlam_ros.ros import qos
from vlam_ros.ros.announced import AnnouncedImage, AnnouncedImages
from vlam_ros.ros.clouds import sweep_from_cloud, sweep_from_scan
from vlam_ros.ros.images import depth_from_message
from vlam_ros.ros.mount import MountSource, Transforms, same_frame
from vlam_ros.ros.reporter import SensorReporter
from vlam_ros.ros.robot_state import imu_from_message, odometry_from_message
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import LidarSweep

# The sensors' names in diagnostics, and in SensorFusion, which does not know the last one.
LIDAR, IMU, ODOMETRY, DEPTH_CAMERA = "LiDAR", "IMU", "odometry", "depth camera"
CAMERA_INFO = "camera_info"


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
        self._lidar = settings.lidar
        self._transforms = transforms
        self._lidar_mount = MountSource(transforms, settings.lidar)
        self._imu_mount = MountSource(transforms, settings.imu)
        max_age = round(settings.sensors.max_lidar_age * 1e9)
        self._images = AnnouncedImages(transforms, settings.camera, max_age)
        self._subscriptions = [
            node.create_subscription(
                kind, topic, partial(self._on_message, topic, sensor, feed), profile
            )
            for kind, topic, profile, sensor, feed in (
                (CameraInfo, "camera_info", qos.IMAGE, CAMERA_INFO, self._feed_camera_info),
                (Imu, "imu", qos.IMU, IMU, self._feed_imu),
                (PointCloud2, "points", qos.SWEEP, LIDAR, self._feed_cloud),
                (LaserScan, "scan", qos.SWEEP, LIDAR, self._feed_scan),
                (Odometry, "odom", qos.ROBOT_STATE, ODOMETRY, self._feed_odometry),
                (Image, "camera_depth", qos.IMAGE, DEPTH_CAMERA, self._feed_depth),
            )
        ]

    def states(self, now: int) -> Mapping[str, str]:
        """What each sensor is, for diagnostics."""
        return {CAMERA_INFO: self._images.state(now), **self._fusion.status(now)}

    def forget(self) -> None:
        """Everything is of another time now."""
        self._fusion.reset()
        self._images.forget()

    def destroy(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_message(
        self, topic: str, sensor: str, feed: Callable[[Any, int], None], message: Any
    ) -> None:
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
        if sensor == CAMERA_INFO:
            self._images.error = why
        else:
            self._fusion.report_error(sensor, why)

    def _feed_camera_info(self, message: CameraInfo, now: int) -> None:
        self._on_image(self._images.image(message, now))

    def _feed_imu(self, message: Imu, now: int) -> None:
        self._fusion.add_imu(imu_from_message(message, self._mount(self._imu_mount, message)), now)

    def _feed_cloud(self, message: PointCloud2, now: int) -> None:
        self._feed_sweep(message, sweep_from_cloud, now)

    def _feed_scan(self, message: LaserScan, now: int) -> None:
        self._feed_sweep(message, sweep_from_scan, now)

    def _feed_sweep(self, message: Any, convert: Callable[..., LidarSweep], now: int) -> None:
        limits = self._lidar.min_range, self._lidar.max_range
        sweep = convert(message, self._mount(self._lidar_mount, message), *limits)
        if self._node.count_publishers("odom") == 0:  # then tf may know how the robot moved
            for moved in self._transforms.odometry(sweep.span):
                self._fusion.add_odometry(moved, now)
        self._fusion.add_cloud(sweep, now)

    def _feed_odometry(self, message: Odometry, now: int) -> None:
        self._fusion.add_odometry(odometry_from_message(message), now)

    def _feed_depth(self, message: Image, now: int) -> None:
        frame, expected = message.header.frame_id, self._images.frame_id
        if expected and not same_frame(frame, expected):
            raise SensorError(
                f"depth came in frame {frame!r}, the images are in {expected!r}: publish depth "
                "registered to the image"
            )
        self._fusion.add_depth(depth_from_message(message), now)

    def _now(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    @staticmethod
    def _mount(source: MountSource, message: Any) -> Any:
        return source.mount(message.header.frame_id, nanoseconds(message.header.stamp))
