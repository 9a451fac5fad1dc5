"""What stands beside the top view: the rows of the chunk, what has no place, and the legend."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from vlam_ros.actions import due_times
from vlam_ros.types import ActionChunk, Camera, Missing, Obstacles, Uint8Array
from vlam_ros.visualization.canvas import (
    BOLD,
    INK,
    QUIET,
    REGULAR,
    Colour,
    draw_label,
    fitted,
    label_size,
    text_width,
    write,
)
from vlam_ros.visualization.floor_map import AXIS_TEXT, SEEN, SEEN_EDGE, WHITE
from vlam_ros.visualization.roles import OTHER
from vlam_ros.visualization.symbols import (
    EVENT,
    OBSTACLE,
    RETURN,
    disc,
    edge_of,
    polygon,
    ring,
    robot,
    waypoint,
)
from vlam_ros.visualization.waypoints import Row

PANEL_WIDTH = 400

_TEXT, _TITLE = 0.5, 0.56
_LINE = 23
_SYMBOL, _TO_TEXT = 14, 38
"""Pixels from the left to the middle of a symbol of the legend, and to its text."""
_ROOM = PANEL_WIDTH - 18
_MOST_ROWS, _MOST_UNPLACED = 12, 3
_COLUMNS = (("row", 30), ("due", 80), ("x", 222), ("y", 274), ("z", 326), ("theta", _ROOM))
"""Headers and right ends of the numbers in the table of rows."""
_SKILL, _SKILL_WIDTH = 96, 84
"""The table's column of skills."""

Symbol = Callable[[Uint8Array, tuple[float, float]], None]
"""Draws a symbol on a panel around a pixel."""


def side_panel(
    height: int,
    chunk: ActionChunk,
    rows: Sequence[Row],
    unplaced: Sequence[str],
    legend: Sequence[tuple[Symbol, str]],
) -> Uint8Array:
    """The panel uint8[height, PANEL_WIDTH, 3]; `unplaced` are labels of objects without a place."""
    panel = np.full((height, PANEL_WIDTH, 3), WHITE, np.uint8)
    y = _draw_rows(panel, chunk, rows)
    _draw_unplaced(panel, unplaced, y + _LINE)
    _draw_legend(panel, legend)
    return panel


def legend_of(
    obstacles: Obstacles | Missing, has_points: bool, camera: Camera | Missing
) -> list[tuple[Symbol, str]]:
    """The symbols of the map and what they mean, or why there are none of them."""

    def meaning(data: object, text: str, nothing: str) -> str:
        return f"{nothing}: {data.reason}" if isinstance(data, Missing) else text

    legend: list[tuple[Symbol, str]] = [
        (_robot, "robot; the tip of its arrow is its origin"),
        (_view, meaning(camera, "floor that the camera sees", "camera unknown")),
        (_obstacle, meaning(obstacles, "LiDAR return on an obstacle", "obstacles unknown")),
    ]
    if has_points:
        legend.append((_return, "other LiDAR return"))
    return [
        *legend,
        (_measured, "object, placed by measured depth"),
        (_grounded, "object, placed on the ground plane"),
        (_spread, "thin ring: wider by its spread (1 sigma)"),
        (_waypoint, "waypoint with its heading; numbers: rows"),
        (_event, "event: the gripper acts there"),
    ]


def _draw_rows(panel: Uint8Array, chunk: ActionChunk, rows: Sequence[Row]) -> int:
    """Draw the table of rows; returns where it ends."""
    y = 30
    write(panel, "rows of the action chunk (s, m, rad)", (0, y), BOLD, _TITLE, INK)
    y += _LINE + 4
    for header, right in _COLUMNS:
        _write_to(panel, header, right, y, AXIS_TEXT)
    _write_from(panel, "skill", _SKILL, y, AXIS_TEXT)
    cv2.line(panel, (0, y + 8), (_ROOM, y + 8), QUIET)
    y += 6
    for row, due in zip(rows[:_MOST_ROWS], due_times(chunk), strict=False):
        y += _LINE
        _draw_row(panel, row, (due - chunk.stamp) / 1e9, y)
    if len(rows) > _MOST_ROWS:
        y += _LINE
        _write_from(panel, f"and {len(rows) - _MOST_ROWS} more", _SKILL, y, AXIS_TEXT)
    return y


