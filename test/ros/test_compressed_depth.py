"""Depth as compressed_depth_image_transport packs it, and what must be refused."""

from __future__ import annotations

import array
import math
import struct

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage

from vlam_ros.errors import ImageError
from vlam_ros.ros.images import depth_from_message
from vlam_ros.ros.stamps import time_message

NOTHING = struct.pack("<iff", 0, 0.0, 0.0)
MILLIMETRES = np.array([[0, 500, 1500, 0], [0, 0, 65535, 1], [0, 0, 0, 0]], np.uint16)
METRES = np.where(MILLIMETRES > 0, MILLIMETRES / 1000, np.nan)


def message(data: bytes, how: str, encoding: str = "16UC1") -> CompressedImage:
    made = CompressedImage(format=f"{encoding}; compressedDepth{how}", data=array.array("B", data))
    made.header.stamp = time_message(12_000_000_345)
    return made


def png(values: npt.NDArray[np.generic]) -> bytes:
    return bytes(cv2.imencode(".png", values)[1].tobytes())


def rvl(values: npt.NDArray[np.uint16]) -> bytes:
    """By the paper: runs of zeros and of differences, all in nibbles of three bits and one more."""
    nibbles: list[int] = []

    def put(value: int) -> None:
        while value > 7:
            nibbles.append(value & 7 | 8)
            value >>= 3
        nibbles.append(value)

    flat, at, before = values.ravel().tolist(), 0, 0
    while at < len(flat):
        for is_zero in (True, False):
            end = at
            while end < len(flat) and (flat[end] == 0) == is_zero:
                end += 1
            put(end - at)
            for value in flat[at:end] if not is_zero else ():
                difference, before = value - before, value
                put(2 * difference if difference >= 0 else -2 * difference - 1)
            at = end
    nibbles += [0] * (-len(nibbles) % 8)
    words = np.array(nibbles, np.uint32).reshape(-1, 8) << np.arange(28, -1, -4, dtype=np.uint32)
    size = struct.pack("<II", values.shape[1], values.shape[0])
    return bytes(size + words.sum(axis=1).astype("<u4").tobytes())


@pytest.mark.parametrize(
    ("data", "how"),
    [
        (NOTHING + png(MILLIMETRES), " png"),
        (NOTHING + png(MILLIMETRES), ""),  # of older publishers
        (NOTHING + rvl(MILLIMETRES), " rvl"),
        (png(MILLIMETRES), " png"),
    ],
)
def test_millimetres_come_back_with_nan_for_no_return(data: bytes, how: str) -> None:
    got = depth_from_message(message(data, how))
    assert (got.stamp, got.depth.dtype) == (12_000_000_345, np.dtype("f4"))
    np.testing.assert_allclose(got.depth, METRES, rtol=1e-6)


def test_the_format_of_the_oldest_and_of_plain_png_is_known() -> None:
    for name in ("16UC1", "16UC1; png compressed "):
        made = CompressedImage(format=name, data=array.array("B", NOTHING + png(MILLIMETRES)))
        np.testing.assert_allclose(depth_from_message(made).depth, METRES, rtol=1e-6)


@pytest.mark.parametrize("how", [" png", " rvl"])
def test_metres_come_back_as_near_as_they_were_quantised(how: str) -> None:
    """The quantum grows with the square of the depth; the publisher's own formula and defaults."""
    step, farthest = 100.0, 10.0
    a = step * (step + 1)
    b = 1 - a / farthest
    metres = np.linspace(0.3, 9.9, 48).reshape(6, 8)
    coded = (a / metres + b).astype(np.uint16)
    coded[2, 3] = 0
    packed = struct.pack("<iff", 0, a, b) + (png(coded) if how == " png" else rvl(coded))
    got = depth_from_message(message(packed, how, "32FC1")).depth
    assert math.isnan(got[2, 3])
    metres[2, 3] = math.nan
    np.testing.assert_array_less(np.abs(got - metres)[np.isfinite(metres)],
                                 (1.01 * metres**2 / a + 1e-5)[np.isfinite(metres)])  # fmt: skip
    assert np.isfinite(got).sum() == 47


@given(
    st.lists(st.sampled_from([0, 0, 0, 1, 7, 8, 900, 901, 65535]), min_size=1, max_size=60),
    st.integers(1, 4),
)
def test_every_run_of_values_survives(values: list[int], width: int) -> None:
    rows = -(-len(values) // width)
    image = np.resize(np.array(values, np.uint16), (rows, width))
    got = depth_from_message(message(NOTHING + rvl(image), " rvl")).depth
    expected = np.where(image > 0, image * np.float32(0.001), np.nan)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


NOISE = np.random.default_rng(0).integers(0, 9000, (48, 64)).astype(np.uint16)


@pytest.mark.parametrize("how", [" png", " rvl"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_depth_that_is_cut_off_is_refused(how: str, share: float) -> None:
    data = NOTHING + (png(NOISE) if how == " png" else rvl(NOISE))
    with pytest.raises(ImageError, match="whole PNG or RVL"):
        depth_from_message(message(data[: int(share * len(data))], how))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (message(NOTHING + png(NOISE.astype(np.uint8)), " png"), "of 16 bits"),
        (message(NOTHING + png(np.zeros((4, 4, 3), np.uint16)), " png"), "of 16 bits"),
        (message(NOTHING + b"\xff" * 100, " rvl"), "cannot be decoded"),
        (message(NOTHING + struct.pack("<II", 0, 4) + bytes(8), " rvl"), "cannot be decoded"),
        (message(NOTHING + struct.pack("<II", 1 << 30, 1 << 30) + bytes(8), " rvl"), "cannot"),
        (message(NOTHING + png(NOISE), " png", "32FC1"), "how it was quantised"),
        (message(NOTHING + png(NOISE), " png", "8UC1"), "publish one of 32FC1, 16UC1"),
        (CompressedImage(format="jpeg"), "depth encoding 'jpeg' is not supported"),
    ],
)
def test_what_is_no_depth_is_refused(made: CompressedImage, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        depth_from_message(made)
