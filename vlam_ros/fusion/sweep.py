"""What a sweep shows: depth in the image, the floor, and what stands on it.

The plane around the robot is found by RANSAC (Fischler and Bolles 1981) among planes that a floor
could be, and fitted to its points by least squares. Where a robot stands on a ramp its floor is the
ramp, whatever gravity says.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.configuration import FusionSettings
from vlam_ros.types import Camera, FloatArray, FloorPlane, Missing
from vlam_ros.types.observation import on_robot

Points = npt.NDArray[np.float32]
Depth = npt.NDArray[np.float32]

NEARBY = 3.0
"""Metres around the robot in which a floor is taken for a plane."""
STEEPEST, DEEPEST = math.radians(15), 0.15
"""What a floor can be: tilted against the robot by so much (rad), so far off its origin (m)."""
INLIER = 0.03
"""Metres: a point so near to the plane supports it; a LiDAR's noise, and carpets."""
TRIALS, SAMPLE = 60, 800
FEWEST, WIDEST_LINE = 60, 0.15
"""Points that a floor needs, and their standard deviation (m) across the longest line in them."""
HOLE = 0.10
"""Metres: a return so far below the floor shows a step down, which stops a robot like a wall."""
FLATNESS = 0.01
"""Metres a floor may leave its plane in each metre of distance."""
DEPTH_NOISE = 0.01
"""1/m; a stereo camera errs by so much times the square of the distance, once in a while."""
DEPTH_REACH = 4.0
"""Metres; beyond, a depth camera's noise is as high as what stands in the way."""
SURFACE_POINTS = 20_000
"""About so many points are made of a depth image: one in 4x4 pixels of 640x480."""


def fit_floor(points: Points, stamp: int) -> FloorPlane | Missing:
    """The floor in the points [N,3] of a sweep in `base_link`, or why there is none to be seen.

    The same points give the same plane: the random draws are seeded.
    """
    near = np.hypot(points[:, 0], points[:, 1]) < NEARBY
    low = np.abs(points[:, 2]) < DEEPEST + NEARBY * math.tan(STEEPEST)
    candidates = points[near & low].astype(np.float64)
    if len(candidates) < FEWEST:
        return Missing(f"only {len(candidates)} LiDAR returns near the floor")
    rng = np.random.default_rng(0)
    some = candidates[rng.choice(len(candidates), min(SAMPLE, len(candidates)), replace=False)]
    a, b, c = some[rng.integers(len(some), size=(3, TRIALS))]
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1)
    normals = normals[lengths > 1e-4] / lengths[lengths > 1e-4, None]
    normals *= np.sign(normals[:, 2:])
    offsets = (normals * a[lengths > 1e-4]).sum(axis=1)
    possible = (normals[:, 2] > math.cos(STEEPEST)) & (np.abs(offsets) < DEEPEST)
    normals, offsets = normals[possible], offsets[possible]
    if not len(normals):
        return Missing("no plane that a floor could be in the LiDAR returns")
    support = (np.abs(some @ normals.T - offsets) < INLIER).sum(axis=0)
    normal, offset = normals[support.argmax()], float(offsets[support.argmax()])
    for _ in range(2):
        on_floor = candidates[np.abs(candidates @ normal - offset) < INLIER]
        if len(on_floor) < FEWEST:
            return Missing(f"only {len(on_floor)} LiDAR returns on one plane")
        centre = on_floor.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(on_floor.T))
        if math.sqrt(variances[1]) < WIDEST_LINE:
            return Missing("the LiDAR returns on the floor lie in one line")
        normal = axes[:, 0] * np.sign(axes[2, 0])
        offset = float(normal @ centre)
    if normal[2] < math.cos(STEEPEST) or abs(offset) > DEEPEST:
        return Missing("no plane that a floor could be in the LiDAR returns")
    return FloorPlane(stamp, (float(normal[0]), float(normal[1]), float(normal[2])), offset)


def obstacles_among(
    points: Points, floor: FloorPlane, settings: FusionSettings, noise: float = 0.0
) -> Points:
    """What of the points [N,3] in `base_link` a robot can run into: no floor, nothing above
    `obstacle_height`, nothing of the robot itself, but holes in the floor. The `noise` (1/m) of
    heights grows with the square of the distance.
    """
    height = points @ np.array(floor.normal, np.float32) - np.float32(floor.offset)
    away = np.hypot(points[:, 0], points[:, 1])
    slack = settings.floor_tolerance + FLATNESS * away
    if noise:
        slack += noise * away**2
    standing = (height > slack) & (height < settings.obstacle_height)
    robot = on_robot(points, settings.robot_box)
    return points[(standing | (height < -HOLE - slack)) & ~robot]


def surface(depth: Depth, camera: Camera) -> Points:
    """Points float32[N,3] in `base_link` of what a depth image [H,W] of the camera shows.

    The median of 3x3 pixels counts, where most of them are known: at the edges of things a depth
    camera makes up what is in between.
    """
    height, width = depth.shape
    known = np.where(depth > 0, depth, np.inf).astype(np.float32)  # NaN is not
    step = max(1, round(math.sqrt(height * width / SURFACE_POINTS)))
    sampled = cv2.medianBlur(known, 3)[step // 2 :: step, step // 2 :: step]
    rows, columns = np.nonzero(sampled <= DEPTH_REACH)
    if not len(rows):
        return np.empty((0, 3), np.float32)
    pixels = np.stack([columns, rows], axis=1) * step + step // 2
    optical = camera.rays(pixels) * sampled[rows, columns, None]
    optical = optical[np.isfinite(optical).all(axis=1)]
    return np.asarray(optical @ camera.rotation.T + camera.position, np.float32)


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
