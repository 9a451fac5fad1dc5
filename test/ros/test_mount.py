"""Where the sensors look: their axes in base_link, from settings and from a transform."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.time import Time

from vlam_ros.configuration import CameraSettings, FusionNodeSettings, ImuSettings, LidarSettings
from vlam_ros.errors import SensorError
from vlam_ros.ros.mount import MountSource, Place, Transforms, mount_from_settings
from vlam_ros.ros.mount import mount_from_transform as from_transform

RIGHT, DOWN, FORWARD = np.eye(3)
SECOND = 10**9
DEFAULTS = FusionNodeSettings.load()


def camera(tilt: float = 0.0, yaw: float = 0.0) -> CameraSettings:
    return replace(DEFAULTS.camera, x=0.1, y=-0.2, height=0.6, tilt=tilt, yaw=yaw)


def lidar(**changes: Any) -> LidarSettings:
    return replace(DEFAULTS.lidar, **changes)


def imu(**changes: Any) -> ImuSettings:
    return replace(DEFAULTS.imu, **changes)


def test_a_level_camera_sees_forward_with_right_to_the_right() -> None:
    mount = mount_from_settings(camera())
    np.testing.assert_allclose(mount.rotation @ FORWARD, (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(mount.rotation @ RIGHT, (0, -1, 0), atol=1e-12)
    np.testing.assert_allclose(mount.rotation @ DOWN, (0, 0, -1), atol=1e-12)
    np.testing.assert_array_equal(mount.position, (0.1, -0.2, 0.6))


@pytest.mark.parametrize(("tilt", "yaw"), [(0.45, 0.0), (0.0, 1.0), (0.3, -2.0)])
def test_tilt_looks_down_and_yaw_to_the_left(tilt: float, yaw: float) -> None:
    axis = mount_from_settings(camera(tilt, yaw)).rotation @ FORWARD
    level = math.cos(tilt)
    expected = (level * math.cos(yaw), level * math.sin(yaw), -math.sin(tilt))
    np.testing.assert_allclose(axis, expected, atol=1e-12)


def test_the_image_stays_upright_when_the_camera_turns() -> None:
    across = mount_from_settings(camera(tilt=0.5, yaw=0.7)).rotation @ RIGHT
    assert across[2] == pytest.approx(0.0)


QUARTER = math.pi / 2


@pytest.mark.parametrize(
    ("turn", "x_becomes", "z_becomes"),
    [
        ({"roll": QUARTER}, (1, 0, 0), (0, -1, 0)),
        ({"pitch": QUARTER}, (0, 0, -1), (1, 0, 0)),
        ({"yaw": QUARTER}, (0, 1, 0), (0, 0, 1)),
        ({"roll": QUARTER, "yaw": QUARTER}, (0, 1, 0), (1, 0, 0)),  # about fixed axes, x first
    ],
)
def test_lidar_and_imu_are_turned_as_in_urdf(
    turn: dict[str, float], x_becomes: tuple[int, ...], z_becomes: tuple[int, ...]
) -> None:
    for place in (lidar(**turn), imu(**turn)):
        rotation = mount_from_settings(place).rotation
        np.testing.assert_allclose(rotation[:, 0], x_becomes, atol=1e-12)
        np.testing.assert_allclose(rotation[:, 2], z_becomes, atol=1e-12)


def test_a_lidar_is_where_the_settings_say() -> None:
    mount = mount_from_settings(lidar(x=0.1, y=0.2, z=0.3))
    np.testing.assert_array_equal(mount.position, (0.1, 0.2, 0.3))


def transform(height: float = 1.0) -> TransformStamped:
    """A level camera: the usual quaternion of an optical frame."""
    message = TransformStamped()
    message.transform.translation.z = height
    rotation = message.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = -0.5, 0.5, -0.5, 0.5
    return message


def test_a_transform_describes_the_same_mount_as_the_settings() -> None:
    mount = from_transform(transform())
    level = mount_from_settings(camera())
    np.testing.assert_allclose(mount.rotation, level.rotation, atol=1e-12)
    np.testing.assert_array_equal(mount.position, (0, 0, 1))


class FakeTf2:
    """tf2_ros with a few transforms, whose height tells which: frames, stamp (0: the latest)."""

    KNOWN: ClassVar = {
        ("base_link", "front", 0): 1.0,
        ("base_link", "front", 5 * SECOND): 2.0,
        ("robot1/base_link", "robot1/front", 0): 3.0,
        ("base_link", "robot2/front", 0): 4.0,
    }
    listeners = 0

    class TransformException(Exception):
        pass

    class Buffer:
        def lookup_transform(self, target: str, source: str, time: Time) -> TransformStamped:
            try:
                return transform(FakeTf2.KNOWN[target, source, time.nanoseconds])
            except KeyError as error:
                raise FakeTf2.TransformException(source) from error

    class TransformListener:
        def __init__(self, buffer: FakeTf2.Buffer, node: Any) -> None:
            assert isinstance(buffer, FakeTf2.Buffer)
            FakeTf2.listeners += 1


@pytest.fixture
def tf2(monkeypatch: pytest.MonkeyPatch) -> Transforms:
    monkeypatch.setitem(sys.modules, "tf2_ros", FakeTf2)
    node: Any = None
    return Transforms(node)


@pytest.fixture
def no_tf2(monkeypatch: pytest.MonkeyPatch) -> Transforms:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    node: Any = None
    return Transforms(node)


@pytest.mark.parametrize(
    ("frame", "stamp", "height"),
    [
        ("front", 5 * SECOND, 2.0),
        ("front", 6 * SECOND, 1.0),  # not known then: the latest
        ("/front", 6 * SECOND, 1.0),
        ("robot1/front", 6 * SECOND, 3.0),
        ("robot2/front", 6 * SECOND, 4.0),
        ("camera_optical", 6 * SECOND, 0.6),  # of the settings
        ("robot3/camera_optical", 6 * SECOND, 0.6),
    ],
)
def test_tf_is_preferred_where_it_knows_the_frame(
    tf2: Transforms, frame: str, stamp: int, height: float
) -> None:
    assert MountSource(tf2, camera()).mount(frame, stamp).position[2] == height


def test_all_sensors_of_a_node_share_one_listener(tf2: Transforms) -> None:
    before = FakeTf2.listeners
    for place in (camera(), lidar(), imu()):
        MountSource(tf2, place)
    assert FakeTf2.listeners == before


@pytest.mark.parametrize("frame", ["camera_optical", "robot1/camera_optical", "/camera_optical"])
def test_without_tf_the_settings_count(no_tf2: Transforms, frame: str) -> None:
    assert MountSource(no_tf2, camera()).mount(frame, 0).position[2] == 0.6


PLACES = [("camera", camera()), ("lidar", lidar()), ("imu", imu())]


@pytest.mark.parametrize(("group", "place"), PLACES, ids=["camera", "lidar", "imu"])
def test_another_frame_is_refused_with_what_to_do(
    no_tf2: Transforms, tf2: Transforms, group: str, place: Place
) -> None:
    for transforms, source in ((tf2, "on tf$"), (no_tf2, "tf2_ros is not installed here")):
        with pytest.raises(SensorError, match=source) as error:
            MountSource(transforms, place).mount("gripper_link", 0)
        said = str(error.value)
        assert "frame 'gripper_link' came" in said
        assert f"that of {place.frame_id!r}" in said
        assert f"set {group}.frame_id" in said


def test_any_frame_will_do_where_none_is_named(no_tf2: Transforms) -> None:
    place = replace(camera(), frame_id="")
    assert MountSource(no_tf2, place).mount("gripper_link", 0).position[2] == 0.6


class DrivingTf2(FakeTf2):
    """tf2_ros of a robot that drives at 1 m/s along y of `odom`, turned there by a quarter."""

    class Buffer(FakeTf2.Buffer):
        def lookup_transform(self, target: str, source: str, time: Time) -> TransformStamped:
            if (target, source) != ("odom", "base_link") or time.nanoseconds > 2 * SECOND:
                raise FakeTf2.TransformException
            message = TransformStamped()
            message.transform.translation.y = time.nanoseconds / SECOND
            message.transform.rotation.z = message.transform.rotation.w = math.sqrt(0.5)
            return message


def test_tf_tells_how_the_robot_moved_during_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf2_ros", DrivingTf2)
    transforms = Transforms(None)
    start, end = transforms.odometry((SECOND, SECOND + SECOND // 10))
    assert (start.stamp, end.stamp) == (SECOND, SECOND + SECOND // 10)
    assert (start.y, end.y) == pytest.approx((1.0, 1.1))
    assert start.yaw == pytest.approx(QUARTER)
    assert (end.speed, end.yaw_rate) == pytest.approx((1.0, 0.0))
    assert transforms.odometry((SECOND, SECOND)) == []
    assert transforms.odometry((SECOND, 3 * SECOND)) == []


def test_without_tf_nobody_tells_how_the_robot_moved(no_tf2: Transforms) -> None:
    assert no_tf2.odometry((0, SECOND)) == []