def _draw_row(panel: Uint8Array, row: Row, due: float, y: int) -> None:
    cells = [f"{row.index}", f"{due:.2f}"]
    if row.is_event:
        cells += ["", "", "", ""]
        width, height = label_size("event", 1.0, BOLD)
        place = (_ROOM - width, y - 14, _ROOM, y - 14 + height)
        draw_label(panel, "event", place, EVENT, 1.0, BOLD)
    else:
        cells += ["-" if math.isnan(value) else f"{value:.2f}" for value in row.pose]
    for (_, right), cell in zip(_COLUMNS, cells, strict=True):
        _write_to(panel, cell, right, y, INK)
    _write_from(panel, row.skill, _SKILL, y, INK, _SKILL_WIDTH)


def _draw_unplaced(panel: Uint8Array, labels: Sequence[str], y: int) -> None:
    if not labels:
        return
    lines = list(labels[:_MOST_UNPLACED])
    if len(labels) > _MOST_UNPLACED:
        lines.append(f"and {len(labels) - _MOST_UNPLACED} more")
    y += _LINE
    write(panel, "seen, but place unknown", (0, y), BOLD, _TITLE, INK)
    for line in lines:
        y += _LINE
        _write_from(panel, line, 0, y, INK)


def _draw_legend(panel: Uint8Array, legend: Sequence[tuple[Symbol, str]]) -> None:
    """Draw the legend at the bottom."""
    y = panel.shape[0] - _LINE * len(legend) - 4
    for draw, text in legend:
        draw(panel, (_SYMBOL, y + 10))
        _write_from(panel, text, _TO_TEXT, y + 15, INK, _ROOM - _TO_TEXT)
        y += _LINE


def _write_from(
    panel: Uint8Array, text: str, left: int, y: int, ink: Colour, width: int = _ROOM
) -> None:
    write(panel, fitted(text, width, REGULAR, _TEXT), (left, y), REGULAR, _TEXT, ink)


def _write_to(panel: Uint8Array, text: str, right: int, y: int, ink: Colour) -> None:
    write(panel, text, (right - text_width(text, REGULAR, _TEXT), y), REGULAR, _TEXT, ink)


def _robot(panel: Uint8Array, at: tuple[float, float]) -> None:
    x, y = at
    corners = np.array([(x - 8, y - 9), (x + 8, y - 9), (x + 8, y + 9), (x - 8, y + 9)])
    robot(panel, corners, (x, y - 5))


def _view(panel: Uint8Array, at: tuple[float, float]) -> None:
    x, y = at
    corners = np.array([(x - 5, y + 8), (x - 13, y - 8), (x + 13, y - 8), (x + 5, y + 8)])
    polygon(panel, corners, SEEN, SEEN_EDGE)


def _obstacle(panel: Uint8Array, at: tuple[float, float]) -> None:
    _squares(panel, at, OBSTACLE, 3)


def _return(panel: Uint8Array, at: tuple[float, float]) -> None:
    _squares(panel, at, RETURN, 2)


def _squares(panel: Uint8Array, at: tuple[float, float], colour: Colour, size: int) -> None:
    for dx, dy in ((-9, 2), (-4, -4), (1, 3), (6, -2), (10, 4)):
        x, y = round(at[0]) + dx, round(at[1]) + dy
        panel[y : y + size, x : x + size] = colour


def _measured(panel: Uint8Array, at: tuple[float, float]) -> None:
    disc(panel, at, 8, OTHER)


def _grounded(panel: Uint8Array, at: tuple[float, float]) -> None:
    disc(panel, at, 8, OTHER, dashed=True)


def _spread(panel: Uint8Array, at: tuple[float, float]) -> None:
    disc(panel, at, 5, OTHER)
    ring(panel, at, 9.5, edge_of(OTHER))


def _waypoint(panel: Uint8Array, at: tuple[float, float]) -> None:
    waypoint(panel, at, 0.0)


def _event(panel: Uint8Array, at: tuple[float, float]) -> None:
    x, y = round(at[0]), round(at[1])
    cv2.rectangle(panel, (x - 11, y - 6), (x + 11, y + 6), EVENT, cv2.FILLED)
