"""An image of a decision from above: where the robot believes things are, and where it will go.

The floor in `base_link`, x ahead is up and y left is left, with the LiDAR's returns, the objects
with their size and spread, and the waypoints that the decision's chunk decodes to; beside it the
chunk's rows and the legend, over and under it what the overlay says too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.types import Camera, Decision, FloatArray, Missing, Obstacles, Uint8Array
from vlam_ros.visualization.canvas import Colour
from vlam_ros.visualization.caption import captioned
from vlam_ros.visualization.floor_map import (
    ABOVE,
    BELOW,
    LEFT,
    SIDE,
    WHITE,
    FloorMap,
    draw_floor,
    draw_scales,
)
from vlam_ros.visualization.labels import Labels
from vlam_ros.visualization.objects import ObjectLayer, is_placed
from vlam_ros.visualization.roles import label_of, with_roles
from vlam_ros.visualization.side_panel import PANEL_WIDTH, legend_of, side_panel
from vlam_ros.visualization.symbols import OBSTACLE, PATH, RETURN, robot
from vlam_ros.visualization.waypoints import WaypointLayer, decoded_rows

UNIT = 1.25
"""By how much text is larger than in an overlay of 640 pixels."""

_GUTTER = 24
"""Pixels between the map and what stands beside it."""


def draw_top_view(
    decision: Decision,
    obstacles: Obstacles | Missing,
    points: npt.NDArray[np.float32] | None = None,
    camera: Camera | Missing = Missing("no camera"),
    robot_box: Sequence[float] | None = None,
) -> Uint8Array:
    """Draw a decision from above.

    Args:
        decision: objects and waypoints in `base_link`.
        obstacles: the LiDAR's returns that stand in the way.
        points: all returns of the LiDAR, float32[N,3] in `base_link`, metres.
        camera: of the decision's image, for what it sees of the floor.
        robot_box: rear and front x and half width (m), as in the parameter `fusion.robot_box`;
            None for its default.

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
    if points is not None:
        _draw_points(image, floor_map, points, RETURN, 2)
    if isinstance(obstacles, Obstacles):
        _draw_points(image, floor_map, obstacles.points, OBSTACLE, 3)
    _draw_robot(image, floor_map, _default_robot_box() if robot_box is None else robot_box)
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
    legend = legend_of(obstacles, points is not None, camera)
    canvas[:, right:] = side_panel(height, decision.chunk, rows, unplaced, legend)
    return captioned(canvas, decision, decision.chunk.request.text, UNIT)


@lru_cache(1)
def _default_robot_box() -> Sequence[float]:
    return FusionNodeSettings.load().fusion.robot_box


def _draw_points(
    image: Uint8Array, floor_map: FloorMap, points: FloatArray, colour: Colour, size: int
) -> None:
    """Draw points [N,3] as squares."""
    with np.errstate(invalid="ignore"):
        corners = np.floor(floor_map.pixels(points[:, :2]) - size / 2 + 1)
        corners = corners[((corners >= 0) & (corners <= SIDE - size)).all(axis=1)].astype(int)
    for right, down in np.ndindex(size, size):
        image[corners[:, 1] + down, corners[:, 0] + right] = colour


def _draw_robot(image: Uint8Array, floor_map: FloorMap, box: Sequence[float]) -> None:
    rear, front, side = box[:3]
    corners = [(front, side), (front, -side), (rear, -side), (rear, side)]
    robot(image, floor_map.pixels(corners), floor_map.pixel(0.0, 0.0))
