"""Where the camera sits on the robot: from tf2 where it is installed and knows, else from settings.

tf2_ros is not on PyPI; a robot without it describes its camera in `camera.*` of the parameters.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Quaternion, TransformStamped
from rclpy.node import Node
from rclpy.time import Time

from vlam_ros.configuration import CameraSettings
from vlam_ros.errors import SensorError
from vlam_ros.types import FloatArray, optical_rotation

BASE_FRAME = "base_link"


@dataclass(frozen=True)
class Mount:
    """Pose of a camera: `rotation` float64[3,3] turns vectors of the optical frame into
    `base_link`, `position` float64[3] is the optical centre in `base_link`, metres.
    """

    rotation: FloatArray
    position: FloatArray


def mount_from_settings(settings: CameraSettings) -> Mount:
    """The optical axis turned left by `yaw` and down by `tilt`."""
    position = np.array([settings.x, settings.y, settings.height])
    return Mount(optical_rotation(settings.tilt, settings.yaw), position)


def mount_from_transform(message: TransformStamped) -> Mount:
    """The mount that a transform from the optical frame into `base_link` describes."""
    t = message.transform.translation
    return Mount(rotation_matrix(message.transform.rotation), np.array([t.x, t.y, t.z]))


def rotation_matrix(q: Quaternion) -> FloatArray:
    """The float64[3,3] matrix of a quaternion of any length.

    Raises:
        SensorError: its length is zero, as in a message that nobody filled in, or not finite.
    """
    length = math.sqrt(q.w**2 + q.x**2 + q.y**2 + q.z**2)
    if not math.isfinite(length) or length < 1e-6:
        raise SensorError(f"an orientation must be a unit quaternion, got {q}: is it filled in?")
    w, x, y, z = q.w / length, q.x / length, q.y / length, q.z / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


class MountSource:
    """Looks up the mount of a camera by its frame."""

    def __init__(self, node: Node, settings: CameraSettings) -> None:
        self._settings = mount_from_settings(settings)
        try:
            self._tf2: Any = importlib.import_module("tf2_ros")
        except ImportError:
            self._tf2 = None
            return
        self._buffer = self._tf2.Buffer()
        self._listener = self._tf2.TransformListener(self._buffer, node)

    def mount(self, frame_id: str) -> Mount:
        """The transform of `frame_id` into `base_link` if tf2 has one, else the settings' mount."""
        if self._tf2 is None:
            return self._settings
        try:
            transform = self._buffer.lookup_transform(BASE_FRAME, frame_id, Time())
        except self._tf2.TransformException:
            return self._settings
        return mount_from_transform(transform)
