"""LiDAR sweeps of a moving robot in a box-shaped room, with the truth of every point.

Ray casting in closed form and a motion of its own: nothing here is shared with `fusion`, which is
what is measured with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.types import ImuSample, LidarSweep, Odometry

Array = npt.NDArray[np.float64]

PERIOD = 0.1
"""Seconds of a sweep."""
ROOM = (11.0, 11.0, 6.0)
"""Half of the room's length, width and height, m."""
_FINE = 20e-6
"""Seconds of a step of the true motion."""


@dataclass(frozen=True)
class Turning:
    """A robot at (`speed` · t, 0) whose angular velocity is `rate` + `change` · t, rad/s and s."""

    rate: tuple[float, float, float]
    change: tuple[float, float, float] = (0.0, 0.0, 0.0)
    speed: float = 0.0

    def at(self, t: float) -> tuple[float, float, float]:
        """Angular velocity in the robot's own axes."""
        x, y, z = (rate + change * t for rate, change in zip(self.rate, self.change, strict=True))
        return x, y, z

    def rotations(self, end: float) -> Array:
        """Rotations [K,3,3] of the robot in the room at 0, _FINE, 2 _FINE, … up to `end`."""
        count = round(end / _FINE)
        turned = [np.eye(3)]
        for k in range(count):
            step, _ = cv2.Rodrigues(np.array(self.at((k + 0.5) * _FINE)) * _FINE)
            turned.append(turned[-1] @ step)
        return np.array(turned)


@dataclass(frozen=True)
class SyntheticSweep:
    """A sweep from time 0 on, and where its points [N,3] were in the robot's axes at `reference`.

    `imu` and `odometry` are free of errors, at 200 and 50 Hz, and reach beyond the sweep.
    """

    sweep: LidarSweep
    reference: int
    truth: Array
    imu: tuple[ImuSample, ...]
    odometry: tuple[Odometry, ...]


def synthetic_sweep(
    motion: Turning, rings: int = 16, columns: int = 360, order: str = "forward"
) -> SyntheticSweep:
    """Cast the rays of a sweep; the truth is in the axes at its middle.

    Args:
        motion: of the robot; only planar turns have odometry.
        rings: between 30° down and 30° up.
        columns: fired one after another during PERIOD.
        order: of the points: "forward", "reverse" or "interleaved" (every seventh column in turn).
    """
    rotations, reference = motion.rotations(PERIOD), PERIOD / 2
    times = np.arange(columns) * PERIOD / columns
    azimuth, elevation = np.meshgrid(
        np.linspace(-np.pi, np.pi, columns, endpoint=False),
        np.radians(np.linspace(-30, 30, rings)),
        indexing="ij",
    )
    flat = np.cos(elevation)
    rays = np.dstack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    turned = rotations[np.rint(times / _FINE).astype(int)]
    # The robot is exactly where the nearest fine step puts it.
    times = np.rint(times / _FINE) * _FINE
    in_room = np.einsum("cij,crj->cri", turned, rays)
    start = np.stack([motion.speed * times, 0 * times, 0 * times], axis=1)[:, None]
    with np.errstate(divide="ignore"):
        to_walls = (np.copysign(np.array(ROOM), in_room) - start) / in_room
    distance = to_walls.min(axis=-1, keepdims=True)
    then = rotations[round(reference / _FINE)]
    truth = (start + distance * in_room - (motion.speed * reference, 0, 0)) @ then
    points, offsets = (distance * rays), np.repeat(times[:, None], rings, axis=1)
    by = {
        "forward": np.arange(columns),
        "reverse": np.arange(columns)[::-1],
        "interleaved": np.concatenate([np.arange(i, columns, 7) for i in range(7)]),
    }[order]
    stamps = np.arange(-0.02, PERIOD + 0.02, 0.005)
    imu = [ImuSample(round(t * 1e9), motion.at(float(t)), (0.0, 0.0, 9.81)) for t in stamps]
    odometry = [
        Odometry(round(t * 1e9), motion.speed * float(t), 0.0, 0.0, motion.speed)
        for t in np.arange(-0.02, PERIOD + 0.02, 0.02)
    ]
    sweep = LidarSweep(0, points[by].reshape(-1, 3).astype(np.float32), offsets[by].ravel())
    return SyntheticSweep(
        sweep, round(reference * 1e9), truth[by].reshape(-1, 3), tuple(imu), tuple(odometry)
    )
