"""Where the camera looks: optical axes in base_link, from settings and from a transform."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.time import Time

from vlam_ros.configuration import CameraSettings
from vlam_ros.ros.mount import MountSource, mount_from_settings, mount_from_transform

RIGHT, DOWN, FORWARD = np.eye(3)


def settings(tilt: float = 0.0, yaw: float = 0.0) -> CameraSettings:
    return CameraSettings(x=0.1, y=-0.2, height=0.6, tilt=tilt, yaw=yaw)


def test_a_level_camera_sees_forward_with_right_to_the_right() -> None:
    mount = mount_from_settings(settings())
    np.testing.assert_allclose(mount.rotation @ FORWARD, (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(mount.rotation @ RIGHT, (0, -1, 0), atol=1e-12)
    np.testing.assert_allclose(mount.rotation @ DOWN, (0, 0, -1), atol=1e-12)
    np.testing.assert_array_equal(mount.position, (0.1, -0.2, 0.6))


@pytest.mark.parametrize(("tilt", "yaw"), [(0.45, 0.0), (0.0, 1.0), (0.3, -2.0)])
def test_tilt_looks_down_and_yaw_to_the_left(tilt: float, yaw: float) -> None:
    axis = mount_from_settings(settings(tilt, yaw)).rotation @ FORWARD
    level = math.cos(tilt)
    expected = (level * math.cos(yaw), level * math.sin(yaw), -math.sin(tilt))
    np.testing.assert_allclose(axis, expected, atol=1e-12)


def test_the_picture_stays_upright_when_the_camera_turns() -> None:
    across = mount_from_settings(settings(tilt=0.5, yaw=0.7)).rotation @ RIGHT
    assert across[2] == pytest.approx(0.0)


def transform() -> TransformStamped:
    """The level camera, one metre up: the usual quaternion of an optical frame."""
    message = TransformStamped()
    message.transform.translation.z = 1.0
    rotation = message.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = -0.5, 0.5, -0.5, 0.5
    return message


def test_a_transform_describes_the_same_mount_as_the_settings() -> None:
    mount = mount_from_transform(transform())
    level = mount_from_settings(settings())
    np.testing.assert_allclose(mount.rotation, level.rotation, atol=1e-12)
    np.testing.assert_array_equal(mount.position, (0, 0, 1))


class FakeTf2:
    """tf2_ros with one transform, that of the frame "camera"."""

    class TransformException(Exception):
        pass

    class Buffer:
        def lookup_transform(self, target: str, source: str, time: Time) -> TransformStamped:
            if (target, source, time.nanoseconds) != ("base_link", "camera", 0):
                raise FakeTf2.TransformException(source)
            return transform()

    class TransformListener:
        def __init__(self, buffer: FakeTf2.Buffer, node: Any) -> None:
            assert isinstance(buffer, FakeTf2.Buffer)


@pytest.mark.parametrize(("frame", "height"), [("camera", 1.0), ("unknown", 0.6)])
def test_tf_is_preferred_where_it_knows_the_frame(
    frame: str, height: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    node: Any = None
    monkeypatch.setitem(sys.modules, "tf2_ros", FakeTf2)
    assert MountSource(node, settings()).mount(frame).position[2] == height


def test_without_tf_the_settings_count(monkeypatch: pytest.MonkeyPatch) -> None:
    node: Any = None
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    assert MountSource(node, settings()).mount("camera").position[2] == 0.6
