"""Where an object is in `base_link`: from depth where there is some, else from the floor.

Depth is that of the surface that is seen; the object's centre lies behind it. How far is told by
the ellipsoid that has the mask's width and height and rests on the floor: each depth in the mask is
one measurement of its centre, and the median of the nearest dense cluster of them counts.

Without depth, the ray through the object's foot meets the floor at the object's near edge, and the
centre lies half a width further along the floor, away from the camera. Neither is guessed: a foot
out of the image, a foot at or above the horizon or too near to it gives no position.

The floor is the plane that the LiDAR sees; without one it passes through `base_link`, level if the
IMU tells what is level, else as the robot stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ImageError
from vlam_ros.types import (
    Attitude,
    BoolArray,
    Camera,
    DepthImage,
    FloorPlane,
    Missing,
    PositionSource,
)

Vector = npt.NDArray[np.float64]

ATTITUDE_SIGMA = math.radians(1.0)
"""Standard deviation of roll and pitch: mounting, suspension and IMU together."""
FLOOR_SIGMA = math.radians(0.3)
"""That of a floor which the LiDAR sees: it moves with the robot."""
SHAPE_SIGMA = 0.3
"""Standard deviation of where the centre is between the edges that are seen, as a share of the
distance from the surface, or of the size on the floor: few objects are ellipsoids.
"""
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
    floor: FloorPlane | Missing,
) -> Position | None:
    """The position of the object under a mask, or None if the sensors do not tell it.

    Args:
        mask: bool[h,w] over the whole image, with at least one pixel.
        camera: intrinsics, distortion and mount of the image's camera.
        depth: registered to the image, of its size.
        attitude: tilt of the base on a level floor; used where there is no `floor`.
        floor: as the LiDAR sees it.

    Raises:
        ImageError: the depth image does not have the image's size.
    """
    if isinstance(camera, Missing):
        return None
    plane, sigma = floor_plane(attitude, floor)
    if isinstance(depth, DepthImage):
        if depth.depth.shape != (camera.height, camera.width):
            raise ImageError(
                f"depth must be registered to the {camera.width}x{camera.height} image, got "
                f"{depth.depth.shape[1]}x{depth.depth.shape[0]}"
            )
        if (position := _from_depth(mask, camera, depth.depth, plane)) is not None:
            return position
    return _from_floor(mask, camera, plane, sigma)


def floor_plane(
    attitude: Attitude | Missing, floor: FloorPlane | Missing
) -> tuple[FloorPlane, float]:
    """The floor to measure on, and the standard deviation of its tilt in rad."""
    if isinstance(floor, FloorPlane):
        return floor, FLOOR_SIGMA
    roll, pitch = (attitude.roll, attitude.pitch) if isinstance(attitude, Attitude) else (0.0, 0.0)
    return level_floor(roll, pitch), ATTITUDE_SIGMA


def level_floor(roll: float, pitch: float) -> FloorPlane:
    """A level floor through the origin of a base that is turned by R_y(pitch) R_x(roll)."""
    normal = (-math.sin(pitch), math.cos(pitch) * math.sin(roll), math.cos(pitch) * math.cos(roll))
    return FloorPlane(0, normal, 0.0)


def _from_depth(
    mask: BoolArray, camera: Camera, depth: npt.NDArray[np.float32], floor: FloorPlane
) -> Position | None:
    # The outermost pixels of a mask are half background.
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    inner = inner if inner.any() else mask.astype(np.uint8)
    size = (camera.width, camera.height)
    within = cv2.resize(inner, size, interpolation=cv2.INTER_NEAREST) > 0
    rows, columns = np.nonzero(within & np.isfinite(depth) & (depth > 0))
    values = depth[rows, columns].astype(np.float64)
    cluster = _nearest_cluster(values)
    if cluster is None:
        return None
    seen = _Outline.of(mask, camera)
    ray = camera.rays([seen.centre])[0]
    if not np.isfinite(ray).all():
        return None
    distance = float(np.median(values[cluster]))
    behind = _behind_surface(seen, camera, ray, distance, floor)
    # An ellipse's rim is as deep as its centre, its middle is nearest.
    off = np.stack([columns, rows], axis=1)[cluster] - seen.centre
    bulge = np.sqrt(np.clip(1 - np.sum((off / seen.half) ** 2, axis=1), 0, 1))
    centres = values[cluster] + behind * bulge
    distance = min(float(np.median(centres)), _floor_depth(camera, ray, floor))
    down, across = _scale(mask, camera)
    lateral = distance * max(across / camera.fx, down / camera.fy)
    return Position(
        _tuple(camera.position + camera.rotation @ ray * distance),
        spread=math.hypot(float(centres.std()), lateral, SHAPE_SIGMA * behind),
        size=seen.width * distance,
        source=PositionSource.DEPTH,
    )


def _floor_depth(camera: Camera, ray: Vector, floor: FloorPlane) -> float:
    """The depth at which a ray meets the floor, m: no object's centre is below it."""
    normal = np.array(floor.normal)
    descent = -float(normal @ camera.rotation @ ray)
    height = float(normal @ camera.position) - floor.offset
    return height / descent if descent > 1e-6 and height > 0 else math.inf


