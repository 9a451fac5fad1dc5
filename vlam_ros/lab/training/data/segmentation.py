"""Masks as COCO writes them: run lengths, compressed or not, and polygons.

https://cocodataset.org/#format-data; runs go down the columns, the first one is of zeros. They are
read here and not by pycocotools, which writes past its memory where they do not fit the image.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from pycocotools import mask as rle

from vlam_ros.errors import LearningError
from vlam_ros.types.arrays import BoolArray

FARTHEST = 10
"""Images' sizes that a polygon may reach beyond its image; what is farther out is an error."""
SMOOTHING = 1.0
"""Pixels by which an outline may leave the mask's edge: fewer corners for a person to move."""


def encode(mask: BoolArray) -> dict[str, Any]:
    """bool[H,W] as compressed run lengths that JSON can hold."""
    encoded = rle.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": encoded["counts"].decode("ascii")}


def decode(segmentation: Any, height: int, width: int) -> BoolArray:
    """The mask bool[H,W] of an annotation of an image of this size.

    It is run lengths {"size": [H, W], "counts": numbers or text}, or polygons [[x, y, x, y, …], …]
    in pixels, whose union is meant; LearningError if it is neither, or does not fit the image.
    """
    try:
        if isinstance(segmentation, dict):
            return _from_runs(segmentation, height, width)
        return _from_polygons(segmentation, height, width)
    except (TypeError, ValueError, KeyError, OverflowError, UnicodeError) as error:
        raise LearningError(
            f"a mask must be COCO's run lengths or polygons, got {str(segmentation)[:60]}: {error}"
        ) from error


def outline(mask: BoolArray) -> list[list[float]]:
    """Polygons around the pieces of a mask bool[H,W], as people correct them; holes are filled."""
    # OpenCV's contours go through the middles of pixels and would lose half of one all around; of a
    # image twice as large that is a quarter, which COCO's rasteriser rounds up.
    twice = np.repeat(np.repeat(mask.astype(np.uint8), 2, axis=0), 2, axis=1)
    found, _ = cv2.findContours(twice, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corners = [cv2.approxPolyDP(c, 2 * SMOOTHING, closed=True).reshape(-1, 2) for c in found]
    return [((c + 0.5) / 2).ravel().tolist() for c in corners if len(c) >= 3]


def _from_polygons(segmentation: Any, height: int, width: int) -> BoolArray:
    polygons = [np.asarray(p, np.float64).ravel() for p in segmentation]
    if not polygons:
        return np.zeros((height, width), np.bool_)
    limit = FARTHEST * max(height, width)
    for corners in polygons:
        if len(corners) < 6 or len(corners) % 2:
            raise LearningError("a polygon needs three or more corners [x, y, x, y, x, y, …]")
        if not (np.abs(corners) <= limit).all():
            raise LearningError(f"a polygon has a corner more than {limit} pixels away, or NaN")
    merged = rle.merge(rle.frPyObjects([p.tolist() for p in polygons], height, width))
    return _from_runs({**merged, "counts": merged["counts"].decode("ascii")}, height, width)


def _from_runs(runs: dict[str, Any], height: int, width: int) -> BoolArray:
    if list(runs["size"]) != [height, width]:
        raise LearningError(
            f"the mask is for {runs['size']} rows and columns, its image has {[height, width]}"
        )
    told = runs["counts"]
    counts = np.asarray(_numbers(told) if isinstance(told, str) else told, np.int64)
    if counts.ndim != 1 or counts.min(initial=0) < 0 or counts.sum() != height * width:
        raise LearningError(f"the runs of a mask must be of {height * width} pixels in all")
    values = np.arange(len(counts)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, counts).reshape(width, height).T)


def _numbers(text: str) -> list[int]:
    """The run lengths in a text: five bits a character, least first, 32 for more to come, 16 for a
    negative number; from the fourth on they are differences to the last but one before.
    """
    numbers: list[int] = []
    value = shift = 0
    for byte in text.encode("ascii"):
        bits = byte - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        numbers.append(value + (numbers[-2] if len(numbers) > 2 else 0))
        value = shift = 0
    return numbers
