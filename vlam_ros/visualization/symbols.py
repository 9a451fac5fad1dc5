"""The symbols of the top view, on a map and in its legend: all in pixels, with smooth edges.

A heading is an angle in rad as on the map: 0 is up, and positive turns left.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.types import FloatArray, Uint8Array
from vlam_ros.visualization.canvas import Colour

Pixel = tuple[float, float]
"""Column and row."""

PATH: Colour = (30, 64, 190)
EVENT: Colour = (255, 184, 48)
ROBOT: Colour = (222, 226, 234)
ROBOT_EDGE: Colour = (70, 77, 92)
OBSTACLE: Colour = (74, 82, 98)
RETURN: Colour = (205, 210, 219)
"""A LiDAR return that is no obstacle."""
WAYPOINT = 8.0
"""Pixels from the middle of a waypoint's symbol to its tip."""

_SHIFT = 4
"""Bits of a fraction of a pixel."""
_DASH = 5.0
"""Half the length of a dash with its gap, in pixels."""
_FAR_OFF = 1e5
"""Pixels from the image beyond which nothing needs to be told apart."""


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
