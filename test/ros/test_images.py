"""Images from and to messages: every encoding, padding, byte order, and what must be refused."""

from __future__ import annotations

import array

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image

from vlam_ros.errors import ImageError
from vlam_ros.ros.images import (
    depth_from_message,
    depth_to_message,
    image_from_message,
    image_to_message,
)
from vlam_ros.types import DepthImage

RED, BLUE = (200, 10, 30), (5, 60, 250)
IMAGE = np.array([[RED, BLUE, RED], [BLUE, BLUE, RED]], np.uint8)


def message(
    pixels: npt.NDArray[np.generic], encoding: str, padding: int = 0, big_endian: bool = False
) -> Image:
    """An Image of [H,W] or [H,W,C] samples with `padding` bytes of 0xEE after each row."""
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1).view(np.uint8)
    filler = np.full((height, padding), 0xEE, np.uint8)
    data = array.array("B", np.hstack([rows, filler]).tobytes())
    step = rows.shape[1] + padding
    made = Image(height=height, width=width, encoding=encoding, step=step, data=data)
    made.is_bigendian = int(big_endian)
    return made


def encoded(encoding: str) -> npt.NDArray[np.uint8]:
    alpha = np.full((2, 3, 1), 77, np.uint8)
    return {
        "rgb8": IMAGE,
        "bgr8": IMAGE[..., ::-1],
        "rgba8": np.concatenate([IMAGE, alpha], axis=2),
        "bgra8": np.concatenate([IMAGE[..., ::-1], alpha], axis=2),
    }[encoding]


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 7])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8"])
def test_colours_arrive_as_rgb(encoding: str, padding: int, big_endian: bool) -> None:
    image = image_from_message(message(encoded(encoding), encoding, padding, big_endian))
    np.testing.assert_array_equal(image, IMAGE)


def test_grey_has_three_equal_channels() -> None:
    grey = np.array([[0, 128], [255, 3]], np.uint8)
    image = image_from_message(message(grey, "mono8", padding=2))
    np.testing.assert_array_equal(image, np.stack([grey] * 3, axis=2))


def test_rgb8_is_a_view_of_the_message() -> None:
    received = message(IMAGE, "rgb8", padding=4)
    assert np.shares_memory(image_from_message(received), np.frombuffer(received.data, np.uint8))


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    padding=st.integers(0, 5),
    seed=st.integers(0, 2**16),
)
def test_a_padded_bgr_image_survives_whatever_its_size(
    height: int, width: int, padding: int, seed: int
) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    image = image_from_message(message(frame[..., ::-1], "bgr8", padding))
    np.testing.assert_array_equal(image, frame)


def test_message_and_back_is_the_same_image_with_its_stamp() -> None:
    made = image_to_message(IMAGE, 12_000_000_345, "camera_optical")
    assert (made.header.stamp.sec, made.header.stamp.nanosec) == (12, 345)
    assert (made.header.frame_id, made.encoding, made.step) == ("camera_optical", "rgb8", 9)
    np.testing.assert_array_equal(image_from_message(made), IMAGE)


