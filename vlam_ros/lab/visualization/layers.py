"""What a decision puts on the map: the objects of its scene and the rows of its chunk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlam_ros.actions import STOP, ActionTokenizer
from vlam_ros.lab.visualization.floor_map import (
    EVENT,
    LEFT_FIRST,
    PATH,
    RIGHT_FIRST,
    SIDE,
    TURN,
    WAYPOINT,
    WHITE,
    FloorMap,
    Labels,
    Named,
    Pixel,
    beyond,
    disc,
    edge_of,
    line,
    ring,
    waypoint,
)
from vlam_ros.types import ActionChunk, PositionSource, SceneObject, Uint8Array
from vlam_ros.visualization.canvas import (
    BOLD,
    LABEL_TEXT,
    Colour,
    Rectangle,
    draw_label,
    fitted,
    label_size,
    text_width,
    write,
)
from vlam_ros.visualization.overlay import Role, label_of

TURN_RADIUS = 0.6
"""Metres from the origin at which a row is drawn that only turns the base."""

_SAME = 12.0
"""Pixels within which rows are drawn as one, with all their numbers."""
_TEXT, _HEIGHT, _FARTHEST = 0.46, 13, 35
"""Of numbers: their size, and in pixels their height and the farthest they are from a waypoint."""
_LEAST_RADIUS = 6.0
"""Pixels, of objects that are small or of unknown size."""
_LARGEST_RADIUS, _LONGEST_LABEL, _LONGEST_REACH = 2.0 * SIDE, 0.5 * SIDE, 100.0
"""Pixels; a spread beyond the map must not drive the label out of it."""
_EDGE = 14
"""Pixels from the edge of the map to the symbol of what is beyond it."""


@dataclass(frozen=True)
class DecodedRow:
    """A decoded row of a chunk: what it does, and its pose in metres and radians, NaN if unused."""

    index: int
    skill: str
    pose: tuple[float, float, float, float]
    stops: bool

    @property
    def place(self) -> tuple[float, float] | None:
        """Where it is drawn in `base_link`: its x and y, or on a circle where it turns to."""
        x, y, _, theta = self.pose
        if not (math.isnan(x) or math.isnan(y)):
            return x, y
        if self.turns:
            return TURN_RADIUS * math.cos(theta), TURN_RADIUS * math.sin(theta)
        return None

    @property
    def turns(self) -> bool:
        """Whether it uses nothing but theta."""
        return all(map(math.isnan, self.pose[:3])) and not math.isnan(self.pose[3])

    @property
    def is_event(self) -> bool:
        """Whether the gripper acts: a row without a pose that does not stop the robot."""
        return not self.stops and all(map(math.isnan, self.pose))


def decoded_rows(chunk: ActionChunk) -> list[DecodedRow]:
    """The rows of a chunk; ActionError if they are not of its action space."""
    rows = []
    for index, (cmd, *pose) in enumerate(ActionTokenizer(chunk.space).decode(chunk.tokens)):
        x, y, z, theta = map(float, pose)
        rows.append(DecodedRow(index, chunk.space.names[int(cmd)], (x, y, z, theta), cmd == STOP))
    return rows


class WaypointLayer:
    """The waypoints of a chunk, drawn at the pixels of a map."""

    def __init__(self, rows: Sequence[DecodedRow], floor_map: FloorMap) -> None:
        self._origin = floor_map.pixel(0.0, 0.0)
        moving = [row for row in rows if not row.stops]
        self._placed = [(r, floor_map.pixel(*r.place)) for r in moving if r.place is not None]
        self._events = [(r, self._where(r)) for r in moving if r.is_event and self._placed]

    def keep_free(self, labels: Labels) -> None:
        """Let no label cover a waypoint or an event."""
        for _, pixel in self._placed:
            labels.keep_free(pixel, 0.7 * WAYPOINT)

    def draw(self, image: Uint8Array) -> None:
        """Draw the way and its waypoints, the first one on top."""
        for row, pixel in self._placed:
            if row.turns:
                line(image, np.array([self._origin, pixel]), TURN)
        line(image, np.array([pixel for _, pixel in self._placed]).reshape(-1, 2), PATH, 2)
        for row, pixel in reversed(self._placed):
            theta = row.pose[3]
            waypoint(image, pixel, None if math.isnan(theta) else theta)

    def add_labels(self, labels: Labels) -> None:
        """Name the events, and number the rows as far as there is room, the ends of the way first.

        Numbers are on the outer side of a way that leads to the left or to the right.
        """
        for row, pixel in self._events:
            named = Named(pixel, WAYPOINT, edge_of(EVENT))
            _add_label(labels, f"event {row.index}", named, EVENT, 1.0, BOLD, gap=16)
        groups = self._groups()
        leftward = bool(groups) and groups[-1][1][0] <= groups[0][1][0]
        directions = RIGHT_FIRST if leftward else LEFT_FIRST
        for indices, pixel in groups[-1:] + groups[:-1]:
            _add_numbers(labels, _ranges(indices), pixel, directions)

    def _where(self, event: DecodedRow) -> Pixel:
        """An event happens where the row before it leads to, or the next one."""
        before = [pixel for row, pixel in self._placed if row.index < event.index]
        return before[-1] if before else self._placed[0][1]

    def _groups(self) -> list[tuple[list[int], Pixel]]:
        """Numbers of the rows that are drawn in one place, and that place."""
        groups: list[tuple[list[int], Pixel]] = []
        for row, pixel in self._placed:
            same = next((g for g in groups if math.dist(g[1], pixel) < _SAME), None)
            if same:
                same[0].append(row.index)
            else:
                groups.append(([row.index], pixel))
        return groups


def _add_label(
    labels: Labels, text: str, named: Named, paper: Colour, unit: float, font: int, gap: float = 5
) -> None:
    def draw(image: Uint8Array, place: Rectangle) -> None:
        draw_label(image, text, place, paper, unit, font)

    labels.add(named, label_size(text, unit, font), draw, gap)


def _add_numbers(labels: Labels, text: str, where: Pixel, directions: Sequence[int]) -> None:
    def draw(image: Uint8Array, place: Rectangle) -> None:
        x0, y0, x1, y1 = place
        image[y0:y1, x0:x1] = WHITE
        write(image, text, (x0 + 2, y1 - 2), BOLD, _TEXT, PATH)

    size = (text_width(text, BOLD, _TEXT) + 4, _HEIGHT)
    labels.add(Named(where, WAYPOINT, PATH), size, draw, 3, _FARTHEST, directions)


def _ranges(indices: Sequence[int]) -> str:
    """Rising numbers as people write them: "0-4, 6"."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


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
            text, font = label_of(it.thing, it.role), it.role.font
            if it.is_beyond and not it.role.value and it.thing.position:
                text += f", {math.hypot(*it.thing.position[:2]):.2f} m"
            text = fitted(text, _LONGEST_LABEL, font, LABEL_TEXT * self._unit)
            named = Named(it.middle, min(it.reach, _LONGEST_REACH), edge_of(it.role.colour))
            _add_label(labels, text, named, it.role.colour, self._unit, font)


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
