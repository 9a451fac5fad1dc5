"""An image of a decision from above: where the robot believes things are, and where it will go.

The floor in `base_link`, x ahead is up and y left is left, with the LiDAR's returns, the objects
with their size and spread, and the waypoints that the decision's chunk decodes to; beside it the
chunk's rows and the legend, over and under it what the overlay says too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np

from vlam_ros.actions import due_times
from vlam_ros.lab.visualization.floor_map import (
    ABOVE,
    AXIS_TEXT,
    BELOW,
    EVENT,
    LEFT,
    OBSTACLE,
    PATH,
    SEEN,
    SEEN_EDGE,
    SIDE,
    TEXT,
    WHITE,
    FloorMap,
    Labels,
    disc,
    draw_floor,
    draw_scales,
    edge_of,
    polygon,
    ring,
    robot,
    waypoint,
    write_to,
)
from vlam_ros.lab.visualization.layers import (
    DecodedRow,
    ObjectLayer,
    WaypointLayer,
    decoded_rows,
    is_placed,
)
from vlam_ros.types import ActionChunk, Camera, Decision, FloatArray, Missing, Obstacles, Uint8Array
from vlam_ros.visualization.canvas import (
    BOLD,
    INK,
    QUIET,
    REGULAR,
    Colour,
    draw_label,
    fitted,
    label_size,
    write,
)
from vlam_ros.visualization.overlay import OTHER, captioned, label_of, with_roles

UNIT = 1.25
"""By how much text is larger than in an overlay of 640 pixels."""

_RETURN = 3
"""Pixels of a LiDAR return along each side."""
_GUTTER = 24
"""Pixels between the map and what stands beside it."""
PANEL_WIDTH = 400

_TITLE = 0.56
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


def draw_top_view(
    decision: Decision,
    obstacles: Obstacles | Missing,
    camera: Camera | Missing,
    robot_box: Sequence[float],
) -> Uint8Array:
    """Draw a decision from above.

    Args:
        decision: objects and waypoints in `base_link`.
        obstacles: the LiDAR's returns that stand in the way.
        camera: of the decision's image, for what it sees of the floor.
        robot_box: rear and front x and half width (m), as in the parameter `fusion.robot_box`.

    Returns:
        uint8[H,W,3] RGB, about 1150 x 900.

    Raises:
        ActionError: the chunk's tokens are not of its action space.
    """
    rows = decoded_rows(decision.chunk)
    things = with_roles(decision.scene.objects, decision.plan)
    placed = [(o, role) for o, role in things if is_placed(o)]
    places = [o.position[:2] for o, _ in placed if o.position]
    places += [row.place for row in rows if row.place and not row.stops]
    floor_map = FloorMap.around(np.array(places, np.float64).reshape(-1, 2))

    height, right = ABOVE + SIDE + BELOW, LEFT + SIDE + _GUTTER
    canvas = np.full((height, right + PANEL_WIDTH, 3), WHITE, np.uint8)
    image = canvas[ABOVE : ABOVE + SIDE, LEFT : LEFT + SIDE]
    draw_floor(image, floor_map, camera if isinstance(camera, Camera) else None)
    if isinstance(obstacles, Obstacles):
        _draw_obstacles(image, floor_map, obstacles.points)
    rear, front, side = robot_box[:3]
    corners = [(front, side), (front, -side), (rear, -side), (rear, side)]
    robot(image, floor_map.pixels(corners), floor_map.pixel(0.0, 0.0))
    layers = (ObjectLayer(placed, floor_map, UNIT), WaypointLayer(rows, floor_map))
    for layer in layers:
        layer.draw(image)
    # Labels cover neither these nor each other; returns and the way only if they must.
    labels = Labels((image == OBSTACLE).all(axis=2) | (image == PATH).all(axis=2))
    for layer in layers:
        layer.keep_free(labels)
    for layer in layers:
        layer.add_labels(labels)
    labels.draw(image)
    draw_scales(canvas, floor_map)
    unplaced = [label_of(o, role) for o, role in reversed(things) if not is_placed(o)]
    panel = canvas[:, right:]
    y = _draw_rows(panel, decision.chunk, rows)
    _draw_unplaced(panel, unplaced, y + _LINE)
    _draw_legend(panel, legend_of(obstacles, camera))
    return captioned(canvas, decision, decision.chunk.request.text, UNIT)


def _draw_obstacles(image: Uint8Array, floor_map: FloorMap, points: FloatArray) -> None:
    """Draw points [N,3] as squares."""
    with np.errstate(invalid="ignore"):
        corners = np.floor(floor_map.pixels(points[:, :2]) - _RETURN / 2 + 1)
        corners = corners[((corners >= 0) & (corners <= SIDE - _RETURN)).all(axis=1)].astype(int)
    for right, down in np.ndindex(_RETURN, _RETURN):
        image[corners[:, 1] + down, corners[:, 0] + right] = OBSTACLE


def legend_of(obstacles: Obstacles | Missing, camera: Camera | Missing) -> list[tuple[Symbol, str]]:
    """The symbols of the map and what they mean, or why there are none of them."""

    def meaning(data: object, text: str, nothing: str) -> str:
        return f"{nothing}: {data.reason}" if isinstance(data, Missing) else text

    return [
        (_robot, "robot; the tip of its arrow is its origin"),
        (_view, meaning(camera, "floor that the camera sees", "camera unknown")),
        (_returns, meaning(obstacles, "LiDAR return on an obstacle", "obstacles unknown")),
        (partial(disc, radius=8, paper=OTHER), "object, placed by measured depth"),
        (partial(disc, radius=8, paper=OTHER, dashed=True), "object, placed on the ground plane"),
        (_spread, "thin ring: wider by its spread (1 sigma)"),
        (partial(waypoint, heading=0.0), "waypoint with its heading; numbers: rows"),
        (_event, "event: the gripper acts there"),
    ]


def _draw_rows(panel: Uint8Array, chunk: ActionChunk, rows: Sequence[DecodedRow]) -> int:
    """Draw the table of rows; returns where it ends."""
    y = 30
    write(panel, "rows of the action chunk (s, m, rad)", (0, y), BOLD, _TITLE, INK)
    y += _LINE + 4
    for header, right in _COLUMNS:
        write_to(panel, header, right, y)
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


def _draw_row(panel: Uint8Array, row: DecodedRow, due: float, y: int) -> None:
    cells = [f"{row.index}", f"{due:.2f}"]
    if row.is_event:
        cells += ["", "", "", ""]
        width, height = label_size("event", 1.0, BOLD)
        place = (_ROOM - width, y - 14, _ROOM, y - 14 + height)
        draw_label(panel, "event", place, EVENT, 1.0, BOLD)
    else:
        cells += ["-" if math.isnan(value) else f"{value:.2f}" for value in row.pose]
    for (_, right), cell in zip(_COLUMNS, cells, strict=True):
        write_to(panel, cell, right, y, INK)
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
    write(panel, fitted(text, width, REGULAR, TEXT), (left, y), REGULAR, TEXT, ink)


def _robot(panel: Uint8Array, at: tuple[float, float]) -> None:
    x, y = at
    corners = np.array([(x - 8, y - 9), (x + 8, y - 9), (x + 8, y + 9), (x - 8, y + 9)])
    robot(panel, corners, (x, y - 5))


def _view(panel: Uint8Array, at: tuple[float, float]) -> None:
    x, y = at
    corners = np.array([(x - 5, y + 8), (x - 13, y - 8), (x + 13, y - 8), (x + 5, y + 8)])
    polygon(panel, corners, SEEN, SEEN_EDGE)


def _returns(panel: Uint8Array, at: tuple[float, float]) -> None:
    for dx, dy in ((-9, 2), (-4, -4), (1, 3), (6, -2), (10, 4)):
        x, y = round(at[0]) + dx, round(at[1]) + dy
        panel[y : y + _RETURN, x : x + _RETURN] = OBSTACLE


def _spread(panel: Uint8Array, at: tuple[float, float]) -> None:
    disc(panel, at, 5, OTHER)
    ring(panel, at, 9.5, edge_of(OTHER))


def _event(panel: Uint8Array, at: tuple[float, float]) -> None:
    x, y = round(at[0]), round(at[1])
    cv2.rectangle(panel, (x - 11, y - 6), (x + 11, y + 6), EVENT, cv2.FILLED)
