"""Subscribes to the sensors beside the camera's image and keeps the last good data of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node

from vlam_ros.configuration import Settings
from vlam_ros.errors import VlamError
from vlam_ros.fusion import Sensors, check_age
from vlam_ros.interface import VLAM, Topic, heard_by
from vlam_ros.ros.converters import Converters
from vlam_ros.ros.mount import Transforms
from vlam_ros.ros.topics import subscribe


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
        self._convert = Converters(transforms, settings)
        # Depth last, as in the table: of what is here the executor takes the first first, and with
        # its depth an image is decided on.
        self._subscriptions = {
            row.name: subscribe(node.create_subscription, row.name, partial(self._on_message, row))
            for row in heard_by(VLAM)
            if row.field not in ("", "image")
        }

    @property
    def depth_published(self) -> bool:
        """Whether anybody says that depth images will come."""
        return bool(self._subscriptions["depth"].get_publisher_count())

    def forget(self) -> None:
        """Everything is of another time now."""
        self.latest = Sensors()

    def destroy(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)

    def _on_message(self, row: Topic, message: Any) -> None:
        now, field = int(self._node.get_clock().now().nanoseconds), row.field
        try:
            data = self._convert(row.name, message, now)
            # A calibration does not age, and depth is as old as the image it belongs to.
            if field not in ("camera", "depth"):
                check_age(field, data.stamp, now, self._limits)
        except VlamError as error:
            self.latest = self.latest.with_error(field, str(error))
            self._report_error(f"{row.name}: {error}", row.name)
            return
        self.latest = self.latest.with_data(field, data)
        if field == "depth":
            self._on_depth(data.stamp)
