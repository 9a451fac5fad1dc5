"""Images of a run's decisions, of which a report keeps only so many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vlam_ros.errors import ReplayError


@dataclass(frozen=True)
class DecisionImages:
    """JPEGs of one decision: the camera's image with what is seen and decided, and the floor from
    above, if there is such an image.
    """

    overlay: bytes
    top_view: bytes | None


class ImageAlbum:
    """Keeps the images of some decisions while a run of unknown length goes on.

    Half of them are spread evenly over all decisions; the other half over the important ones, all
    of which are kept while there are few.
    """

    def __init__(self, limit: int = 200) -> None:
        """Keep so many at most, while the run goes on too. ReplayError if that is below 0."""
        if limit < 0:
            raise ReplayError(f"the number of images must be at least 0, got {limit}")
        self._all = _Shelf(limit - limit // 2)
        self._important = _Shelf(limit // 2)

    def offer(
        self, index: int, draw: Callable[[], DecisionImages], important: bool = False
    ) -> None:
        """The next decision: its place in the run, what draws its images, which is asked only
        if they are kept for now, and whether it is one that people will want to look at.
        """
        shelves = [self._all, self._important] if important else [self._all]
        wanting = [shelf for shelf in shelves if shelf.next_is_wanted()]
        if wanting:
            images = draw()
            for shelf in wanting:
                shelf.put(index, images)

    @property
    def images(self) -> Mapping[int, DecisionImages]:
        """Those that are kept, in the order of the run."""
        return dict(sorted({**self._all.kept, **self._important.kept}.items()))


class _Shelf:
    """Keeps every so many of what comes, twice as many apart whenever it is full."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._stride = 1
        self._come = 0
        self._kept: dict[int, tuple[int, DecisionImages]] = {}

    @property
    def kept(self) -> dict[int, DecisionImages]:
        """By the places of their decisions."""
        return dict(self._kept.values())

    def next_is_wanted(self) -> bool:
        """Whether the one that comes now is to be put here; there is room for it then."""
        place = self._come
        self._come += 1
        if not self._capacity or place % self._stride:
            return False
        if len(self._kept) == self._capacity:
            self._stride *= 2
            self._kept = {p: kept for p, kept in self._kept.items() if p % self._stride == 0}
        return place % self._stride == 0 and len(self._kept) < self._capacity

    def put(self, index: int, images: DecisionImages) -> None:
        """Put the one that was asked about last."""
        self._kept[self._come - 1] = index, images
