"""Images of a run's decisions, of which a report keeps only so many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

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
        draw_once = cache(draw)
        self._all.offer(index, draw_once)
        if important:
            self._important.offer(index, draw_once)

    @property
    def images(self) -> Mapping[int, DecisionImages]:
        """Those that are kept, in the order of the run."""
        return dict(sorted(self._all.kept + self._important.kept, key=lambda item: item[0]))


class _Shelf:
    """Keeps every so many of what comes, twice as many apart whenever it is full; `kept` are the
    places of decisions and their images.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._stride = 1
        self._count = 0
        self.kept: list[tuple[int, DecisionImages]] = []

    def offer(self, index: int, draw: Callable[[], DecisionImages]) -> None:
        number, self._count = self._count, self._count + 1
        if not self._capacity or number % self._stride:
            return
        if len(self.kept) == self._capacity:
            self._stride *= 2
            del self.kept[1::2]
        if number % self._stride == 0:
            self.kept.append((index, draw()))
