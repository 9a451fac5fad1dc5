"""Cameras of camera_info: lens models, rectified images, binning and regions of interest."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, RegionOfInterest

from vlam_ros.configuration import CameraSettings, FusionNodeSettings
from vlam_ros.errors import ImageError, SensorError
from vlam_ros.ros.camera_info import CameraSource, camera_from_message
from vlam_ros.ros.mount import Mount, Transforms
from vlam_ros.types import optical_rotation

AHEAD = Mount(optical_rotation(0.2, 0.1), np.array([0.1, 0.0, 0.6]))
RADIAL = (-0.2, 0.05, 0.001, -0.002)


def camera_info(d: Sequence[float] = (), model: str = "plumb_bob", fx: float = 300.0) -> CameraInfo:
    info = CameraInfo(width=640, height=480, distortion_model=model, d=list(d))
    info.k = [fx, 0.0, 321.5, 0.0, 310.0, 238.25, 0.0, 0.0, 1.0]
    info.r = list(np.eye(3).ravel())
    info.p = [280.0, 0.0, 310.0, 0.0, 0.0, 290.0, 245.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.header.frame_id = "front_optical"
    return info


def test_a_camera_has_the_intrinsics_of_the_message_and_the_pose_of_the_mount() -> None:
    camera = camera_from_message(camera_info((*RADIAL, 0.01)), AHEAD)
    assert (camera.width, camera.height, camera.frame_id) == (640, 480, "front_optical")
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (300.0, 310.0, 321.5, 238.25)
    assert camera.distortion == (*RADIAL, 0.01)
    np.testing.assert_array_equal(camera.position, (0.1, 0.0, 0.6))
    np.testing.assert_array_equal(camera.rotation, AHEAD.rotation)


@pytest.mark.parametrize(
    ("model", "sent", "known", "used"),
    [
        ("plumb_bob", (*RADIAL, 0.01), "plumb_bob", (*RADIAL, 0.01)),
        ("plumb_bob", RADIAL, "plumb_bob", (*RADIAL, 0.0)),
        ("rational_polynomial", (*RADIAL, 0.1, 0.2, 0.3, 0.4), "rational_polynomial", None),
        ("equidistant", (0.1, 0.0, 0.01, 0.0), "equidistant", None),
        ("fisheye", (0.1, 0.0, 0.01, 0.0), "equidistant", None),
        ("equidistant", (0.1, 0.0, 0.0, 0.0, 0.0), "equidistant", (0.1, 0.0, 0.0, 0.0)),
        ("plumb_bob", (*RADIAL, 0.01, 0.0, 0.0, 0.0), "plumb_bob", (*RADIAL, 0.01)),
        (
            "rational_polynomial",
            (*RADIAL, *(0.1,) * 4, 0.0),
            "rational_polynomial",
            (*RADIAL, *(0.1,) * 4),
        ),
        ("", (), "plumb_bob", ()),
        ("", (0.0,) * 5, "plumb_bob", ()),
        ("plumb_bob", (0.0,) * 5, "plumb_bob", ()),
        ("rational_polynomial", (0.0,) * 8, "plumb_bob", ()),
        ("equidistant", (0.0,) * 4, "plumb_bob", ()),
    ],
)
def test_every_lens_model_is_known_and_zeros_are_none(
    model: str, sent: tuple[float, ...], known: str, used: tuple[float, ...] | None
) -> None:
    camera = camera_from_message(camera_info(sent, model), AHEAD)
    assert camera.distortion_model == known
    assert camera.distortion == (sent if used is None else used)


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (camera_info(fx=0.0), "fx=0.*is the camera calibrated"),
        (camera_info(fx=math.nan), "must be finite"),
        (camera_info((0.1,) * 5, "thin_prism"), "distortion model 'thin_prism', known are"),
        (camera_info((0.1,) * 5, ""), "distortion model ''"),
        (camera_info((0.1,) * 3), "plumb_bob has 5 coefficients, got 3"),
        (camera_info((0.1, 0.0, 0.0)), "plumb_bob has 5 coefficients, got 3"),
        (camera_info((0.1,) * 5, "fisheye"), "equidistant has 4 coefficients, got 5"),
        (CameraInfo(), "size must be positive"),
    ],
)
def test_a_camera_that_is_not_described_is_refused(info: CameraInfo, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        camera_from_message(info, AHEAD)


# ------------------------------------------------------------------------------ rectified


def rectifying(roll: float = 0.02, yaw: float = -0.03) -> np.ndarray:
    return np.asarray(cv2.Rodrigues(np.array([0.01, yaw, roll]))[0])


def test_a_rectified_image_is_seen_with_p_and_without_distortion() -> None:
    camera = camera_from_message(camera_info((*RADIAL, 0.01)), AHEAD, rectified=True)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (280.0, 290.0, 310.0, 245.0)
    assert camera.distortion == ()


def test_a_point_is_where_rectifying_the_raw_image_puts_it() -> None:
    info = camera_info((*RADIAL, 0.01))
    info.r = list(rectifying().ravel())
    raw = camera_from_message(info, AHEAD)
    rectified = camera_from_message(info, AHEAD, rectified=True)
    points = np.array([[3.0, 0.4, 0.5], [2.5, -0.6, 0.2], [4.0, 0.0, 0.0]])
    seen, _ = raw.project(points)
    k, p = np.array(info.k).reshape(3, 3), np.array(info.p).reshape(3, 4)
    expected = cv2.undistortPoints(
        seen[:, None], k, np.array(info.d), R=rectifying(), P=p[:, :3],
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12),
    )  # fmt: skip
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(rectified.project(points)[0], expected[:, 0], atol=1e-6)


def test_an_r_that_nobody_filled_in_turns_nothing_and_one_that_is_no_rotation_is_refused() -> None:
    info = camera_info()
    info.r = [0.0] * 9
    camera = camera_from_message(info, AHEAD, rectified=True)
    np.testing.assert_array_equal(camera.rotation, AHEAD.rotation)
    info.r = [2.0, *info.r[1:]]
    with pytest.raises(ImageError, match="R of camera_info must be a rotation"):
        camera_from_message(info, AHEAD, rectified=True)


def test_an_uncalibrated_p_is_refused() -> None:
    info = camera_info()
    info.p = [0.0] * 12
    with pytest.raises(ImageError, match="is the camera calibrated"):
        camera_from_message(info, AHEAD, rectified=True)


# ------------------------------------------------------------------------------ binning, roi


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize(("binning_x", "binning_y"), [(0, 0), (1, 1), (2, 2), (4, 1)])
@pytest.mark.parametrize("roi", [(0, 0, 0, 0), (0, 0, 640, 480), (100, 60, 400, 300)])
def test_a_point_is_where_cropping_and_binning_the_full_image_puts_it(
    roi: tuple[int, int, int, int], binning_x: int, binning_y: int, rectified: bool
) -> None:
    info = camera_info((*RADIAL, 0.01))
    full = camera_from_message(info, AHEAD, rectified)
    left, top, width, height = roi
    info.roi = RegionOfInterest(x_offset=left, y_offset=top, width=width, height=height)
    info.binning_x, info.binning_y = binning_x, binning_y
    camera = camera_from_message(info, AHEAD, rectified)
    across, down = max(1, binning_x), max(1, binning_y)
    size = ((width or 640) // across, (height or 480) // down)
    assert (camera.width, camera.height) == size

    points = np.random.default_rng(0).uniform((2, -3, -1), (6, 3, 3), (400, 3))
    pixels, _ = full.project(points)
    # Edges of pixels are at halves: cropping and binning move and scale edges.
    edges = (pixels + 0.5 - (left, top)) / (across, down)
    inside = ((edges >= 0) & (edges < size)).all(axis=1)
    assert inside.sum() > 30
    got, _ = camera.project(points)
    np.testing.assert_allclose(got[inside], edges[inside] - 0.5, atol=1e-6)
    assert np.isnan(got[~inside]).all()


def test_a_region_outside_of_the_image_is_refused() -> None:
    info = camera_info()
    info.roi = RegionOfInterest(x_offset=300, y_offset=0, width=400, height=480)
    with pytest.raises(ImageError, match=r"400x480 at 300, 0.*640x480"):
        camera_from_message(info, AHEAD)


# ------------------------------------------------------------------------------ source


@pytest.fixture
def transforms(monkeypatch: pytest.MonkeyPatch) -> Transforms:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    node: Any = None
    return Transforms(node)


def settings(**changes: Any) -> CameraSettings:
    return replace(FusionNodeSettings.load().camera, frame_id="front_optical", **changes)


def test_a_camera_is_made_anew_only_when_something_changes(transforms: Transforms) -> None:
    source = CameraSource(transforms, settings())
    first = source(camera_info(RADIAL))
    later = camera_info(RADIAL)
    later.header.stamp.sec = 5
    assert source(later) is first
    assert source(camera_info(RADIAL, fx=301.0)).fx == 301.0


def test_the_source_knows_whether_images_are_rectified(transforms: Transforms) -> None:
    for rectified, fx in ((False, 300.0), (True, 280.0)):
        source = CameraSource(transforms, settings(rectified=rectified))
        assert source(camera_info()).fx == fx


def test_the_camera_of_another_frame_is_refused(transforms: Transforms) -> None:
    source = CameraSource(transforms, settings())
    info = camera_info()
    info.header.frame_id = "rear_optical"
    with pytest.raises(SensorError, match=r"set camera\.frame_id"):
        source(info)
