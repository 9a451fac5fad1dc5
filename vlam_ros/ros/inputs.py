"""What each node listens to, by the table of topics: converted, and fed to who needs it."""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rclpy.event_handler import QoSLivelinessChangedInfo, SubscriptionEventCallbacks
from rclpy.subscription import Subscription

from vlam_ros.configuration import ControllerSettings, FusionNodeSettings, Settings
from vlam_ros.control import Controller
from vlam_ros.errors import SensorError, UnseenError, VlamError
from vlam_ros.fusion import SensorFusion, Sensors
from vlam_ros.interface import CAMERA, LIDAR, SAFETY, TOPICS, VLAM, Topic, subscribed_by
from vlam_ros.ros.announced import AnnouncedImage, AnnouncedImages
from vlam_ros.ros.converters import Converters
from vlam_ros.ros.managed import ManagedNode
from vlam_ros.ros.mount import ODOM_FRAME, Transforms, same_frame
from vlam_ros.ros.reporter import SensorReporter
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.topics import profiles, subscribe, unheard

OBSTACLES = "obstacles"
WATCH_PERIOD = 0.5
"""s from one look at who publishes what to the next."""

Feed = Callable[[Any, int], None]
"""Takes a message, and when it came (ns)."""


class TopicInputs(ABC):
    """Subscriptions of a node. What cannot be used is reported, and neither that nor a fault of the
    program silences the other topics.
    """

    def __init__(self, node: ManagedNode, settings: Any, transforms: Transforms) -> None:
        self._node = node
        self._convert = Converters(transforms, settings)
        self._subscriptions: dict[str, Any] = {}
        self.unheard = ""
        """What somebody publishes of `SAFETY` that cannot be heard; see `unheard`."""
        self._watch = node.steady_timer(WATCH_PERIOD, self._watch_publishers)

    def destroy(self) -> None:
        """End the subscriptions."""
        self._node.destroy_timer(self._watch)
        self._node.reporter.unheard = ""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)

    def _watch_publishers(self) -> None:
        found = [why for topic in SAFETY if (why := unheard(self._node, topic))]
        self.unheard = self._node.reporter.unheard = "; ".join(found)

    def _subscribe(self, topic: str, feed: Feed, **options: Any) -> None:
        callback = partial(self._on_message, topic, feed)
        create = self._node.create_subscription
        self._subscriptions[topic] = subscribe(create, topic, callback, **options)

    def _on_message(self, topic: str, feed: Feed, message: Any) -> bool:
        try:
            feed(message, int(self._node.get_clock().now().nanoseconds))
            return True
        except (VlamError, ValueError) as error:
            self._failed(topic, str(error), str(error))
        except Exception as error:
            self._failed(topic, f"{type(error).__name__}: {error}", traceback.format_exc())
        return False

    @abstractmethod
    def _failed(self, topic: str, why: str, report: str) -> None:
        """A message could not be used; `report` is `why` for the log."""


class SensorInputs(TopicInputs):
    """Of vlam_node, beside the camera's image: `latest` is what the sensors said last. A message
    that cannot be used does not take the place of one that could.
    """

    def __init__(
        self,
        node: ManagedNode,
        settings: Settings,
        transforms: Transforms,
        report_error: Callable[[str, str], None],
        on_depth: Callable[[int], None],
    ) -> None:
        """Subscribe.

        Args:
            node: whose topics they are.
            settings: of the node.
            transforms: where the sensors sit.
            report_error: is told what cannot be used, and its topic.
            on_depth: is told the stamp (ns) of every depth image that can be used.
        """
        super().__init__(node, settings, transforms)
        self._limits = settings.sensors
        self._report_error = report_error
        self._on_depth = on_depth
        self.latest = Sensors()
        # Depth last, as in the table: of what is here the executor takes the first first, and with
        # its depth an image is decided on.
        for row in subscribed_by(VLAM):
            if row.field not in ("", "image"):
                self._subscribe(row.name, partial(self._feed, row))

    @property
    def depth_published(self) -> bool:
        """Whether anybody says that depth images will come."""
        return bool(self._subscriptions["depth"].get_publisher_count())

    def forget(self) -> None:
        """Everything is of another time now."""
        self.latest = Sensors()

    def saw_image(self, stamp: int) -> None:
        """An image taken at this stamp (ns) came."""
        self.latest = self.latest.with_stamp("frames", stamp)

    def _feed(self, row: Topic, message: Any, now: int) -> None:
        if row.field == "camera":
            self.latest = self.latest.with_stamp("infos", nanoseconds(message.header.stamp))
        try:
            data = self._convert(row.name, message, now)
        except UnseenError as error:
            self.latest = self.latest.with_error(row.field, str(error), lost=True)
            raise
        self.latest = self.latest.with_fresh(row.field, data, now, self._limits)
        if row.field == "depth":
            self._on_depth(data.stamp)

    def _failed(self, topic: str, why: str, report: str) -> None:
        self.latest = self.latest.with_error(TOPICS[topic].field, why)
        self._report_error(f"{topic}: {report}", topic)


