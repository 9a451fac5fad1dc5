"""The last seconds of a sensor, in order of their stamps."""

from __future__ import annotations

from bisect import bisect_left
from typing import Generic, Protocol, TypeVar

JUMP = 100_000_000
"""ns; a stamp that much older than the newest one is not late: time itself jumped back."""


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
