"""A calibrated camera: where it sits, which pixel sees a point, and which ray a pixel sees along.

Pixel coordinates are OpenCV's: pixel i covers i - 0.5 to i + 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ImageError
from vlam_ros.types.arrays import FloatArray

COEFFICIENTS = {"plumb_bob": (5,), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
"""Distortion models of sensor_msgs/CameraInfo, and how many coefficients each has."""

_GRID = 24
"""Pixels along each side of the image at which its field of view is measured."""
_ROUND_TRIP = 0.1
"""Pixels by which a ray may miss its pixel before the distortion counts as without inverse."""


@dataclass(frozen=True)
class Camera:
    """A pinhole or fisheye camera: intrinsics at the size of the image, and its pose on the robot.

    `rotation` turns vectors of the optical frame (x right, y down, z forward) into `base_link`;
    `position` is the optical centre in `base_link`, its z the height above the floor the base
    stands on. `distortion` holds the coefficients of `distortion_model` in the order of
    sensor_msgs/CameraInfo, none if the image is rectified.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    rotation: FloatArray
    position: FloatArray
    distortion: tuple[float, ...] = ()
    distortion_model: str = "plumb_bob"
    frame_id: str = "camera_optical"

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ImageError(f"camera size must be positive, got {self.width}x{self.height}")
        values = (self.fx, self.fy, self.cx, self.cy)
        if not all(np.isfinite(values)) or self.fx <= 0 or self.fy <= 0:
            raise ImageError(
                f"camera intrinsics must be finite with fx, fy > 0, got fx={self.fx} fy={self.fy} "
                f"cx={self.cx} cy={self.cy}: is the camera calibrated and camera_info published?"
            )
        if self.distortion_model not in COEFFICIENTS:
            raise ImageError(
                f"camera_info has distortion model {self.distortion_model!r}, known are "
                f"{', '.join(COEFFICIENTS)}: rectify the image (image_proc) or calibrate again"
            )
        if self.distortion and len(self.distortion) not in COEFFICIENTS[self.distortion_model]:
            counts = " or ".join(map(str, COEFFICIENTS[self.distortion_model]))
            raise ImageError(
                f"{self.distortion_model} has {counts} coefficients, got {len(self.distortion)}"
            )
        if not all(map(math.isfinite, self.distortion)):
            raise ImageError(f"distortion must be finite, got {self.distortion}")

    @classmethod
    def ideal(
        cls, width: int, height: int, focal: float, rotation: FloatArray, position: FloatArray
    ) -> Camera:
        """A camera without distortion, with square pixels and its axis in the middle; `focal` is
        in pixels.
        """
        # Pixel centres are at integers: the middle of the image is half a pixel before W/2.
        cx, cy = (width - 1) / 2, (height - 1) / 2
        return cls(width, height, focal, focal, cx, cy, rotation, position)

    def rays(self, pixels: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Rays [N,3] with z = 1 in the optical frame along which pixels [N,2] see.

        NaN where the distortion has no inverse, or looks sideways or backwards.
        """
        points = np.asarray(pixels, np.float64).reshape(-1, 1, 2)
        # The defaults leave errors of a pixel towards the corners of wide lenses.
        accurate = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-10)
        if self._fisheye:
            plane = cv2.fisheye.undistortPoints(
                points, self._matrix, self._coefficients, criteria=accurate
            )
        else:
            plane = cv2.undistortPoints(points, self._matrix, self._coefficients, criteria=accurate)
        rays = np.concatenate([plane[:, 0], np.ones((len(points), 1))], axis=1)
        miss = np.abs(self._distorted(rays) - points[:, 0]).max(axis=1, initial=0)
        rays[~(miss <= _ROUND_TRIP)] = np.nan
        return rays

    def project(self, points: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], FloatArray]:
        """The pixels that see points in `base_link`.

        Args:
            points: float[N,3], metres.

        Returns:
            (pixels float64[N,2], depth [N] along the optical axis in metres); both NaN for points
            behind the camera, outside of the image, or not finite.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            optical = (np.asarray(points) - self.position) @ self.rotation
            depth = optical[:, 2].copy()
            plane = optical[:, :2] / depth[:, None]
            # Beyond its field of view a distortion polynomial folds back into the image.
            low, high, radius = self._field_of_view
            seen = (depth > 0) & ((plane >= low) & (plane <= high)).all(axis=1)
            seen &= np.hypot(plane[:, 0], plane[:, 1]) <= radius
        pixels = np.full((len(optical), 2), np.nan)
        inside = self._distorted(np.column_stack([plane[seen], np.ones(np.count_nonzero(seen))]))
        size = np.array([self.width, self.height])
        inside[~((inside >= -0.5) & (inside < size - 0.5)).all(axis=1)] = np.nan
        pixels[seen] = inside
        depth[np.isnan(pixels[:, 0])] = np.nan
        return pixels, depth

    @property
    def _fisheye(self) -> bool:
        return self.distortion_model == "equidistant" and bool(self.distortion)

    @cached_property
    def _matrix(self) -> npt.NDArray[np.float64]:
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    @cached_property
    def _coefficients(self) -> npt.NDArray[np.float64]:
        return np.array(self.distortion, np.float64)

    @cached_property
    def _field_of_view(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
        """Least and greatest (x/z, y/z) that the image sees, the greatest distance from the axis,
        and a little more of each.
        """
        u = np.linspace(-0.5, self.width - 0.5, _GRID)
        v = np.linspace(-0.5, self.height - 0.5, _GRID)
        rays = self.rays(np.stack(np.meshgrid(u, v), axis=-1))[:, :2]
        rays = rays[np.isfinite(rays).all(axis=1)]
        if not len(rays):
            raise ImageError(f"distortion {self.distortion} has no inverse anywhere in the image")
        low, high, radius = rays.min(axis=0), rays.max(axis=0), np.linalg.norm(rays, axis=1).max()
        margin = 0.02 * (high - low)
        return low - margin, high + margin, 1.02 * float(radius)

    def _distorted(self, rays: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Pixels [N,2] of rays [N,3] in the optical frame."""
        if not len(rays):
            return np.zeros((0, 2))
        if not self.distortion:
            return rays[:, :2] * (self.fx, self.fy) + (self.cx, self.cy)
        origin = np.zeros(3)
        if self._fisheye:
            points = rays.reshape(-1, 1, 3)
            pixels, _ = cv2.fisheye.projectPoints(
                points, origin, origin, self._matrix, self._coefficients
            )
        else:
            pixels, _ = cv2.projectPoints(rays, origin, origin, self._matrix, self._coefficients)
        return np.asarray(pixels.reshape(-1, 2), np.float64)


def optical_rotation(tilt: float, yaw: float = 0.0, roll: float = 0.0) -> FloatArray:
    """Rotation float64[3,3] of optical vectors into `base_link`.

    The camera looks along +x, tilted down by `tilt`, turned left by `yaw` and rolled clockwise by
    `roll`, in rad.
    """
    # Columns are the optical axes (x right, y down, z forward) of a level camera.
    ahead = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    ct, st, cy, sy = math.cos(tilt), math.sin(tilt), math.cos(yaw), math.sin(yaw)
    cr, sr = math.cos(roll), math.sin(roll)
    # A positive rotation about y, which points left, lowers what looks forward.
    nod = np.array([[ct, 0.0, st], [0.0, 1.0, 0.0], [-st, 0.0, ct]])
    turn = np.array([[cy, -sy, 0.0], [sy, cy, 0.0], [0.0, 0.0, 1.0]])
    about_axis = np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]])
    return turn @ nod @ ahead @ about_axis
