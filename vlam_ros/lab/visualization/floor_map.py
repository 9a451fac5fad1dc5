"""The floor seen from above, x ahead up and y left left, with symbols and their labels on it.

Places are in `base_link`, float[N,2] in metres; pixels are float[N,2] (column, row) of the map. A
heading is an angle in rad as on the map: 0 is up, and positive turns left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.types import BoolArray, Camera, FloatArray, Uint8Array
from vlam_ros.visualization.canvas import REGULAR, Colour, Rectangle, overlap, text_width, write

Pixel = tuple[float, float]
"""Column and row."""

PATH: Colour = (30, 64, 190)
EVENT: Colour = (255, 184, 48)
ROBOT: Colour = (222, 226, 234)
ROBOT_EDGE: Colour = (70, 77, 92)
OBSTACLE: Colour = (74, 82, 98)
TURN: Colour = (205, 210, 219)
"""The line from the robot to a waypoint that only turns it."""
WAYPOINT = 8.0
"""Pixels from the middle of a waypoint's symbol to its tip."""

_SHIFT = 4
"""Bits of a fraction of a pixel."""
_DASH = 5.0
"""Half the length of a dash with its gap, in pixels."""
_FAR_OFF = 1e5
"""Pixels from the image beyond which nothing needs to be told apart."""
RIGHT_FIRST = (0, 180, 90, 270, 45, 135, 315, 225)
LEFT_FIRST = (180, 0, 90, 270, 135, 45, 225, 315)
"""Directions, in degrees, in which a label is tried to lie: beside, above and below, then askew."""

_RINGS, _STEP = 14, 12.0
"""Distances at which a label is tried to lie, and the pixels between them."""
_BESIDE = 8.0
"""Pixels up to which no line is needed; before a number it would look like a minus."""


def polygon(
    canvas: Uint8Array, corners: FloatArray, paper: Colour, edge: Colour | None = None
) -> None:
    """Fill a polygon [N,2]."""
    cv2.fillPoly(canvas, [_fixed(corners)], paper, cv2.LINE_AA, _SHIFT)
    if edge:
        line(canvas, corners, edge, closed=True)


def line(
    canvas: Uint8Array,
    corners: FloatArray,
    colour: Colour,
    thickness: int = 1,
    closed: bool = False,
) -> None:
    """Draw a line through points [N,2]."""
    cv2.polylines(canvas, [_fixed(corners)], closed, colour, thickness, cv2.LINE_AA, _SHIFT)