def broken(**changes: object) -> Image:
    made = message(IMAGE, "rgb8")
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (broken(encoding="8UC3"), "encoding '8UC3' is not supported: publish one of rgb8"),
        (broken(encoding=""), "encoding '' is not supported"),
        (broken(step=8), "step of a 3x2 rgb8 image must be at least 9 bytes, got 8"),
        (broken(step=0), "at least 9 bytes, got 0"),
        (broken(data=array.array("B", bytes(17))), "must have 18 bytes, got 17"),
        (broken(data=array.array("B")), "must have 18 bytes, got 0"),
        (broken(data=array.array("B", bytes(19))), "must have 18 bytes, got 19"),
        (broken(height=0, data=array.array("B")), "no pixels: 3x0 rgb8"),
        (broken(width=0), "no pixels: 0x2 rgb8"),
        (Image(), "encoding ''"),
    ],
)
def test_an_unusable_image_is_refused_with_what_was_expected(bad: Image, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        image_from_message(bad)


def compressed(suffix: str, image: npt.NDArray[np.uint8]) -> CompressedImage:
    data = cv2.imencode(suffix, image[..., ::-1])[1].tobytes()
    return CompressedImage(format=suffix[1:], data=array.array("B", data))


def test_png_is_decoded_exactly() -> None:
    np.testing.assert_array_equal(image_from_message(compressed(".png", IMAGE)), IMAGE)


def test_jpeg_is_decoded_as_rgb() -> None:
    frame = np.full((16, 16, 3), RED, np.uint8)
    image = image_from_message(compressed(".jpg", frame))
    assert np.abs(image.astype(int) - frame).max() <= 4


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_truncated_compressed_image_is_refused(suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = compressed(suffix, noise)
    whole.data = whole.data[: int(share * len(whole.data))]
    with pytest.raises(ImageError, match="must be a whole JPEG or PNG"):
        image_from_message(whole)


@pytest.mark.parametrize(
    "padding", [b"", bytes(60), bytes(4096), b"\xff" * 512, b"\x00\xffrest of an older frame" * 9]
)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_what_a_camera_leaves_behind_a_whole_image_does_not_matter(
    suffix: str, padding: bytes
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = compressed(suffix, noise)
    expected = image_from_message(whole)
    whole.data = array.array("B", bytes(whole.data) + padding)
    np.testing.assert_array_equal(image_from_message(whole), expected)


@pytest.mark.parametrize(
    "option",
    [cv2.IMWRITE_JPEG_PROGRESSIVE, cv2.IMWRITE_JPEG_RST_INTERVAL],
    ids=["scans", "restarts"],
)
def test_a_jpeg_of_many_scans_or_restarts_is_whole_at_its_end_only(option: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = cv2.imencode(".jpg", noise, [option, 1])[1].tobytes()
    made = CompressedImage(format="jpeg", data=array.array("B", data + bytes(100)))
    assert image_from_message(made).shape == (64, 64, 3)
    made.data = array.array("B", data[:-40] + bytes(100))
    with pytest.raises(ImageError, match="must be a whole JPEG"):
        image_from_message(made)


def test_the_end_of_a_preview_is_not_the_end_of_a_jpeg() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    preview = cv2.imencode(".jpg", noise[:8, :8])[1].tobytes()
    head = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    made = CompressedImage(format="jpeg", data=array.array("B", data[:2] + head + data[2:]))
    assert image_from_message(made).shape == (64, 64, 3)
    made.data = array.array("B", data[:2] + head + data[2:500] + bytes(100))
    with pytest.raises(ImageError, match="must be a whole JPEG"):
        image_from_message(made)


def test_bytes_that_are_no_image_are_refused() -> None:
    junk = CompressedImage(format="jpeg", data=array.array("B", b"not an image"))
    with pytest.raises(ImageError, match="with 12 bytes cannot be decoded"):
        image_from_message(junk)


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("big_endian", [False, True])
def test_depth_is_metres_with_nan_for_no_return(big_endian: bool, padding: int) -> None:
    order = ">" if big_endian else "<"
    metres = np.array([[1.5, 0.0, np.inf], [np.nan, -1.0, 4.25]]).astype(order + "f4")
    millimetres = np.array([[1500, 0, 0], [0, 0, 4250]]).astype(order + "u2")
    expected = np.array([[1.5, np.nan, np.nan], [np.nan, np.nan, 4.25]], np.float32)
    for samples, encoding in (
        (metres, "32FC1"), (millimetres, "16UC1"), (millimetres, "mono16"),
    ):  # fmt: skip
        received = message(samples, encoding, padding, big_endian)
        received.header.stamp.nanosec = 7
        depth = depth_from_message(received)
        assert (depth.stamp, depth.depth.dtype) == (7, np.dtype("f4"))
        np.testing.assert_allclose(depth.depth, expected, rtol=1e-6)


def test_depth_and_back_is_the_same_with_nan_for_unknown() -> None:
    metres = np.array([[1.5, np.nan, 0.25], [np.nan, 4.25, 100.0]], np.float32)
    made = depth_to_message(DepthImage(12_000_000_345, metres), "camera_optical")
    assert (made.header.stamp.sec, made.header.stamp.nanosec) == (12, 345)
    assert (made.header.frame_id, made.encoding, made.step) == ("camera_optical", "32FC1", 12)
    depth = depth_from_message(made)
    assert depth.stamp == 12_000_000_345
    np.testing.assert_array_equal(depth.depth, metres)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"encoding": "mono8"}, "publish one of 32FC1, 16UC1"),
        ({"step": 11}, "at least 12 bytes, got 11"),
        ({"data": array.array("B", bytes(23))}, "must have 24 bytes, got 23"),
    ],
)
def test_unusable_depth_is_refused(changes: dict[str, object], said: str) -> None:
    received = message(np.ones((2, 3), np.float32), "32FC1")
    for name, value in changes.items():
        setattr(received, name, value)
    with pytest.raises(ImageError, match=said):
        depth_from_message(received)
