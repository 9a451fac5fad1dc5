"""Mounts from a bag's transforms, as parameters."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from replayed import BAGS, SETTINGS, contents, written

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay import mounts
from vlam_ros.lab.replay.mounts import with_mounts
from vlam_ros.lab.replay.roles import assign
from vlam_ros.ros.mount import Mount, mount_from_settings
from vlam_ros.ros.rotations import rotation_from_angles
from vlam_ros.types import optical_rotation


def found(path: Path) -> tuple[Settings, FusionNodeSettings, tuple[str, ...]]:
    notes = Notes()
    with BagReader(path) as bag:
        settings, fusion = with_mounts(bag, assign(bag.topics, {}), *SETTINGS, notes)
    return settings, fusion, notes.lines


def test_transforms_of_a_bag_become_the_parameters_of_both_nodes() -> None:
    """The robot of this bag has its camera and LiDAR elsewhere than the defaults say."""
    settings, fusion, notes = found(BAGS / "pick_and_place")
    camera = settings.camera
    assert (camera.frame_id, camera.rectified) == ("camera_color_optical_frame", False)
    place = camera.x, camera.y, camera.height, camera.tilt, camera.yaw
    assert place == pytest.approx((0.05, 0.0, 0.70, 0.55, 0.0), abs=1e-9)
    assert fusion.camera == camera
    assert (fusion.lidar.x, fusion.lidar.y, fusion.lidar.z) == (0.06, 0.0, 0.52)
    assert fusion.lidar.frame_id == "lidar_top"
    assert fusion.lidar.max_range == SETTINGS[1].lidar.max_range
    assert fusion.imu == SETTINGS[1].imu
    assert notes == ("tf2 is not installed: parameters say where camera, imu, lidar sit",)


def test_a_bag_without_transforms_leaves_the_parameters_as_they_are() -> None:
    assert found(BAGS / "level") == (*SETTINGS, ())


def test_sensors_that_transforms_do_not_tell_of_stay_where_they_are(tmp_path: Path) -> None:
    """No camera in tf_static, as its frame is another one."""
    frame = b"camera_color_optical_frame", b"camera_color_0ptical_frame"
    messages = [
        m._replace(data=m.data.replace(*frame)) if m.topic == "/tf_static" else m
        for m in contents(BAGS / "pick_and_place")
    ]
    settings, fusion, _ = found(written(tmp_path / "bag", messages))
    assert settings == SETTINGS[0]
    assert fusion.lidar.z == 0.52


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.3, -0.2, 2.0), (3.1, 0.1, -3.0)])
def test_angles_of_a_mount_give_the_mount_again(angles: tuple[float, float, float]) -> None:
    mount = Mount(rotation_from_angles(*angles), np.array([0.1, -0.2, 0.4]))
    place = mounts._place(mount)
    again = rotation_from_angles(place["roll"], place["pitch"], place["yaw"])
    np.testing.assert_allclose(again, mount.rotation, atol=1e-12)


@pytest.mark.parametrize(("tilt", "yaw"), [(0.0, 0.0), (0.45, 0.0), (-0.3, 1.2), (1.2, -2.9)])
def test_tilt_and_yaw_of_a_camera_give_its_mount_again(tilt: float, yaw: float) -> None:
    mount = Mount(optical_rotation(tilt, yaw), np.array([0.1, -0.2, 0.6]))
    notes = Notes()
    place = mounts._place_of_camera(mount, notes)
    again = mount_from_settings(type(SETTINGS[0].camera)(frame_id="", rectified=False, **place))
    np.testing.assert_allclose(again.rotation, mount.rotation, atol=1e-12)
    np.testing.assert_allclose(again.position, mount.position)
    assert notes.lines == ()


def test_a_rolled_camera_is_told_of() -> None:
    notes = Notes()
    mount = Mount(optical_rotation(0.4, 0.1, roll=math.radians(3)), np.zeros(3))
    place = mounts._place_of_camera(mount, notes)
    assert place["tilt"] == pytest.approx(0.4)
    assert notes.lines == (
        "the camera is rolled, which parameters cannot say: it is taken to be level",
    )
