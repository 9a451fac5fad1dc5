"""What tf2 knows of where the sensors sit, and of how the robot moved.

tf2_ros is not on PyPI; a robot without it describes its sensors in `camera.*`, `lidar.*` and
`imu.*` of the parameters.
"""

from __future__ import annotations

import importlib
import math
from contextlib import suppress
from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from vlam_ros.messages.mount import (
    BASE_FRAME,
    ODOM_FRAME,
    Mount,
    mount_from_transform,
)
from vlam_ros.types import Odometry


class Transforms:
    """What tf2 knows, by the one listener of a node; nothing where tf2_ros is not installed."""

    def __init__(self, node: Node) -> None:
        try:
            self._tf2: Any = importlib.import_module("tf2_ros")
        except ImportError:
            self._tf2 = None
            return
        self._buffer = self._tf2.Buffer()
        self._listener = self._tf2.TransformListener(self._buffer, node)

    @property
    def source(self) -> str:
        """For people: what was asked."""
        return "tf" if self._tf2 is not None else "tf (tf2_ros is not installed here)"

    def mount(self, frame_id: str, stamp: int) -> Mount | None:
        """The transform of a frame into `base_link` at a stamp (ns), or else the latest.

        A frame with a prefix is looked for in the `base_link` with that prefix first.

        Raises:
            SensorError: the transform is not filled in.
        """
        if self._tf2 is None:
            return None
        frame = frame_id.lstrip("/")
        prefix = frame.rpartition("/")[0]
        bases = [f"{prefix}/{BASE_FRAME}", BASE_FRAME] if prefix else [BASE_FRAME]
        for base in bases:
            for time in (Time(nanoseconds=stamp), Time()):
                with suppress(self._tf2.TransformException):
                    transform = self._buffer.lookup_transform(base, frame, time)
                    return mount_from_transform(transform)
        return None

    def odometry(self, span: tuple[int, int]) -> list[Odometry]:
        """How `base_link` moved in `odom` from one stamp (ns) to another, as odometry at both.

        Nothing if tf2 does not know, or the stamps are the same.
        """
        poses = [self._planar(stamp) for stamp in span]
        seconds = (span[1] - span[0]) / 1e9
        if self._tf2 is None or seconds <= 0 or None in poses:
            return []
        (x0, y0, yaw0), (x1, y1, yaw1) = (pose for pose in poses if pose is not None)
        turned = math.remainder(yaw1 - yaw0, math.tau)
        heading = yaw0 + turned / 2
        speed = ((x1 - x0) * math.cos(heading) + (y1 - y0) * math.sin(heading)) / seconds
        return [
            Odometry(stamp, x, y, yaw, speed, turned / seconds)
            for stamp, (x, y, yaw) in zip(span, ((x0, y0, yaw0), (x1, y1, yaw1)), strict=True)
        ]

    def _planar(self, stamp: int) -> tuple[float, float, float] | None:
        """x, y and yaw of `base_link` in `odom` at a stamp."""
        if self._tf2 is None:
            return None
        with suppress(self._tf2.TransformException):
            found = self._buffer.lookup_transform(ODOM_FRAME, BASE_FRAME, Time(nanoseconds=stamp))
            mount = mount_from_transform(found)
            x, y, _ = map(float, mount.position)
            return x, y, math.atan2(mount.rotation[1, 0], mount.rotation[0, 0])
        return None
