"""Images: sensor_msgs Image and CompressedImage to arrays.

Pixels are what cv_bridge makes of them, which is not used, not even where it is installed: its
Python shifts rows whose padding is no whole number of pixels, its byte swap fails with NumPy 2, and
on Ubuntu it binds the process to NumPy 1.
"""

from __future__ import annotations

import array
import math
import re
import struct
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ImageError
from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.types import DepthImage, Uint8Array

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage, Image

# Encoding -> sample type, channels, and OpenCV's conversion to RGB, before 16 bits become 8.
# ROS names a Bayer pattern by its first four pixels, OpenCV by those one down and to the right.
_PIXELS: dict[str, tuple[str, int, int | None]] = {
    "rgb8": ("u1", 3, None),
    "bgr8": ("u1", 3, cv2.COLOR_BGR2RGB),
    "rgba8": ("u1", 4, cv2.COLOR_RGBA2RGB),
    "bgra8": ("u1", 4, cv2.COLOR_BGRA2RGB),
    "mono8": ("u1", 1, cv2.COLOR_GRAY2RGB),
    "rgb16": ("u2", 3, None),
    "bgr16": ("u2", 3, cv2.COLOR_BGR2RGB),
    "rgba16": ("u2", 4, cv2.COLOR_RGBA2RGB),
    "bgra16": ("u2", 4, cv2.COLOR_BGRA2RGB),
    "mono16": ("u2", 1, cv2.COLOR_GRAY2RGB),
    **{
        f"bayer_{pattern}{bits}": (sample, 1, conversion)
        for bits, sample in ((8, "u1"), (16, "u2"))
        for pattern, conversion in (
            ("rggb", cv2.COLOR_BayerBG2RGB),
            ("bggr", cv2.COLOR_BayerRG2RGB),
            ("gbrg", cv2.COLOR_BayerGR2RGB),
            ("grbg", cv2.COLOR_BayerGB2RGB),
        )
    },
    **dict.fromkeys(("uyvy", "yuv422"), ("u1", 2, cv2.COLOR_YUV2RGB_UYVY)),
    **dict.fromkeys(("yuyv", "yuv422_yuy2"), ("u1", 2, cv2.COLOR_YUV2RGB_YUY2)),
}
# Encoding -> rows of all planes for two of the image, and OpenCV's conversion to RGB.
_PLANES = {
    "nv12": (3, cv2.COLOR_YUV2RGB_NV12),
    "nv21": (3, cv2.COLOR_YUV2RGB_NV21),
    "nv24": (6, cv2.COLOR_YUV2RGB_NV12),
}

# Encoding -> sample type, and metres per unit (REP-118); depth_image_proc takes mono16 as well.
_DEPTHS = {"32FC1": ("f4", 1.0), "16UC1": ("u2", 0.001), "mono16": ("u2", 0.001)}

_JPEG_START, _JPEG_END, _PNG_START = b"\xff\xd8", b"\xd9", b"\x89PNG"
# Of a segment; inside of coded data 0xFF is followed by 0 or by the number of a restart (T.81 B.1).
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
_DEPTH_HEADER = struct.Struct("<iff")
"""Of compressed_depth_image_transport: a number without use, and how depth was quantised."""
_MAX_PIXELS = 2**26


def image_from_message(message: Image | CompressedImage) -> Uint8Array:
    """The image as uint8[H,W,3] RGB: a view of the message for rgb8, otherwise a copy.

    Raises:
        ImageError: unknown encoding, zero size, wrong step, short data, or undecodable.
    """
    if not hasattr(message, "encoding"):
        return _decode(message)
    if message.encoding in _PLANES:
        return _from_planes(message)
    if message.encoding not in _PIXELS:
        raise ImageError(
            f"image encoding {message.encoding!r} is not supported: "
            f"publish one of {', '.join((*_PIXELS, *_PLANES))}"
        )
    sample, channels, _ = _PIXELS[message.encoding]
    rows = _rows(message, channels * int(sample[1]))
    pixels = rows.view(_sample_type(message, sample))
    return _rgb(pixels.reshape(message.height, message.width, channels), message.encoding)


