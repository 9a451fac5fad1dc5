"""Where the sensors sit on the robot: from what tells transforms (tf2, a bag), else from settings.

tf2_ros is not on PyPI; a robot without it describes its sensors in `camera.*`, `lidar.*`, `imu.*`
and `range.*` of the parameters.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vlam_ros.configuration import (
    CameraSettings,
    ImuSettings,
    LidarSettings,
    MountSettings,
    RangeSettings,
)
from vlam_ros.errors import SensorError
from vlam_ros.ros.rotations import rotation_from_angles, rotation_matrix
from vlam_ros.types import FloatArray, Odometry, optical_rotation

if TYPE_CHECKING:
    from geometry_msgs.msg import TransformStamped
    from rclpy.node import Node

BASE_FRAME, ODOM_FRAME = "base_link", "odom"

Place = CameraSettings | ImuSettings | MountSettings
_GROUPS: dict[type, str] = {
    CameraSettings: "camera",
    ImuSettings: "imu",
    LidarSettings: "lidar",
    RangeSettings: "range",
}


@dataclass(frozen=True)
class Mount:
    """Pose of a sensor: `rotation` float64[3,3] turns vectors of its frame into `base_link`,
    `position` float64[3] is its origin in `base_link`, metres.
    """

    rotation: FloatArray
    position: FloatArray


def mount_from_settings(settings: Place) -> Mount:
    """A camera's optical axis is turned left by `yaw` and down by `tilt`; the frames of the others
    are turned by `roll`, `pitch` and `yaw`, as in URDF. Where the IMU is does not matter.
    """
    if isinstance(settings, CameraSettings):
        position = np.array([settings.x, settings.y, settings.height])
        return Mount(optical_rotation(settings.tilt, settings.yaw), position)
    rotation = rotation_from_angles(settings.roll, settings.pitch, settings.yaw)
    if isinstance(settings, ImuSettings):
        return Mount(rotation, np.zeros(3))
    return Mount(rotation, np.array([settings.x, settings.y, settings.z]))


def mount_from_transform(message: TransformStamped) -> Mount:
    """The mount that a transform from the sensor's frame into `base_link` describes."""
    t = message.transform.translation
    return Mount(rotation_matrix(message.transform.rotation), np.array([t.x, t.y, t.z]))


def odometry_between(span: tuple[int, int], poses: Sequence[Mount | None]) -> list[Odometry]:
    """How a base moved in the plane, of its poses in `odom` at two stamps (ns): odometry at both.
    Nothing if a pose is not known, or the stamps are the same.
    """
    known, seconds = [pose for pose in poses if pose is not None], (span[1] - span[0]) / 1e9
    if len(known) < 2 or seconds <= 0:
        return []
    yaws = [math.atan2(pose.rotation[1, 0], pose.rotation[0, 0]) for pose in known]
    turned = math.remainder(yaws[1] - yaws[0], math.tau)
    (x0, y0, _), (x1, y1, _) = (map(float, pose.position) for pose in known)
    heading = yaws[0] + turned / 2
    speed = ((x1 - x0) * math.cos(heading) + (y1 - y0) * math.sin(heading)) / seconds
    return [
        Odometry(stamp, x, y, yaw, speed, turned / seconds)
        for stamp, x, y, yaw in zip(span, (x0, x1), (y0, y1), yaws, strict=True)
    ]


def same_frame(one: str, other: str) -> bool:
    """Whether two frames have the same name, with or without the prefix of a robot."""
    return one.rpartition("/")[2] == other.rpartition("/")[2]


class TransformSource(Protocol):
    """What knows transforms: tf2, or what a bag recorded of it."""

    @property
    def source(self) -> str:
        """For people: what was asked."""

    def mount(self, frame_id: str, stamp: int) -> Mount | None:
        """The transform of a frame into `base_link` at a stamp (ns), or else the latest.

        Raises:
            SensorError: the transform is not filled in.
        """

    def odometry(self, span: tuple[int, int]) -> list[Odometry]:
        """How `base_link` moved in `odom` from one stamp (ns) to another, as odometry at both."""


class MountSource:
    """Tells where one sensor sits, by the frame of its messages."""

    def __init__(self, transforms: TransformSource, settings: Place) -> None:
        self._transforms = transforms
        self._settings = settings
        self._default = mount_from_settings(settings)

    def mount(self, frame_id: str, stamp: int) -> Mount:
        """What tf2 knows of `frame_id` at `stamp` (ns), else the mount of the settings.

        Raises:
            SensorError: tf2 does not know the frame, and the settings are for another one.
        """
        found = self._transforms.mount(frame_id, stamp)
        if found is not None:
            return found
        expected = self._settings.frame_id
        if expected and not same_frame(expected, frame_id):
            parameter = f"{_GROUPS[type(self._settings)]}.frame_id"
            raise SensorError(
                f"frame {frame_id!r} came, the mount in the parameters is that of {expected!r}: "
                f"set {parameter} (empty: any frame), or publish where {frame_id!r} is on "
                f"{self._transforms.source}"
            )
        return self._default


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
        """See TransformSource."""
        return "tf" if self._tf2 is not None else "tf (tf2_ros is not installed here)"

    def mount(self, frame_id: str, stamp: int) -> Mount | None:
        """See TransformSource; a frame with a prefix is looked for in its own `base_link` first."""
        frame = frame_id.lstrip("/")
        prefix = frame.rpartition("/")[0]
        bases = [f"{prefix}/{BASE_FRAME}", BASE_FRAME] if prefix else [BASE_FRAME]
        for base in bases:
            if found := self._between(base, frame, stamp) or self._between(base, frame):
                return found
        return None

    def odometry(self, span: tuple[int, int]) -> list[Odometry]:
        """See TransformSource; none if tf2 does not know, or the stamps are the same."""
        return odometry_between(span, [self._between(ODOM_FRAME, BASE_FRAME, at) for at in span])

    def _between(self, base: str, frame: str, stamp: int = 0) -> Mount | None:
        """The pose of a frame in another one at a stamp (ns), the latest for 0."""
        if self._tf2 is None:
            return None
        from rclpy.time import Time

        with suppress(self._tf2.TransformException):
            found = self._buffer.lookup_transform(base, frame, Time(nanoseconds=stamp))
            return mount_from_transform(found)
        return None
