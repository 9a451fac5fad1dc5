"""Waiting for slower sensors: an image comes before the LiDAR sweep that belongs to it.

Stamps and times are in nanoseconds of the node's clock, which is passed in: simulated time and bags
work. Nothing queues up: little is held, and what is passed over is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

LOOK_PERIOD = 0.02
"""s from one look at what waits to the next, beside those when something comes."""
STAMPS_KEPT = 64


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
