"""Where an object is in `base_link`: from depth where there is some, else from the floor.

Depth gives the centre of the visible surface: the ray through the middle of the mask, as long as
the nearest dense cluster of depths in the mask says. Without depth, the ray through the object's
foot meets the floor at the object's near edge, and the centre lies half a width further along the
floor, away from the camera. Neither is guessed: a foot out of the picture, a foot at or above the
horizon or too near to it gives no position.

Pixel coordinates are OpenCV's: pixel i covers i - 0.5 to i + 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ImageError
from vlam_ros.types import Attitude, BoolArray, Camera, DepthImage, Missing, PositionSource

Vector = npt.NDArray[np.float64]

ATTITUDE_SIGMA = math.radians(1.0)
"""Standard deviation of roll and pitch: mounting, suspension and IMU together."""
CLUSTER_GAP = 0.10
"""Depths, in metres, further apart than this are different surfaces."""
CLUSTER_POINTS = 3
CLUSTER_SHARE = 0.1
"""A cluster with fewer points, or a smaller share of them, is an edge or noise, not a surface."""


@dataclass(frozen=True)
class Position:
    """A point in `base_link`, its standard deviation, and the object's width, all in metres."""

    point: tuple[float, float, float]
    spread: float
    size: float
    source: PositionSource


def locate(
    mask: BoolArray,
    camera: Camera | Missing,
    depth: DepthImage | Missing,
    attitude: Attitude | Missing,
) -> Position | None:
    """The position of the object under a mask, or None if the sensors do not tell it.

    Args:
        mask: bool[h,w] over the whole picture, with at least one pixel.
        camera: intrinsics, distortion and mount of the picture's camera.
        depth: registered to the picture, of its size.
        attitude: tilt of the base on a level floor, which turns the floor in `base_link`; without
            it the floor is z = 0.

    Raises:
        ImageError: the depth image does not have the picture's size.
    """
    if isinstance(camera, Missing):
        return None
    if isinstance(depth, DepthImage):
        if depth.depth.shape != (camera.height, camera.width):
            raise ImageError(
                f"depth must be registered to the {camera.width}x{camera.height} picture, got "
                f"{depth.depth.shape[1]}x{depth.depth.shape[0]}"
            )
        if (position := _from_depth(mask, camera, depth.depth)) is not None:
            return position
    return _from_floor(mask, camera, attitude)


def _from_depth(mask: BoolArray, camera: Camera, depth: npt.NDArray[np.float32]) -> Position | None:
    # The outermost pixels of a mask are half background.
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    inner = inner if inner.any() else mask.astype(np.uint8)
    size = (camera.width, camera.height)
    values = depth[cv2.resize(inner, size, interpolation=cv2.INTER_NEAREST) > 0]
    cluster = _nearest_cluster(values[np.isfinite(values) & (values > 0)])
    if cluster is None:
        return None
    distance = float(np.median(cluster))
    rows, columns = np.nonzero(mask)
    down, across = _scale(mask, camera)
    middle = (columns.mean() + 0.5) * across - 0.5, (rows.mean() + 0.5) * down - 0.5
    ray = camera.rays([middle])[0]
    if not np.isfinite(ray).all():
        return None
    point = camera.position + camera.rotation @ ray * distance
    lateral = distance * max(across / camera.fx, down / camera.fy)
    return Position(
        _tuple(point),
        spread=math.hypot(float(cluster.std()), lateral),
        size=_width(mask, camera) * distance,
        source=PositionSource.DEPTH,
    )


