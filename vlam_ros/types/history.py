"""The last seconds of a sensor in order of their stamps, and where odometry says the base was."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Generic, Protocol, TypeVar

from vlam_ros.types.observation import Odometry, PlanarPose

JUMP = 100_000_000
"""ns; a stamp that much older than the newest one is not late: time itself jumped back."""
SPAN = 5_000_000_000
"""ns of odometry that is kept: chunks are older than that never."""


class Stamped(Protocol):
    """Anything with a stamp in ns."""

    @property
    def stamp(self) -> int:
        """When it was measured."""


Item = TypeVar("Item", bound=Stamped)


class History(Generic[Item]):
    """Keeps the items of the last `span` ns. A bag that loops or a simulator that is reset makes
    stamps jump back: all that was kept is of another time then, and is forgotten.
    """

    def __init__(self, span: int) -> None:
        self._span = span
        self._items: list[Item] = []

    def add(self, item: Item) -> bool:
        """Take the next item; one that comes late or twice is dropped. True if time jumped back."""
        jumped = bool(self._items) and item.stamp < self._items[-1].stamp - JUMP
        if jumped:
            self._items.clear()
        if not self._items or item.stamp > self._items[-1].stamp:
            self._items.append(item)
            old = bisect_left(self._items, item.stamp - self._span, key=lambda i: i.stamp)
            del self._items[:old]
        return jumped

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()

    @property
    def items(self) -> list[Item]:
        """All items, oldest first."""
        return self._items

    @property
    def newest(self) -> Item | None:
        """The newest item."""
        return self._items[-1] if self._items else None

    def around(self, start: int, end: int) -> list[Item]:
        """The items from `start` to `end` (ns), and one more to either side if there is one."""
        first = bisect_left(self._items, start, key=lambda i: i.stamp)
        last = bisect_left(self._items, end, key=lambda i: i.stamp)
        return self._items[max(0, first - 1) : last + 1]


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
        nearest = items[min(after, len(items) - 1)] if items else None
        if nearest is None or abs(stamp - nearest.stamp) > self._patience:
            return None
        return _carried_on(nearest, (stamp - nearest.stamp) / 1e9)


def _between(before: Odometry, after: Odometry, stamp: int) -> PlanarPose:
    share = (stamp - before.stamp) / (after.stamp - before.stamp)
    return PlanarPose(
        before.x + share * (after.x - before.x),
        before.y + share * (after.y - before.y),
        before.yaw + share * math.remainder(after.yaw - before.yaw, math.tau),
    )


def _carried_on(odometry: Odometry, seconds: float) -> PlanarPose:
    heading = odometry.yaw + odometry.yaw_rate * seconds / 2
    way = odometry.speed * seconds
    return PlanarPose(
        odometry.x + way * math.cos(heading),
        odometry.y + way * math.sin(heading),
        odometry.yaw + odometry.yaw_rate * seconds,
    )
