"""Deskew: the points of a sweep, each measured at its own time, as one time would have seen them.

A table of poses at equal steps of time takes every point with two look-ups, in whatever order the
points come. Between two entries matrices are interpolated linearly, which at a step of 1 ms and
5 rad/s is wrong by 3 µrad.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlam_ros.fusion.attitude import Array, rotation_from_vector
from vlam_ros.types import Odometry

STEP = 0.001
"""Seconds between two poses of the table."""


@dataclass(frozen=True)
class Rates:
    """Angular velocity of `base_link`: float64[K,3] rad/s at rising `times` [K], s."""

    times: Array
    values: Array


@dataclass(frozen=True)
class PoseTable:
    """Poses of `base_link` in the `base_link` of time 0, from `start` on, STEP apart.

    `matrices` is float32[K,12]: rotations [3,3] and translations [3] in one row.
    """

    start: float
    matrices: npt.NDArray[np.float32]

    def bring(
        self, points: npt.NDArray[np.float32], times: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float32]:
        """Points [N,3], measured at `times` [N] (s) in `base_link`, in that of time 0."""
        place = np.clip((times - self.start) / STEP, 0, len(self.matrices) - 1)
        row = np.minimum(place.astype(np.int32), max(0, len(self.matrices) - 2))
        share = (place - row).astype(np.float32)[:, None]
        poses = self.matrices[row]
        if len(self.matrices) > 1:
            poses += share * np.diff(self.matrices, axis=0)[row]
        turned = np.einsum("nij,nj->ni", poses[:, :9].reshape(-1, 3, 3), points)
        turned += poses[:, 9:]
        return np.asarray(turned, np.float32)


def pose_table(
    first: float, last: float, rates: Rates | None, odometry: Sequence[Odometry], reference: int
) -> PoseTable:
    """Integrate the motion between two times around time 0.

    Args:
        first: earliest time needed, s.
        last: latest time needed, s.
        rates: of the gyroscope without its bias; None: odometry turns the robot.
        odometry: planar poses in order of their stamps; none: the robot only turns.
        reference: the stamp of time 0, ns.
    """
    before = int(np.ceil(max(0.0, -first) / STEP))
    after = int(np.ceil(max(0.0, last) / STEP))
    times: Array = STEP * np.arange(-before, after + 1, dtype=np.float64)
    track = _track(odometry, times, reference) if odometry else None
    if rates is not None:
        rotations = _integrated(rates, times, before)
    elif track is not None:
        rotations = rotation_from_vector(np.pad(track[:, 2:] - track[before, 2], ((0, 0), (2, 0))))
    else:
        rotations = np.broadcast_to(np.eye(3), (len(times), 3, 3))
    moves = np.zeros((len(times), 3))
    if track is not None:
        along = track[:, :2] - track[before, :2]
        c, s = np.cos(track[before, 2]), np.sin(track[before, 2])
        moves[:, :2] = along @ np.array([[c, -s], [s, c]])
    rows = np.concatenate([rotations.reshape(-1, 9), moves], axis=1)
    return PoseTable(float(times[0]), rows.astype(np.float32))


def _integrated(rates: Rates, times: Array, zero: int) -> Array:
    """Rotations [K,3,3] of the base into that of `times[zero]`, by right-multiplied increments."""
    middle = times[:-1] + STEP / 2
    between = np.stack([np.interp(middle, rates.times, axis) for axis in rates.values.T], axis=1)
    increments = rotation_from_vector(between * STEP)
    rotations = np.empty((len(times), 3, 3))
    rotations[zero] = np.eye(3)
    for k in range(zero, len(times) - 1):
        rotations[k + 1] = rotations[k] @ increments[k]
    for k in range(zero, 0, -1):
        rotations[k - 1] = rotations[k] @ increments[k - 1].T
    return rotations


def _track(odometry: Sequence[Odometry], times: Array, reference: int) -> Array:
    """(x, y, yaw) [K,3] in the odometry's frame; beyond its ends the last velocity goes on."""
    stamps = np.array([(o.stamp - reference) / 1e9 for o in odometry])
    poses = np.array([(o.x, o.y, o.yaw) for o in odometry])
    poses[:, 2] = np.unwrap(poses[:, 2])
    track = np.stack([np.interp(times, stamps, column) for column in poses.T], axis=1)
    for end, beyond in ((0, times < stamps[0]), (-1, times > stamps[-1])):
        seconds, known = times[beyond] - stamps[end], odometry[end]
        heading = poses[end, 2] + seconds * known.yaw_rate / 2
        track[beyond, 0] += known.speed * seconds * np.cos(heading)
        track[beyond, 1] += known.speed * seconds * np.sin(heading)
        track[beyond, 2] += known.yaw_rate * seconds
    return track
