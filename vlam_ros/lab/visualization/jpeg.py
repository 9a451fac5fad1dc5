"""Images as JPEGs, for pages and films."""

from __future__ import annotations

import cv2
import numpy as np

from vlam_ros.errors import ImageError
from vlam_ros.types import Uint8Array


def jpeg(image: Uint8Array, quality: int, width: int | None = None) -> bytes:
    """An image as a JPEG.

    Args:
        image: uint8[H,W,3] RGB.
        quality: 1..100.
        width: the most columns it is to have; a wider image is made smaller.

    Raises:
        ImageError: it is no such image, or cannot be made so small.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ImageError(f"an image must be uint8[H,W,3], got {image.dtype}{image.shape}")
    width = image.shape[1] if width is None else width
    if width < 1 or not 1 <= quality <= 100:
        raise ImageError(
            f"a JPEG needs a width of at least 1 and a quality in 1..100, got {width} and {quality}"
        )
    if image.shape[1] > width:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        smaller = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        image = np.asarray(smaller, np.uint8)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ImageError(f"an image of {image.shape[1]} x {image.shape[0]} cannot be made a JPEG")
    return bytes(data.tobytes())
