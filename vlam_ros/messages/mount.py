"""Where the sensors sit on the robot: from what tells transforms, else from settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vlam_ros.configuration import CameraSettings, ImuSettings, LidarSettings
from vlam_ros.errors import SensorError
from vlam_ros.messages.kinds import TransformStamped
from vlam_ros.messages.rotations import rotation_from_angles, rotation_matrix
from vlam_ros.types import FloatArray, Odometry, optical_rotation

BASE_FRAME, ODOM_FRAME = "base_link", "odom"

Place = CameraSettings | LidarSettings | ImuSettings
_GROUPS = {CameraSettings: "camera", LidarSettings: "lidar", ImuSettings: "imu"}


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
