"""Labels that find a free place beside what they name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vlam_ros.types import BoolArray, Uint8Array
from vlam_ros.visualization.canvas import Colour, Rectangle, overlap
from vlam_ros.visualization.symbols import Pixel, line

RIGHT_FIRST = (0, 180, 90, 270, 45, 135, 315, 225)
LEFT_FIRST = (180, 0, 90, 270, 135, 45, 225, 315)
"""Directions, in degrees, in which a label is tried to lie: beside, above and below, then askew."""

_RINGS, _STEP = 14, 12.0
"""Distances at which a label is tried to lie, and the pixels between them."""
_BESIDE = 8.0
"""Pixels up to which no line is needed; before a number it would look like a minus."""


class Named(NamedTuple):
    """What a label names: the middle of a symbol, and how far from that its leader begins."""

    middle: Pixel
    reach: float
    leader: Colour | None = None


class _Placed(NamedTuple):
    place: Rectangle
    named: Named
    draw: Callable[[Uint8Array, Rectangle], None]


class Labels:
    """Finds places for labels on an image, none over another, and draws them all at the end.

    `details` bool[height,width] are pixels that are better not covered, where that is possible.
    """

    def __init__(self, details: BoolArray) -> None:
        self._details = details
        self._taken: list[Rectangle] = []
        self._placed: list[_Placed] = []

    def keep_free(self, middle: Pixel, reach: float) -> None:
        """Let no label cover the square around a symbol."""
        (x, y), r = middle, math.ceil(reach)
        self._taken.append((round(x) - r, round(y) - r, round(x) + r + 1, round(y) + r + 1))

    def add(
        self,
        named: Named,
        size: tuple[int, int],
        draw: Callable[[Uint8Array, Rectangle], None],
        gap: float = 5.0,
        farthest: float = math.inf,
        directions: Sequence[int] = RIGHT_FIRST,
    ) -> None:
        """Add a label of a size, as near as it can be, at least `gap` pixels off what it names.

        Without a free place, or one within `farthest` pixels of the middle, it is left out.
        """
        start = named.reach + gap
        candidates = _candidates(size, named.middle, start, farthest, directions)
        free = [place for place in candidates if self._is_free(place)]
        clear = (p for p in free if not self._details[p[1] : p[3], p[0] : p[2]].any())
        place = next(clear, free[0] if free else None)
        if place:
            self._taken.append(place)
            self._placed.append(_Placed(place, named, draw))

    def draw(self, image: Uint8Array) -> None:
        """Draw all labels, over all the lines that lead to them."""
        for place, named, _ in self._placed:
            if named.leader:
                _draw_leader(image, named, place, named.leader)
        for place, _, draw in self._placed:
            draw(image, place)

    def _is_free(self, place: Rectangle) -> bool:
        height, width = self._details.shape
        inside = place[0] >= 0 and place[1] >= 0 and place[2] <= width and place[3] <= height
        return inside and not any(overlap(place, other) for other in self._taken)


def _draw_leader(image: Uint8Array, named: Named, place: Rectangle, colour: Colour) -> None:
    """Draw a line from what is named to its label, if that is not just beside it."""
    x, y = named.middle
    end = (min(max(x, place[0]), place[2] - 1), min(max(y, place[1]), place[3] - 1))
    way = np.subtract(end, named.middle)
    length = float(np.hypot(*way))
    if length > named.reach + _BESIDE:
        line(image, np.array([named.middle + named.reach / length * way, end]), colour)


def _candidates(
    size: tuple[int, int], middle: Pixel, nearest: float, farthest: float, directions: Sequence[int]
) -> Iterator[Rectangle]:
    """Rectangles whose nearest point is in one of the directions at ever larger distances."""
    width, height = size
    for distance in nearest + _STEP * np.arange(_RINGS):
        if distance > farthest:
            return
        for degrees in directions:
            right, up = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            left = round(middle[0] + right * distance - width * (1 - right) / 2)
            top = round(middle[1] - up * distance - height * (1 + up) / 2)
            yield left, top, left + width, top + height
