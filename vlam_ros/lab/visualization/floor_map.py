"""The floor seen from above: x ahead is up, y left is left, with a grid in metres.

Places are in `base_link`, float[N,2] in metres; pixels are float[N,2] (column, row) of the map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.lab.visualization.symbols import polygon
from vlam_ros.types import Camera, FloatArray, Uint8Array
from vlam_ros.visualization.canvas import REGULAR, Colour, text_width, write

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
_TEXT = 0.5
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
    _write_to(canvas, "x ahead", LEFT - 8, ABOVE - 8)
    _write_to(canvas, "y left", LEFT - 8, ABOVE + SIDE + 20)
    for value, column, row in _lines(floor_map):
        label = f"{value:.1f} m" if value else "0 m"
        if row is not None:
            _write_to(canvas, label, LEFT - 8, ABOVE + row + 5)
        if column is not None:
            half = text_width(label, REGULAR, _TEXT) // 2
            _write_to(canvas, label, LEFT + column + half, ABOVE + SIDE + 20)


def floor_in_view(camera: Camera) -> Pixels:
    """The outline [N,2] of the floor z = 0 in the image; none if there is no floor in it."""
    u = np.linspace(-0.5, camera.width - 0.5, _BORDER)
    v = np.linspace(-0.5, camera.height - 0.5, _BORDER)
    top, right = np.stack([u, np.full_like(u, v[0])]), np.stack([np.full_like(v, u[-1]), v])
    bottom, left = np.stack([u, np.full_like(u, v[-1])]), np.stack([np.full_like(v, u[0]), v])
    border = np.concatenate([top, right, bottom[:, ::-1], left[:, ::-1]], axis=1).T
    rays = camera.rays(border) @ np.asarray(camera.rotation, np.float64).T
    height = float(camera.position[2])
    # Also false for the NaN of a distortion without inverse.
    falling = rays[rays[:, 2] < 0]
    if height <= 0 or not len(falling):
        return np.zeros((0, 2))
    away = falling[:, :2] * (height / -falling[:, 2:])
    away *= np.minimum(1.0, _HORIZON / np.maximum(np.hypot(*away.T), 1e-9))[:, None]
    return np.asarray(camera.position, np.float64)[:2] + away


def _write_to(canvas: Uint8Array, text: str, right: int, y: int) -> None:
    left = right - text_width(text, REGULAR, _TEXT)
    write(canvas, text, (left, y), REGULAR, _TEXT, AXIS_TEXT)


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