def _rgb(pixels: npt.NDArray[Any], encoding: str) -> Uint8Array:
    """Pixels [H,W,C] of an encoding of `_PIXELS` as RGB."""
    sample, _, conversion = _PIXELS[encoding]
    if sample == "u2":
        pixels = pixels.astype(np.uint16)
    if conversion is not None:
        pixels = _converted(pixels, conversion, encoding)
    if sample == "u2":
        pixels = (pixels.astype(np.uint32) + 128) // 257  # as cv_bridge: 65535 is 255, rounded
    return np.asarray(pixels, np.uint8)


def _converted(pixels: npt.NDArray[Any], conversion: int, encoding: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(cv2.cvtColor(pixels, conversion))
    except cv2.error as error:
        height, width = pixels.shape[:2]
        raise ImageError(f"{width}x{height} pixels cannot be {encoding}: {error.err}") from error


def _from_planes(message: Image) -> Uint8Array:
    """RGB of a plane of brightness, and one of both colours beside each other: for each two by two
    pixels, or for each single one (nv24). Some drivers give the bytes of a pixel for `step`.
    """
    height, width = message.height, message.width
    per_two, conversion = _PLANES[message.encoding]
    if per_two == 3 and (height % 2 or width % 2):
        raise ImageError(f"width and height of {message.encoding} are even, got {width}x{height}")
    rows = height * per_two // 2
    step = width if len(message.data) == width * rows else message.step
    planes = _rows(message, 1, rows, step)
    if per_two == 6:
        # OpenCV reads no nv24: as nv12 of twice the size, each of whose colours is for one pixel.
        data = np.frombuffer(message.data, np.uint8)[height * step :]
        colours = data.reshape(height, 2 * step)[:, : 2 * width]
        bright = planes[:height].repeat(2, axis=0).repeat(2, axis=1)
        doubled = _converted(np.concatenate([bright, colours]), conversion, message.encoding)
        return np.ascontiguousarray(doubled[::2, ::2])
    return np.asarray(_converted(planes, conversion, message.encoding), np.uint8)


def depth_from_message(message: Image | CompressedImage) -> DepthImage:
    """A 32FC1 (metres) or 16UC1 or mono16 (millimetres) image as float32[H,W] metres, NaN for no
    return; also as compressed_depth_image_transport packs it (PNG, RVL), or as a plain PNG.

    Raises:
        ImageError: unknown encoding, zero size, wrong step, short data, or undecodable.
    """
    packed = not hasattr(message, "encoding")
    encoding = message.format.partition(";")[0].strip() if packed else message.encoding
    if encoding not in _DEPTHS:
        raise ImageError(
            f"depth encoding {encoding!r} is not supported: publish one of {', '.join(_DEPTHS)}"
        )
    sample, unit = _DEPTHS[encoding]
    if packed:
        depth = _unpacked(message, encoding)
    else:
        rows = _rows(message, int(sample[1]))
        depth = rows.view(_sample_type(message, sample)) * np.float32(unit)
    # REP-118: 0 and NaN mean no return, infinities mean too close or too far to be measured.
    valid = np.isfinite(depth) & (depth > 0)
    metres = np.where(valid, depth, np.nan).astype(np.float32)
    return DepthImage(nanoseconds(message.header.stamp), metres)


def _unpacked(message: CompressedImage, encoding: str) -> npt.NDArray[np.float32]:
    """Metres of compressed depth, 0 or NaN where there are none."""
    data = bytes(message.data)
    start, a, b = 0, 0.0, 0.0
    if not data.startswith(_PNG_START) and len(data) > _DEPTH_HEADER.size:
        start = _DEPTH_HEADER.size
        _, a, b = _DEPTH_HEADER.unpack_from(data)
    if message.format.rstrip().endswith("rvl"):
        values = _from_rvl(data[start:])
    else:
        values = _imdecode(data[start:], cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 2:
        raise ImageError(
            f"compressed depth of format {message.format!r} with {len(data)} bytes cannot be "
            "decoded: it must be a whole PNG or RVL of 16 bits"
        )
    if encoding != "32FC1":
        return values * np.float32(_DEPTHS[encoding][1])
    if not (math.isfinite(a) and math.isfinite(b) and a > 0):
        raise ImageError("compressed depth of 32FC1 does not say how it was quantised")
    with np.errstate(divide="ignore"):
        return np.where(values > 0, np.float32(a) / (values - np.float32(b)), np.float32(0))


def _from_rvl(data: bytes) -> npt.NDArray[np.uint16] | None:
    """Decode run lengths and differences (Wilson, "Fast Lossless Depth Image Compression", 2017),
    after width and height; None for data that are cut off.

    Words of 32 bits hold eight nibbles each, the highest first. A value is as many nibbles as have
    their highest bit set, and one more, its lowest three bits first.
    """
    width, height = struct.unpack_from("<II", data) if len(data) > 8 else (0, 0)
    size = width * height
    if not 0 < size <= _MAX_PIXELS:
        return None
    words = np.frombuffer(data, "<u4", offset=8, count=(len(data) - 8) // 4)
    nibbles = ((words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & 15).ravel()
    ends = np.flatnonzero(nibbles < 8)
    if not len(ends):
        return None
    nibbles, starts = nibbles[: ends[-1] + 1].astype(np.int64), np.append(0, ends[:-1] + 1)
    place = np.arange(len(nibbles)) - np.repeat(starts, ends - starts + 1)
    values = np.add.reduceat((nibbles & 7) << np.minimum(3 * place, 60), starts)
    known, differing, at, pixel = np.zeros(size, bool), np.zeros(len(values), bool), 0, 0
    while pixel < size:
        if at + 2 > len(values):
            return None
        zeros, count = values[at : at + 2].tolist()
        at, pixel = at + 2, pixel + zeros
        if at + count > len(values) or pixel + count > size:
            return None
        known[pixel : pixel + count] = differing[at : at + count] = True
        at, pixel = at + count, pixel + count
    coded = values[differing]
    image = np.zeros(size, np.uint16)
    image[known] = np.cumsum((coded >> 1) ^ -(coded & 1)).astype(np.uint16)
    return image.reshape(height, width)


def _sample_type(message: Image, sample: str) -> np.dtype[Any]:
    # Samples of one byte have no byte order: is_bigendian does not matter.
    return np.dtype(sample if sample == "u1" else (">" if message.is_bigendian else "<") + sample)


def _rows(message: Image, pixel_size: int, height: int = 0, step: int = 0) -> npt.NDArray[np.uint8]:
    """A view of the data as uint8[height, width * pixel_size], without the padding of the rows;
    `height` and `step` are the message's unless they are given.
    """
    size = f"{message.width}x{message.height} {message.encoding}"
    height, step = height or message.height, step or message.step
    if message.width == 0 or height == 0:
        raise ImageError(f"image has no pixels: {size}")
    row = message.width * pixel_size
    if step < row:
        raise ImageError(f"step of a {size} image must be at least {row} bytes, got {step}")
    expected = step * height
    if len(message.data) != expected:
        raise ImageError(
            f"data of a {size} image with step {step} must have {expected} bytes, "
            f"got {len(message.data)}: is the message cut off?"
        )
    data = np.frombuffer(message.data, np.uint8)
    return data.reshape(height, step)[:, :row]


def _decode(message: CompressedImage) -> Uint8Array:
    # A raw mosaic is packed as such in PNG, and made grey for JPEG.
    encoding = message.format.partition(";")[0].strip()
    mosaic = encoding.startswith("bayer_") and encoding in _PIXELS and "png" in message.format
    data = bytes(message.data)
    image = _imdecode(data, cv2.IMREAD_UNCHANGED if mosaic else cv2.IMREAD_COLOR)
    if image is None or (mosaic and (image.ndim, image.dtype.str[1:]) != (2, _PIXELS[encoding][0])):
        raise ImageError(
            f"compressed image of format {message.format!r} with {len(data)} bytes cannot be "
            "decoded: it must be a whole JPEG or PNG"
        )
    return _rgb(image, encoding if mosaic else "bgr8")


def _imdecode(data: bytes, flags: int) -> npt.NDArray[Any] | None:
    """The image in a file, None if it is not whole; OpenCV 4 fills the missing part of a JPEG with
    grey and says nothing to the caller. What follows it is ignored: some cameras pad their files.
    """
    if not data or (data.startswith(_JPEG_START) and not _is_whole_jpeg(data)):
        return None
    # Orientation tags are for photographs; camera_info describes the image as it was taken.
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:  # of a size that no image has
        return None


def _is_whole_jpeg(data: bytes) -> bool:
    """Whether its end comes, of the image itself and not of a preview in one of its segments."""
    at = len(_JPEG_START)
    while marker := _JPEG_MARKER.search(data, at):
        if marker[1] == _JPEG_END:
            return True
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return False


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
