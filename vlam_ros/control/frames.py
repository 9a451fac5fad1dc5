"""Where `base_link` was and is in the odometry frame, and points moved from one to the other."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlam_ros.types import Odometry

Points = npt.NDArray[np.float64]

SPAN = 5_000_000_000
"""ns of odometry that is kept: chunks are older than that never."""
JUMP = 100_000_000
"""ns; odometry that much older than the newest is not late: time jumped back."""


@dataclass(frozen=True)
class Pose:
    """Planar pose of `base_link` in the odometry frame, metres and radians."""

    x: float
    y: float
    yaw: float

    def out(self, points: Points) -> Points:
        """Points [N,2] of this `base_link`, in the odometry frame."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return points @ np.array([[c, s], [-s, c]]) + (self.x, self.y)

    def into(self, points: Points) -> Points:
        """Points [N,2] of the odometry frame, in this `base_link`."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return (points - (self.x, self.y)) @ np.array([[c, -s], [s, c]])


def turned(angle: float) -> float:
    """The angle in -π..π."""
    return math.remainder(angle, math.tau)


class OdometryHistory:
    """The odometry of the last seconds. `patience` (ns) is how far beyond its ends a pose is told
    from the velocity there.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._items: list[Odometry] = []

    def add(self, odometry: Odometry) -> bool:
        """Take the next; one that comes late or twice is dropped. True if time jumped back."""
        jumped = bool(self._items) and odometry.stamp < self._items[-1].stamp - JUMP
        if jumped:
            self._items.clear()
        if not self._items or odometry.stamp > self._items[-1].stamp:
            self._items.append(odometry)
            old = bisect_left(self._items, odometry.stamp - SPAN, key=lambda o: o.stamp)
            del self._items[:old]
        return jumped

    @property
    def newest(self) -> Odometry | None:
        """The newest odometry."""
        return self._items[-1] if self._items else None

    def at(self, stamp: int) -> Pose | None:
        """The pose at a stamp (ns): interpolated, or told from the velocity at the next odometry;
        None if there is none near enough.
        """
        after = bisect_left(self._items, stamp, key=lambda o: o.stamp)
        if 0 < after < len(self._items):
            return _between(self._items[after - 1], self._items[after], stamp)
        if not self._items:
            return None
        nearest = self._items[min(after, len(self._items) - 1)]
        if abs(stamp - nearest.stamp) > self._patience:
            return None
        return _carried_on(nearest, (stamp - nearest.stamp) / 1e9)


def _between(before: Odometry, after: Odometry, stamp: int) -> Pose:
    share = (stamp - before.stamp) / (after.stamp - before.stamp)
    return Pose(
        before.x + share * (after.x - before.x),
        before.y + share * (after.y - before.y),
        before.yaw + share * turned(after.yaw - before.yaw),
    )


def _carried_on(odometry: Odometry, seconds: float) -> Pose:
    heading = odometry.yaw + odometry.yaw_rate * seconds / 2
    way = odometry.speed * seconds
    return Pose(
        odometry.x + way * math.cos(heading),
        odometry.y + way * math.sin(heading),
        odometry.yaw + odometry.yaw_rate * seconds,
    )
