"""Where `base_link` was and is in the odometry frame."""

from __future__ import annotations

import math
from bisect import bisect_left

from vlam_ros.types import Odometry, PlanarPose
from vlam_ros.types.history import History

SPAN = 5_000_000_000
"""ns of odometry that is kept: chunks are older than that never."""


def turned(angle: float) -> float:
    """The angle in -π..π."""
    return math.remainder(angle, math.tau)


class OdometryHistory(History[Odometry]):
    """The odometry of the last seconds. `patience` (ns) is how far beyond its ends a pose is told
    from the velocity there.
    """

    def __init__(self, patience: int) -> None:
        super().__init__(SPAN)
        self._patience = patience

    def at(self, stamp: int) -> PlanarPose | None:
        """The pose at a stamp (ns): interpolated, or told from the velocity at the next odometry;
        None if there is none near enough.
        """
        items = self.items
        after = bisect_left(items, stamp, key=lambda o: o.stamp)
        if 0 < after < len(items):
            return _between(items[after - 1], items[after], stamp)
        if not items:
            return None
        nearest = items[min(after, len(items) - 1)]
        if abs(stamp - nearest.stamp) > self._patience:
            return None
        return _carried_on(nearest, (stamp - nearest.stamp) / 1e9)


def _between(before: Odometry, after: Odometry, stamp: int) -> PlanarPose:
    share = (stamp - before.stamp) / (after.stamp - before.stamp)
    return PlanarPose(
        before.x + share * (after.x - before.x),
        before.y + share * (after.y - before.y),
        before.yaw + share * turned(after.yaw - before.yaw),
    )


def _carried_on(odometry: Odometry, seconds: float) -> PlanarPose:
    heading = odometry.yaw + odometry.yaw_rate * seconds / 2
    way = odometry.speed * seconds
    return PlanarPose(
        odometry.x + way * math.cos(heading),
        odometry.y + way * math.sin(heading),
        odometry.yaw + odometry.yaw_rate * seconds,
    )