@dataclass(frozen=True)
class _Outline:
    """The box of a mask in the image: `centre` and `half` sides (u, v) in pixels, `width` and
    `height` in normalised image coordinates.
    """

    centre: tuple[float, float]
    half: tuple[float, float]
    width: float
    height: float

    @classmethod
    def of(cls, mask: BoolArray, camera: Camera) -> _Outline:
        down, across = _scale(mask, camera)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        u, v = (columns[0] + columns[-1] + 1) / 2, (rows[0] + rows[-1] + 1) / 2
        half = len(columns) * across / 2, len(rows) * down / 2
        height = 2 * half[1] / camera.fy
        return cls((u * across - 0.5, v * down - 0.5), half, _width(mask, camera), height)


def _behind_surface(
    seen: _Outline, camera: Camera, ray: Vector, distance: float, floor: FloorPlane
) -> float:
    """How much deeper (m) than its nearest surface the centre of an object is.

    The object is the ellipsoid with a vertical half axis b, its centre's height above the floor,
    and a half axis a along the floor, away from the camera: half its width, or less if the mask
    would have to be higher than it is.
    """
    direction = camera.rotation @ ray
    normal = np.array(floor.normal)
    length = float(np.linalg.norm(direction))
    sine = max(1e-3, -float(normal @ direction) / length)
    cosine = math.sqrt(max(1e-6, 1 - sine**2))
    across, upright = seen.width * distance / 2, seen.height * distance / 2
    point = camera.position + direction * distance
    b = float(np.clip(normal @ point - floor.offset, 0.005, max(0.005, upright / cosine)))
    lying = math.sqrt(max(0.0, upright**2 - (b * cosine) ** 2)) / sine
    a = max(min(across, b), min(across, lying), 1e-3)
    return 1 / math.hypot(cosine / a, sine / b) / length


def _nearest_cluster(values: Vector) -> npt.NDArray[np.int64] | None:
    """Which depths are the nearest run without a gap that has enough points to be a surface."""
    order = np.argsort(values)
    least = max(CLUSTER_POINTS, CLUSTER_SHARE * len(values))
    clusters = np.split(order, np.flatnonzero(np.diff(values[order]) > CLUSTER_GAP) + 1)
    return next((cluster for cluster in clusters if len(cluster) >= least), None)


def _from_floor(
    mask: BoolArray, camera: Camera, floor: FloorPlane, sigma: float
) -> Position | None:
    """Where the foot's ray meets the floor, and how far that moves with what is uncertain.

    The spread adds up, as independent errors, that of the shape and the larger of the two
    displacements for one mask pixel to either side and for a tilt of `sigma` to either side; it
    grows with the distance squared.
    """
    bottom = int(np.flatnonzero(mask.any(axis=1))[-1])
    if bottom == mask.shape[0] - 1:
        return None  # the image's edge cuts the object: its foot is nearer than what is seen
    down, across = _scale(mask, camera)
    columns = np.flatnonzero(mask[bottom])
    # The object ends at the lower edge of its lowest row.
    foot = ((columns.mean() + 0.5) * across - 0.5, (bottom + 1) * down - 0.5)
    width = _width(mask, camera)
    centre = floor_centre(camera, foot, floor, width)
    if centre is None:
        return None
    point, size = centre
    # An object whose foot is round or hidden does not begin where its mask ends.
    variance = (SHAPE_SIGMA * size) ** 2
    for error in np.diag([across, down, sigma, sigma]):
        shifts = []
        for u, v, roll, pitch in (error, -error):
            pixel = (foot[0] + u, foot[1] + v)
            moved = floor_centre(camera, pixel, _tilted(floor, roll, pitch), width)
            if moved is None:
                return None
            shifts.append(float(np.sum((moved[0] - point) ** 2)))
        variance += max(shifts)
    return Position(_tuple(point), math.sqrt(variance), size, PositionSource.GROUND_PLANE)


def _tilted(floor: FloorPlane, roll: float, pitch: float) -> FloorPlane:
    """The floor turned a little, in rad, about x and y through the origin of `base_link`."""
    x, y, z = floor.normal
    normal = np.array([x - pitch * z, y + roll * z, z + pitch * x - roll * y])
    return FloorPlane(floor.stamp, _tuple(normal / np.linalg.norm(normal)), floor.offset)


def floor_centre(
    camera: Camera, foot: tuple[float, float], floor: FloorPlane, width: float
) -> tuple[Vector, float] | None:
    """The centre on the floor of the object whose near edge is seen at a pixel, and its size.

    The object is `width` times the depth of its centre wide, and that centre lies half of this
    behind the near edge, in the direction in which the floor leads away from the camera.

    Args:
        camera: whose pixel it is.
        foot: pixel (u, v), not rounded.
        floor: what the object stands on.
        width: of the object in normalised image coordinates (x/z).

    Returns:
        The point [3] in `base_link` and the size in metres; None at or above the horizon.
    """
    normal = np.array(floor.normal)
    ray = camera.rotation @ camera.rays([foot])[0]
    height, descent = float(normal @ camera.position) - floor.offset, -float(normal @ ray)
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