def _nearest_cluster(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
    """The nearest run of depths without a gap that has enough points to be a surface."""
    values = np.sort(values)
    least = max(CLUSTER_POINTS, CLUSTER_SHARE * len(values))
    clusters = np.split(values, np.flatnonzero(np.diff(values) > CLUSTER_GAP) + 1)
    return next((cluster for cluster in clusters if len(cluster) >= least), None)


def _from_floor(mask: BoolArray, camera: Camera, attitude: Attitude | Missing) -> Position | None:
    """Where the foot's ray meets the floor, and how far that moves with what is uncertain.

    The spread adds up, as independent errors, the larger of the two displacements for one mask
    pixel to either side and ATTITUDE_SIGMA to either side; it grows with the distance squared.
    """
    bottom = int(np.flatnonzero(mask.any(axis=1))[-1])
    if bottom == mask.shape[0] - 1:
        return None  # the picture's edge cuts the object: its foot is nearer than what is seen
    down, across = _scale(mask, camera)
    columns = np.flatnonzero(mask[bottom])
    roll, pitch = (attitude.roll, attitude.pitch) if isinstance(attitude, Attitude) else (0.0, 0.0)
    # The object ends at the lower edge of its lowest row.
    foot = ((columns.mean() + 0.5) * across - 0.5, (bottom + 1) * down - 0.5)
    state = np.array([*foot, roll, pitch])
    width = _width(mask, camera)
    centre = floor_centre(camera, foot, roll, pitch, width)
    if centre is None:
        return None
    point, size = centre
    variance = 0.0
    for error in np.diag([across, down, ATTITUDE_SIGMA, ATTITUDE_SIGMA]):
        shifts = []
        for u, v, r, p in (state + error, state - error):
            moved = floor_centre(camera, (u, v), r, p, width)
            if moved is None:
                return None
            shifts.append(float(np.sum((moved[0] - point) ** 2)))
        variance += max(shifts)
    return Position(_tuple(point), math.sqrt(variance), size, PositionSource.GROUND_PLANE)


def floor_centre(
    camera: Camera, foot: tuple[float, float], roll: float, pitch: float, width: float
) -> tuple[Vector, float] | None:
    """The centre on the floor of the object whose near edge is seen at a pixel, and its size.

    The floor passes through the origin of `base_link`; on a level floor its normal there is the
    third row of R_y(pitch) R_x(roll), which turns `base_link` upright. The object is `width` times
    the depth of its centre wide, and that centre lies half of this behind the near edge, in the
    direction in which the floor leads away from the camera.

    Args:
        camera: the camera.
        foot: pixel (u, v), not rounded.
        roll: of the base against the floor, rad.
        pitch: of the base against the floor, rad.
        width: of the object in normalised image coordinates (x/z).

    Returns:
        The point [3] in `base_link` and the size in metres; None at or above the horizon.
    """
    normal = np.array(
        [-math.sin(pitch), math.cos(pitch) * math.sin(roll), math.cos(pitch) * math.cos(roll)]
    )
    ray = camera.rotation @ camera.rays([foot])[0]
    height, descent = float(normal @ camera.position), -float(normal @ ray)
    # Negated, so that the NaN of a distortion without inverse ends here as well.
    if not (height > 0 and descent > 1e-6):
        return None
    depth = height / descent
    edge = camera.position + depth * ray
    away = (edge - camera.position) + height * normal
    # Straight below the camera no direction leads away.
    away = away / max(float(np.linalg.norm(away)), 1e-9)
    deepening = float(away @ camera.rotation[:, 2])
    if not width * deepening < 2:
        return None
    size = width * depth / (1 - width * deepening / 2)
    return edge + away * size / 2, size


def _width(mask: BoolArray, camera: Camera) -> float:
    """The mask's width in normalised image coordinates, at half its height."""
    down, across = _scale(mask, camera)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    v = (rows[0] + rows[-1] + 1) / 2 * down - 0.5
    left, right = columns[0] * across - 0.5, (columns[-1] + 1) * across - 0.5
    rays = camera.rays([(left, v), (right, v)])
    return float(rays[1, 0] - rays[0, 0])


def _scale(mask: BoolArray, camera: Camera) -> tuple[float, float]:
    """Image pixels per mask pixel, down and across."""
    return camera.height / mask.shape[0], camera.width / mask.shape[1]


def _tuple(point: Vector) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])