def ring(
    canvas: Uint8Array,
    middle: Pixel,
    radius: float,
    colour: Colour,
    thickness: int = 1,
    dashed: bool = False,
) -> None:
    """Draw a circle, whole or in dashes."""
    count = max(5, round(math.pi * radius / _DASH)) if dashed else 1
    share = 0.55 if dashed else 1.0
    for start in 2 * math.pi * np.arange(count) / count:
        angles = np.linspace(start, start + share * 2 * math.pi / count, max(4, 64 // count))
        line(canvas, _around(middle, radius, angles), colour, thickness)


def disc(
    canvas: Uint8Array, middle: Pixel, radius: float, paper: Colour, dashed: bool = False
) -> None:
    """Draw an object: a disc with an edge, whole or in dashes."""
    polygon(canvas, _around(middle, radius, np.linspace(0, 2 * math.pi, 64)), paper)
    ring(canvas, middle, radius, edge_of(paper), 2 if dashed or radius > 16 else 1, dashed)


def waypoint(canvas: Uint8Array, middle: Pixel, heading: float | None) -> None:
    """Draw a waypoint: an arrowhead, or a dot if it has no heading."""
    if heading is None:
        corners = _around(middle, 0.6 * WAYPOINT, np.linspace(0, 2 * math.pi, 16))
    else:
        corners = _turned(
            np.array([[0, -1], [0.65, 0.75], [0, 0.4], [-0.65, 0.75]]) * WAYPOINT, middle, heading
        )
    line(canvas, corners, (255, 255, 255), 2, closed=True)
    polygon(canvas, corners, PATH)


def beyond(canvas: Uint8Array, middle: Pixel, heading: float, paper: Colour) -> None:
    """Draw an object that is outside of the map, in the direction of a heading."""
    corners = _turned(np.array([[0, -9.0], [8, 6], [-8, 6]]), middle, heading)
    polygon(canvas, corners, paper, edge_of(paper))


def robot(canvas: Uint8Array, footprint: FloatArray, origin: Pixel) -> None:
    """Draw the robot: its outline [N,2], and an arrow ahead whose tip is its origin."""
    polygon(canvas, footprint, ROBOT)
    line(canvas, footprint, ROBOT_EDGE, 2, closed=True)
    rear = float(np.asarray(footprint)[:, 1].max())
    length = max(6.0, min(30.0, 0.7 * (rear - origin[1])))
    arrow = np.array([(0, 0), (0.4, 0.45), (0.13, 0.45), (0.13, 1), (-0.13, 1), (-0.13, 0.45),
                      (-0.4, 0.45)])  # fmt: skip
    polygon(canvas, length * arrow + origin, ROBOT_EDGE)


def edge_of(paper: Colour) -> Colour:
    """The darker colour of the edge around a colour."""
    red, green, blue = (round(0.5 * c) for c in paper)
    return red, green, blue


def _around(middle: Pixel, radius: float, angles: FloatArray) -> npt.NDArray[np.float64]:
    return np.column_stack([np.cos(angles), np.sin(angles)]) * radius + middle


def _turned(
    corners: npt.NDArray[np.float64], middle: Pixel, heading: float
) -> npt.NDArray[np.float64]:
    c, s = math.cos(heading), math.sin(heading)
    return corners @ np.array([[c, -s], [s, c]]) + middle


def _fixed(corners: FloatArray) -> npt.NDArray[np.int32]:
    near = np.clip(corners, -_FAR_OFF, _FAR_OFF)
    return np.rint(near * 2**_SHIFT).astype(np.int32)


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


Pixels = npt.NDArray[np.float64]

SIDE = 680
"""Pixels of the map along each side."""
LEFT, ABOVE, BELOW = 66, 28, 30
"""Pixels of the strips around the map, where the grid is labelled."""
LEAST, BEHIND = 3.0, 0.5
"""Metres that the map shows at least, and of them behind the robot's origin."""
FARTHEST = 8.0
"""Metres from the robot in which the map grows with what there is to be shown."""

WHITE: Colour = (255, 255, 255)
AXIS_TEXT: Colour = (88, 95, 108)
SEEN: Colour = (255, 246, 219)
"""The part of the floor that the camera sees."""
SEEN_EDGE: Colour = (240, 214, 140)

_LIMIT = 1e6
"""Metres beyond which all places are as far away as this."""
_AROUND = 0.35
"""Metres around what is shown, for its label."""
_GRID: Colour = (226, 229, 235)
_AXIS: Colour = (184, 190, 202)
_STEPS = (0.5, 1.0, 2.0, 5.0)
_MARGIN = 12
"""Pixels from the edge of the map in which there is no line of the grid."""
TEXT = 0.5
_BORDER = 240
"""Rays along each side of the image whose ends outline what the camera sees."""
_HORIZON = 100.0
"""Metres to which the camera's view of the floor is drawn."""


@dataclass(frozen=True)
class FloorMap:
    """Which square of the floor is shown: `side` metres, `ahead` is the x of the upper edge."""

    side: float
    ahead: float

    @classmethod
    def around(cls, places: FloatArray) -> FloorMap:
        """The least map of robot and places, but for those that are too far away."""
        near = places[np.hypot(places[:, 0], places[:, 1]) < FARTHEST]
        rear = min(-BEHIND, float(near[:, 0].min(initial=0.0)) - _AROUND)
        front = float(near[:, 0].max(initial=0.0)) + _AROUND
        width = 2 * (float(np.abs(near[:, 1]).max(initial=0.0)) + _AROUND)
        side = max(LEAST, math.ceil(2 * max(front - rear, width)) / 2)
        return cls(side, rear + side)

    @property
    def scale(self) -> float:
        """Pixels of a metre."""
        return SIDE / self.side

    def pixels(self, places: npt.ArrayLike) -> Pixels:
        """The pixels of places [N,2], of which those outside of the map are outside of it too."""
        x, y = np.clip(np.asarray(places, np.float64).reshape(-1, 2), -_LIMIT, _LIMIT).T
        return np.column_stack([self.side / 2 - y, self.ahead - x]) * self.scale - 0.5

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """The pixel (column, row) of one place."""
        column, row = self.pixels([x, y])[0]
        return float(column), float(row)


def draw_floor(image: Uint8Array, floor_map: FloorMap, camera: Camera | None) -> None:
    """Draw what the camera sees of the floor, and over that the grid, on the map's image."""
    image[:] = WHITE
    seen = np.zeros((0, 2)) if camera is None else floor_in_view(camera)
    if len(seen):
        polygon(image, floor_map.pixels(seen), SEEN, SEEN_EDGE)
    for value, column, row in _lines(floor_map):
        colour = _GRID if value else _AXIS
        if column is not None:
            cv2.line(image, (column, 0), (column, SIDE - 1), colour)
        if row is not None:
            cv2.line(image, (0, row), (SIDE - 1, row), colour)
    cv2.rectangle(image, (0, 0), (SIDE - 1, SIDE - 1), _AXIS)


def draw_scales(canvas: Uint8Array, floor_map: FloorMap) -> None:
    """Label the grid on a canvas that has the corner of the map's image at (LEFT, ABOVE)."""
    write_to(canvas, "x ahead", LEFT - 8, ABOVE - 8)
    write_to(canvas, "y left", LEFT - 8, ABOVE + SIDE + 20)
    for value, column, row in _lines(floor_map):
        label = f"{value:.1f} m" if value else "0 m"
        if row is not None:
            write_to(canvas, label, LEFT - 8, ABOVE + row + 5)
        if column is not None:
            half = text_width(label, REGULAR, TEXT) // 2
            write_to(canvas, label, LEFT + column + half, ABOVE + SIDE + 20)


def floor_in_view(camera: Camera) -> Pixels:
    """The outline [N,2] of the floor z = 0 in the image; none if there is no floor in it."""
    u = np.linspace(-0.5, camera.width - 0.5, _BORDER)
    v = np.linspace(-0.5, camera.height - 0.5, _BORDER)
    sides = ((u, v[0]), (u[-1], v), (u[::-1], v[-1]), (u[0], v[::-1]))
    border = np.concatenate([np.column_stack(np.broadcast_arrays(*side)) for side in sides])
    rays = camera.rays(border) @ np.asarray(camera.rotation, np.float64).T
    height = float(camera.position[2])
    # Also false for the NaN of a distortion without inverse.
    falling = rays[rays[:, 2] < 0]
    if height <= 0 or not len(falling):
        return np.zeros((0, 2))
    away = falling[:, :2] * (height / -falling[:, 2:])
    away *= np.minimum(1.0, _HORIZON / np.maximum(np.hypot(*away.T), 1e-9))[:, None]
    return np.asarray(camera.position, np.float64)[:2] + away


def write_to(canvas: Uint8Array, text: str, right: int, y: int, ink: Colour = AXIS_TEXT) -> None:
    """Write text that ends at a column."""
    left = right - text_width(text, REGULAR, TEXT)
    write(canvas, text, (left, y), REGULAR, TEXT, ink)


def _lines(floor_map: FloorMap) -> list[tuple[float, int | None, int | None]]:
    """The lines of the grid: metres, the column where this is y, the row where it is x."""
    step = next((s for s in _STEPS if floor_map.side / s <= 9), _STEPS[-1])
    reach = math.ceil((floor_map.side + abs(floor_map.ahead)) / step)
    lines: list[tuple[float, int | None, int | None]] = []
    for k in range(-reach, reach + 1):
        places = (round(c) for c in floor_map.pixel(k * step, k * step))
        column, row = (c if _MARGIN <= c < SIDE - _MARGIN else None for c in places)
        lines.append((k * step, column, row))
    # The axes are drawn last, and not crossed by other lines.
    return sorted(lines, key=lambda line: line[0] == 0)
