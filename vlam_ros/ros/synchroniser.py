"""Waiting for slower sensors: an image comes before the LiDAR sweep that belongs to it.

Stamps and times are in nanoseconds of the node's clock, which is passed in: simulated time and bags
work. Nothing queues up: the rooms are small, and what is passed over is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from vlam_ros.ros.observation import DEPTHS_KEPT

Item = TypeVar("Item")

LOOK_PERIOD = 0.02
"""s from one look at what waits to the next, beside those when something comes."""
DEPTH_MARGIN = 0.05
"""Seconds that depth is on its way: fusion_node waits for a sweep as long as it may, and makes the
best of the last one then.
"""
IMAGES_KEPT = 8
STAMPS_KEPT = 64
MISSES = 3
"""ImageSelector that waited for their depth in vain, after which the next ones do not wait."""


class Synchroniser(Generic[Item]):
    """Holds stamped items until they are ready, or have waited long enough."""

    def __init__(self, wait: int, kept: int) -> None:
        """Hold at most `kept` items, each until the clock is `wait` ns from its stamp."""
        self._wait = wait
        self._kept = kept
        self._items: list[tuple[int, Item]] = []
        self.passed_over = 0

    @property
    def deadline(self) -> int | None:
        """When (ns) the oldest has waited as long as it may; None while nothing waits."""
        return self._items[0][0] + self._wait if self._items else None

    def put(self, stamp: int, item: Item) -> None:
        """Hold an item, newer than those held."""
        if len(self._items) == self._kept:
            # Not the oldest: it is due first, and where all are pushed out none ever is.
            del self._items[-1]
            self.passed_over += 1
        self._items.append((stamp, item))

    def due(self, now: int, ready: Callable[[int], bool]) -> list[tuple[int, Item]]:
        """Let go the newest that is `ready`, or whose stamp is long ago (or as far ahead of the
        clock: there is nothing to wait for), with all before it; oldest first.
        """
        count = len(self._items)
        while count:
            stamp = self._items[count - 1][0]
            if abs(now - stamp) >= self._wait or ready(stamp):
                break
            count -= 1
        let_go, self._items = self._items[:count], self._items[count:]
        return let_go

    def clear(self) -> None:
        """Time jumped: what waits is of another time."""
        self._items.clear()


class ImageSelector(Generic[Item]):
    """Which image is decided on next: the newest that has its depth, or the newest that has
    waited for it as long as it may. Where no depth is to be expected none waits.
    """

    def __init__(self, wait: int) -> None:
        """Let images wait until the clock is `wait` ns from their stamp."""
        self._room: Synchroniser[Item] = Synchroniser(wait, IMAGES_KEPT)
        self._depths: list[int] = []
        self._misses = 0
        self._passed_over = 0
        self.newest: int | None = None

    @property
    def passed_over(self) -> int:
        """How many images made room for a newer one."""
        return self._passed_over + self._room.passed_over

    def put(self, stamp: int, image: Item) -> None:
        """An image came, newer than those before."""
        self._room.put(stamp, image)
        self.newest = stamp

    def depth(self, stamp: int) -> None:
        """A depth image came, for the image with its stamp."""
        self._depths = [*self._depths, stamp][-DEPTHS_KEPT:]
        self._misses = 0

    def next(self, now: int, depth_published: bool) -> Item | None:
        """The image to decide on, if it is time for one; `depth_published` says whether there is
        anybody to wait for. A source of depth that has none for several images is not waited for
        until it has some again.
        """
        expected = depth_published and self._misses < MISSES
        due = self._room.due(now, lambda stamp: not expected or stamp in self._depths)
        if not due:
            return None
        self._passed_over += len(due) - 1
        stamp, image = due[-1]
        if expected and stamp not in self._depths:
            self._misses += 1
        return image

    def clear(self) -> None:
        """Time jumped: nothing that came belongs to what comes."""
        self._room.clear()
        self._depths.clear()
        self._misses = 0
        self.newest = None
