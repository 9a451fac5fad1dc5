"""Images that camera_info announces, and what the camera is in diagnostics."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
from sensor_msgs.msg import CameraInfo

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.errors import VlamError
from vlam_ros.ros.announced import SILENCE, AnnouncedImages
from vlam_ros.ros.mount import Transforms
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import Camera

SECOND = 10**9
STAMP = 100 * SECOND


def info(fx: float = 50.0, stamp: int = STAMP, frame: str = "eye") -> CameraInfo:
    message = CameraInfo(width=64, height=48)
    message.k = [fx, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0]
    message.header.stamp, message.header.frame_id = time_message(stamp), frame
    return message


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> AnnouncedImages:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    node: Any = None
    settings = replace(FusionNodeSettings.load().camera, frame_id="eye")
    return AnnouncedImages(Transforms(node), settings, max_age=SECOND // 2)


def test_a_image_has_the_stamp_the_frame_and_the_camera_of_its_info(
    images: AnnouncedImages,
) -> None:
    assert images.state(STAMP) == "absent"
    image = images.image(info(), STAMP)
    assert (image.stamp, image.frame_id) == (STAMP, "eye")
    assert isinstance(image.camera, Camera)
    assert images.state(STAMP + SECOND // 4) == "ok, 0.25 s old"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (info(fx=0.0), "is the camera calibrated"),
        (info(frame="gripper"), r"set camera\.frame_id"),
        (info(stamp=STAMP - SECOND), "1.00 s old: are the clocks synchronised"),
        (info(stamp=STAMP + 10 * SECOND), "10.00 s ahead of the clock"),
    ],
)
def test_a_bad_info_announces_nothing(images: AnnouncedImages, bad: CameraInfo, said: str) -> None:
    with pytest.raises(VlamError, match=said):
        images.image(bad, STAMP)
    images.error = "bad"
    assert images.state(STAMP) == "unusable: bad"
    images.image(info(), STAMP)
    assert images.state(STAMP).startswith("ok")
    images.error = "bad"
    assert images.state(STAMP) == "lost: bad"


def test_a_silent_camera_is_lost(images: AnnouncedImages) -> None:
    images.image(info(), STAMP)
    assert images.state(STAMP + SILENCE + 1) == "lost: nothing comes any more"
    images.forget()
    assert images.state(STAMP) == "absent"