class FusionInputs(TopicInputs):
    """Of fusion_node: LiDAR, IMU, odometry and depth camera, for a SensorFusion."""

    def __init__(
        self,
        node: ManagedNode,
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
        super().__init__(node, settings, transforms)
        self._fusion = fusion
        self._reporter = reporter
        self._on_data = on_data
        self._transforms = transforms
        max_age = round(settings.sensors.max_lidar_age * 1e9)
        self._images = AnnouncedImages(transforms, settings.camera, max_age)
        convert = self._convert
        self._subscribe("camera_info", lambda m, now: on_image(self._images.image(m, now)))
        self._subscribe("imu", lambda m, now: fusion.add_imu(convert("imu", m, now), now))
        self._subscribe("points", partial(self._feed_sweep, "points"))
        self._subscribe("scan", partial(self._feed_sweep, "scan"))
        self._subscribe("odom", lambda m, now: fusion.add_odometry(convert("odom", m, now), now))
        for topic in ("camera_depth", "camera_depth/compressedDepth"):
            self._subscribe(topic, self._feed_depth)

    def states(self, now: int) -> Mapping[str, str]:
        """What each sensor is, for diagnostics."""
        return {CAMERA.name: self._images.state(now), **self._fusion.status(now)}

    def forget(self) -> None:
        """Everything is of another time now."""
        self._fusion.reset()
        self._images.forget()

    def _on_message(self, topic: str, feed: Feed, message: Any) -> bool:
        self._reporter.message(_sensor(topic))
        if used := super()._on_message(topic, feed, message):
            self._on_data()
        return used

    def _failed(self, topic: str, why: str, report: str) -> None:
        sensor = _sensor(topic)
        if sensor == CAMERA.name:
            self._images.error = why
        else:
            self._fusion.report_error(sensor, why, topic)
        self._reporter.report_error(f"{topic}: {report}", sensor)

    def _feed_sweep(self, topic: str, message: Any, now: int) -> None:
        sweep = self._convert(topic, message, now)
        # Without odometry tf may know how the robot moved.
        if not self._subscriptions["odom"].get_publisher_count():
            for moved in self._transforms.odometry(sweep.span):
                self._fusion.add_odometry(moved, now)
        self._fusion.add_cloud(sweep, now, topic)

    def _feed_depth(self, message: Any, now: int) -> None:
        frame, expected = message.header.frame_id, self._images.frame_id
        if expected and not same_frame(frame, expected):
            raise SensorError(
                f"depth came in frame {frame!r}, the images are in {expected!r}: publish depth "
                "registered to the image"
            )
        self._fusion.add_depth(self._convert("camera_depth", message, now), now)


class ControllerInputs(TopicInputs):
    """Of controller_node: action chunks, odometry, LiDAR, joints and emergency stop, for a
    Controller, which stops where the robot depends on what cannot be used. `odom_frame` is the
    frame that odometry comes in.
    """

    def __init__(
        self,
        node: ManagedNode,
        settings: ControllerSettings,
        transforms: Transforms,
        controller: Controller,
        report_error: Callable[[str, str], None],
    ) -> None:
        """Subscribe; `report_error` is told what cannot be used, and its topic."""
        super().__init__(node, settings, transforms)
        self._controller = controller
        self._report_error = report_error
        self.odom_frame = ODOM_FRAME
        events = SubscriptionEventCallbacks(liveliness=self._on_liveliness)
        convert = self._convert
        self._subscribe("action_chunk", self._feed_chunk, event_callbacks=events)
        # rclpy before 4 (Humble) does not tell when a message was sent.
        tells = hasattr(Subscription, "CallbackType")
        on_estop = self._on_estop if tells else lambda message: self._on_estop(message, {})
        for number, qos in enumerate(profiles("estop")):
            self._subscriptions[f"estop {number}"] = subscribe(
                node.create_subscription, "estop", on_estop, qos=qos
            )
        self._subscribe("odom", self._feed_odometry)
        self._subscribe("points", partial(self._feed_sweep, "points"))
        self._subscribe("scan", partial(self._feed_sweep, "scan"))
        self._subscribe(OBSTACLES, self._feed_obstacles)
        self._subscribe(
            "joint_states", lambda m, now: controller.joints(convert("joint_states", m, now))
        )

    def _failed(self, topic: str, why: str, report: str) -> None:
        self._report_error(f"{topic}: {report}", topic)
        if topic == "action_chunk":
            self._controller.unreadable(why)
        elif TOPICS[topic].sensor is LIDAR and topic != OBSTACLES:
            self._controller.unusable_cloud(topic)

    def _watch_publishers(self) -> None:
        super()._watch_publishers()
        self._controller.unheard(bool(self.unheard))

    def _on_estop(self, message: Any, info: Mapping[str, Any]) -> None:
        sent = int(info.get("source_timestamp", 0))
        self._controller.estop(message.data, sent, time.monotonic_ns())

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
        self._controller.cloud(sweep.points, sweep.stamp, topic)

    def _feed_obstacles(self, message: Any, now: int) -> None:
        """What a depth camera sees on a robot without a LiDAR; a LiDAR's own sweeps say more."""
        seen = self._convert(OBSTACLES, message, now)
        if seen.by_camera:
            self._controller.cloud(seen.points, seen.stamp, OBSTACLES)
        else:
            self._controller.no_cloud(OBSTACLES)


def _sensor(topic: str) -> str:
    sensor = TOPICS[topic].sensor
    return sensor.name if sensor else topic
