"""The objects of a scene on the map: where, how large, how certain, and how that is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlam_ros.types import PositionSource, SceneObject, Uint8Array
from vlam_ros.visualization.canvas import LABEL_TEXT, Rectangle, draw_label, fitted, label_size
from vlam_ros.visualization.floor_map import SIDE, FloorMap
from vlam_ros.visualization.labels import Labels, Named
from vlam_ros.visualization.roles import Role, label_of
from vlam_ros.visualization.symbols import Pixel, beyond, disc, edge_of, ring

_LEAST_RADIUS = 6.0
"""Pixels, of objects that are small or of unknown size."""
_LARGEST_RADIUS, _LONGEST_LABEL, _LONGEST_REACH = 2.0 * SIDE, 0.5 * SIDE, 100.0
"""Pixels; a spread beyond the map must not drive the label out of it."""
_EDGE = 14
"""Pixels from the edge of the map to the symbol of what is beyond it."""


@dataclass(frozen=True)
class _Drawn:
    """An object in pixels: `reach` is its `radius` and its spread, `heading` the way there."""

    thing: SceneObject
    role: Role
    middle: Pixel
    radius: float
    reach: float
    heading: float
    is_beyond: bool


class ObjectLayer:
    """The objects that have a place, drawn at the pixels of a map."""

    def __init__(
        self, objects: Sequence[tuple[SceneObject, Role]], floor_map: FloorMap, unit: float
    ) -> None:
        self._unit = unit
        self._drawn = [_drawn(thing, role, floor_map) for thing, role in objects]

    def draw(self, image: Uint8Array) -> None:
        """Draw each as large as it is in a ring that is wider by its spread, what matters last.

        What is placed on the ground plane has dashed edges. What is beyond the map is a triangle
        at its edge, in the direction in which it is.
        """
        for it in self._drawn:
            if it.is_beyond:
                beyond(image, it.middle, it.heading, it.role.colour)
                continue
            dashed = it.thing.source is PositionSource.GROUND_PLANE
            disc(image, it.middle, it.radius, it.role.colour, dashed)
            if it.reach > it.radius:
                ring(image, it.middle, it.reach, edge_of(it.role.colour), 1, dashed)

    def keep_free(self, labels: Labels) -> None:
        """Let no label cover an object."""
        for it in self._drawn:
            labels.keep_free(it.middle, min(max(it.radius, 0.8 * it.reach), _LONGEST_REACH))

    def add_labels(self, labels: Labels) -> None:
        """Label the objects, what matters first."""
        for it in reversed(self._drawn):
            _add_label(labels, it, self._unit)


def is_placed(thing: SceneObject) -> bool:
    """Whether it is known where an object is."""
    return thing.position is not None and all(map(math.isfinite, thing.position[:2]))


def _drawn(thing: SceneObject, role: Role, floor_map: FloorMap) -> _Drawn:
    x, y = thing.position[:2] if thing.position else (0.0, 0.0)
    middle, heading = floor_map.pixel(x, y), math.atan2(y, x)
    if not all(0 <= c < SIDE for c in middle):
        edge = _at_edge(floor_map.pixel(0.0, 0.0), heading)
        return _Drawn(thing, role, edge, _EDGE, _EDGE, heading, True)
    size, spread = (v if 0 < v < math.inf else 0.0 for v in (thing.size, thing.spread))
    radius = min(max(_LEAST_RADIUS, size / 2 * floor_map.scale), _LARGEST_RADIUS)
    reach = min(radius + spread * floor_map.scale, _LARGEST_RADIUS)
    return _Drawn(thing, role, middle, radius, reach, heading, False)


def _at_edge(origin: Pixel, heading: float) -> Pixel:
    """Where the straight way from the origin in a direction leaves the map."""
    start, way = np.array(origin), np.array([-math.sin(heading), -math.cos(heading)])
    room = np.where(way > 0, SIDE - 1 - _EDGE - start, start - _EDGE)
    column, row = start + way * (room / np.maximum(np.abs(way), 1e-9)).min()
    return float(column), float(row)


def _add_label(labels: Labels, it: _Drawn, unit: float) -> None:
    text, font = label_of(it.thing, it.role), it.role.font
    if it.is_beyond and not it.role.value and it.thing.position:
        text += f", {math.hypot(*it.thing.position[:2]):.2f} m"
    text = fitted(text, _LONGEST_LABEL, font, LABEL_TEXT * unit)

    def draw(image: Uint8Array, place: Rectangle) -> None:
        draw_label(image, text, place, it.role.colour, unit, font)

    named = Named(it.middle, min(it.reach, _LONGEST_REACH), edge_of(it.role.colour))
    labels.add(named, label_size(text, unit, font), draw)
