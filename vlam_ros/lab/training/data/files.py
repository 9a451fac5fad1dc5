"""Images as the bytes of files: decoded as they were annotated, and encoded without loss."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np

from vlam_ros.errors import LearningError
from vlam_ros.types.arrays import Uint8Array

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def decode_image(data: bytes, turned: bool = False) -> Uint8Array:
    """The image uint8[H,W,3] RGB of a JPEG or PNG, as it is stored or `turned` as the camera was
    held.

    Raises:
        LearningError: it cannot be decoded, or is cut off.
    """
    # OpenCV fills the missing part of a JPEG with grey and says nothing to the caller.
    cut_off = data.startswith(_JPEG) and b"\xff\xd9" not in data[-64:]
    flags = cv2.IMREAD_COLOR | (0 if turned else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        image = None if cut_off or not data else cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # more pixels than it is willing to decode
        image = None
    if image is None:
        why = "is cut off" if cut_off else "is no whole JPEG or PNG"
        raise LearningError(f"the image of {len(data)} bytes {why}")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def encode_image(image: Uint8Array) -> bytes:
    """uint8[H,W,3] RGB as a PNG."""
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return bytes(data.tobytes())


def suffix_of(data: bytes) -> str:
    """Of a file with this content ".jpg" or ".png"; LearningError if it is neither."""
    for start, suffix in ((_JPEG, ".jpg"), (_PNG, ".png")):
        if data.startswith(start):
            return suffix
    raise LearningError("the images of a data set must be JPEG or PNG")
