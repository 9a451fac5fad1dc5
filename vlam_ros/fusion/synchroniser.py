"""Waiting for slower sensors: an image comes before the LiDAR sweep that belongs to it.

Stamps and times are in nanoseconds of the node's clock, which is passed in: simulated time and bags
work. Nothing queues up: little is held, and what is passed over is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Generic, TypeVar

Item = TypeVar("Item")

LOOK_PERIOD = 0.02
"""s from one look at what waits to the next, beside those when something comes."""
STAMPS_KEPT = 64
LONGEST_HALF = 100_000_000
"""ns; a robot moves in the frames of cameras that are slower than 5 Hz."""


def half_frame(*streams: Sequence[int]) -> int:
    """Half of the time (ns) from one frame of a camera to the next, by the rising stamps of its
    images and of what comes with each: what lost some of them tells less. 1 before two came.
    """
    frames = []
    for stamps in streams:
        if gaps := sorted(b - a for a, b in pairwise(stamps) if b > a):
            frames.append(gaps[(len(gaps) - 1) // 2])
    return max(1, min(LONGEST_HALF, min(frames) // 2)) if frames else 1


def belonging(stamps: Iterable[int], stamp: int, half: int) -> int | None:
    """The stamp of what belongs to the image taken at a stamp: the nearest, if that is within half
    a frame. Some drivers stamp image, camera_info and depth of one frame a little apart.
    """
    nearest = min(stamps, key=lambda other: abs(other - stamp), default=None)
    return nearest if nearest is not None and abs(nearest - stamp) < half else None


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
