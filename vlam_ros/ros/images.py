"""Images: sensor_msgs Image and CompressedImage to arrays.

cv_bridge is not used, not even where it is installed: it copies where a view does, on Ubuntu it
binds the process to NumPy 1, and it checks no more than is checked here.
"""

from __future__ import annotations

import array
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ImageError
from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.types import DepthImage, Uint8Array

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage, Image

# Encoding -> channels, and OpenCV's conversion to RGB.
_COLOURS: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
}

# Encoding -> sample type, and metres per unit (REP-118).
_DEPTHS = {"32FC1": ("f4", 1.0), "16UC1": ("u2", 0.001)}

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


def image_from_message(message: Image | CompressedImage) -> Uint8Array:
    """The image as uint8[H,W,3] RGB: a view of the message for rgb8, otherwise a copy.

    Raises:
        ImageError: unknown encoding, zero size, wrong step, short data, or undecodable.
    """
    if not hasattr(message, "encoding"):
        return _decode(message)
    if message.encoding not in _COLOURS:
        raise ImageError(
            f"image encoding {message.encoding!r} is not supported: "
            f"publish one of {', '.join(_COLOURS)}"
        )
    channels, conversion = _COLOURS[message.encoding]
    # Samples of one byte have no byte order: is_bigendian does not matter.
    rows = _rows(message, channels)
    pixels = rows.reshape(message.height, message.width, channels)
    if conversion is None:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)


def depth_from_message(message: Image) -> DepthImage:
    """A 32FC1 (metres) or 16UC1 (millimetres) image as float32[H,W] metres, NaN for no return.

    Raises:
        ImageError: unknown encoding, zero size, wrong step or short data.
    """
    if message.encoding not in _DEPTHS:
        raise ImageError(
            f"depth encoding {message.encoding!r} is not supported: "
            f"publish one of {', '.join(_DEPTHS)}"
        )
    sample, unit = _DEPTHS[message.encoding]
    dtype = np.dtype((">" if message.is_bigendian else "<") + sample)
    depth = _rows(message, dtype.itemsize).view(dtype) * np.float32(unit)
    # REP-118: 0 and NaN mean no return, infinities mean too close or too far to be measured.
    valid = np.isfinite(depth) & (depth > 0)
    metres = np.where(valid, depth, np.nan).astype(np.float32)
    return DepthImage(nanoseconds(message.header.stamp), metres)


def _rows(message: Image, pixel_size: int) -> npt.NDArray[np.uint8]:
    """A view of the data as uint8[height, width * pixel_size], without the padding of the rows."""
    size = f"{message.width}x{message.height} {message.encoding}"
    if message.width == 0 or message.height == 0:
        raise ImageError(f"image has no pixels: {size}")
    row = message.width * pixel_size
    if message.step < row:
        raise ImageError(f"step of a {size} image must be at least {row} bytes, got {message.step}")
    expected = message.step * message.height
    if len(message.data) != expected:
        raise ImageError(
            f"data of a {size} image with step {message.step} must have {expected} bytes, "
            f"got {len(message.data)}: is the message cut off?"
        )
    data = np.frombuffer(message.data, np.uint8)
    return data.reshape(message.height, message.step)[:, :row]


def _decode(message: CompressedImage) -> Uint8Array:
    data = bytes(message.data)
    # OpenCV 4 fills the missing part of a truncated JPEG with grey and says nothing to the caller.
    truncated = data.startswith(_JPEG_START) and _JPEG_END not in data[-64:]
    # Orientation tags are for photographs; camera_info describes the image as it was taken.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data and not truncated else None
    if image is None:
        raise ImageError(
            f"compressed image of format {message.format!r} with {len(data)} bytes cannot be "
            "decoded: it must be a whole JPEG or PNG"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def image_to_message(image: Uint8Array, stamp: int, frame_id: str) -> Image:
    """uint8[H,W,3] RGB as an rgb8 message; `stamp` in nanoseconds."""
    return _message(image, "rgb8", stamp, frame_id)


def depth_to_message(depth: DepthImage, frame_id: str) -> Image:
    """Depth in metres as a 32FC1 message, NaN where nothing is known (REP-118)."""
    return _message(np.ascontiguousarray(depth.depth, "<f4"), "32FC1", depth.stamp, frame_id)


def _message(image: npt.NDArray[Any], encoding: str, stamp: int, frame_id: str) -> Image:
    from sensor_msgs.msg import Image

    height, width = image.shape[:2]
    message = Image(height=height, width=width, encoding=encoding)
    message.header.stamp, message.header.frame_id = time_message(stamp), frame_id
    message.step = image.nbytes // height
    # The setter looks at every byte of anything but an array.array.
    message.data = array.array("B", image.tobytes())
    return message
