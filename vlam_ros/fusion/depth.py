"""Depth images from points: sparse as a LiDAR sees, and filled for people to look at."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.types import Camera, FloatArray

Depth = npt.NDArray[np.float32]


def depth_image(points: FloatArray, camera: Camera) -> Depth:
    """Depth float32[H,W] along the optical axis, in metres, NaN where no point is seen.

    Args:
        points: [N,3] in `base_link`, metres; of several in one pixel the nearest wins.
        camera: its size is that of the image.
    """
    image = np.full((camera.height, camera.width), np.nan, np.float32)
    pixels, depth = camera.project(points)
    seen = np.flatnonzero(np.isfinite(depth))
    # Written from far to near, so that the nearest stays.
    seen = seen[np.argsort(-depth[seen], kind="stable")]
    columns, rows = np.rint(pixels[seen]).astype(np.int32).T
    image[rows, columns] = depth[seen]
    return image


def densify(depth: Depth, radius: int = 6) -> Depth:
    """An image of sparse depth [H,W] for people: each value spread by `radius` pixels, the nearest
    winning. Not for measuring: it widens every object.
    """
    nearness = np.where(np.isfinite(depth), 1 / np.maximum(depth, 1e-3), 0).astype(np.float32)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    spread = cv2.dilate(nearness, disk)
    with np.errstate(divide="ignore"):
        return np.where(spread > 0, 1 / spread, np.nan).astype(np.float32)
