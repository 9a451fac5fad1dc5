"""The seven shapes of the unseen generator, by meshes and proportions of its own, and how it reads
the names of colours.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from vlam_ros.lab.simulation.engine import mujoco

SIDES = 48
"""Vertices around a mesh of revolution."""
THIN = 1e-4
"""Radius in m of what meets the axis: a mesh has no faces without an area."""
GEOM = mujoco.mjtGeom

HSV = {
    "red": ((-8, 8), (0.75, 1.0), (0.5, 0.95)),
    "green": ((98, 142), (0.5, 1.0), (0.3, 0.75)),
    "blue": ((210, 240), (0.65, 1.0), (0.5, 0.95)),
    "yellow": ((48, 58), (0.7, 1.0), (0.8, 1.0)),
    "orange": ((20, 32), (0.85, 1.0), (0.85, 1.0)),
    "purple": ((268, 292), (0.5, 0.9), (0.35, 0.7)),
    "white": ((0, 360), (0.0, 0.05), (0.88, 1.0)),
    "black": ((0, 360), (0.0, 0.3), (0.02, 0.09)),
}
"""Hue in degrees, saturation and value, from and to, of what has the name of a colour."""


@dataclass(frozen=True)
class Primitive:
    """A mjtGeom, its half sizes float[3] in m, and where in the solid its centre is."""

    kind: Any
    size: npt.NDArray[np.float64]
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Mesh:
    """Vertices float[V,3] in m and faces int[F,3], counter-clockwise from outside."""

    vertices: npt.NDArray[np.float64]
    faces: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Solid:
    """A shape around its origin.

    It stands on the floor with its origin `height` m above it, inside of a circle of `radius` m;
    `lies`: turned by a right angle about y.
    """

    parts: tuple[Primitive | Mesh, ...]
    height: float
    radius: float
    lies: bool = False


def rgb_of(rng: Generator, colour: str) -> npt.NDArray[np.float64]:
    """A tint of a named colour, float[3] in 0..1."""
    hue, saturation, value = (rng.uniform(*ends) for ends in HSV[colour])
    return np.array(colorsys.hsv_to_rgb(hue / 360 % 1, saturation, value))


def _box(rng: Generator) -> Solid:
    half = rng.uniform(0.04, 0.125, 3)
    return Solid((Primitive(GEOM.mjGEOM_BOX, half),), half[2], math.hypot(half[0], half[1]))


def _ball(rng: Generator) -> Solid:
    radius = rng.uniform(0.05, 0.14)
    return Solid((Primitive(GEOM.mjGEOM_SPHERE, np.full(3, radius)),), radius, radius)


def _cylinder(rng: Generator) -> Solid:
    radius = rng.uniform(0.038, 0.09)
    half, lies = radius * rng.uniform(0.9, 2.3), bool(rng.random() < 0.3)
    part = Primitive(GEOM.mjGEOM_CYLINDER, np.array([radius, half, 0.0]))
    return _rod(part, half, math.hypot(half, radius), radius, lies)


def _capsule(rng: Generator) -> Solid:
    radius = rng.uniform(0.035, 0.075)
    half, lies = radius * rng.uniform(1.1, 2.6), bool(rng.random() < 0.6)
    part = Primitive(GEOM.mjGEOM_CAPSULE, np.array([radius, half, 0.0]))
    return _rod(part, half + radius, half + radius, radius, lies)


def _rod(part: Primitive, height: float, reach: float, radius: float, lies: bool) -> Solid:
    """It stands `height` m up from its centre, or lies and reaches `reach` m along the floor."""
    return Solid((part,), radius, reach, lies) if lies else Solid((part,), height, radius)


def _plate(rng: Generator) -> Solid:
    """A flat foot, and a rim that rises from it."""
    radius = rng.uniform(0.11, 0.2)
    foot, rise, wall = radius * rng.uniform(0.55, 0.8), rng.uniform(0.012, 0.03), 0.006
    below = [(THIN, 0.0), (foot, 0.0), (radius, rise), (radius, rise + wall)]
    return Solid((_revolved([*below, (foot, wall), (THIN, wall)]),), 0.0, radius)


def _cup(rng: Generator) -> Solid:
    """Hollow, with a wall that leans outwards or inwards; every second one has a handle."""
    top = rng.uniform(0.05, 0.1)
    foot, half = top * rng.uniform(0.6, 1.05), top * rng.uniform(0.6, 1.15)
    inner, floor = rng.uniform(0.84, 0.93), -half * rng.uniform(0.75, 0.92)
    outside = [(THIN, -half), (foot, -half), (top, half)]
    body = _revolved([*outside, (top * inner, half), (foot * inner, floor), (THIN, floor)])
    widest = max(top, foot)
    if rng.random() < 0.5:
        reach = top * rng.uniform(0.5, 0.8)
        handle = _handle(min(top, foot) * 0.97, reach, 0.6 * half, top * rng.uniform(0.08, 0.16))
        return Solid((body, handle), half, widest + reach)
    if rng.random() < 0.2:
        return Solid((body,), widest, math.hypot(half, widest), lies=True)
    return Solid((body,), half, widest)


def _cone(rng: Generator) -> Solid:
    """Pointed or blunt; every fourth one stands on a slab, as on a road."""
    radius = rng.uniform(0.055, 0.12)
    half, tip = radius * rng.uniform(0.75, 1.5), max(THIN, radius * rng.uniform(-0.1, 0.15))
    cone = _revolved([(THIN, -half), (radius, -half), (tip, half), (THIN, half + THIN)])
    if rng.random() < 0.25:
        side, slab = 1.2 * radius, 0.012
        at = (0.0, 0.0, -half - slab / 2)
        foot = Primitive(GEOM.mjGEOM_BOX, np.array([side, side, slab / 2]), at)
        return Solid((cone, foot), half + slab, math.sqrt(2) * side)
    return Solid((cone,), half, radius)


SOLIDS: dict[str, Callable[[Generator], Solid]] = {
    "box": _box,
    "ball": _ball,
    "cylinder": _cylinder,
    "capsule": _capsule,
    "plate": _plate,
    "cup": _cup,
    "cone": _cone,
}
"""Draws a solid, by noun."""


def _revolved(profile: list[tuple[float, float]]) -> Mesh:
    """What (radius, z), listed from the axis below by the outside to the axis, sweeps around z."""
    angles = 2 * math.pi * np.arange(SIDES) / SIDES
    radii, heights = np.array(profile).T
    around = np.stack([np.cos(angles), np.sin(angles), np.zeros(SIDES)], axis=1)
    rings = radii[:, None, None] * around + heights[:, None, None] * (0.0, 0.0, 1.0)
    return Mesh(rings.reshape(-1, 3), _strip(len(profile), SIDES))


def _handle(wall: float, reach: float, half: float, thickness: float) -> Mesh:
    """Half an ellipse in the xz plane from a wall at x = `wall`, swept by a circle."""
    turns, sides = np.linspace(0, math.pi, 17), 10
    out = np.stack([np.sin(turns), np.zeros(17), -np.cos(turns)], axis=1)
    path = out * (reach - thickness, 0.0, half) + (wall, 0.0, 0.0)
    angles = 2 * math.pi * np.arange(sides) / sides
    circle = np.cos(angles)[:, None] * out[:, None] + np.sin(angles)[:, None] * (0.0, 1.0, 0.0)
    return Mesh((path[:, None] + thickness * circle).reshape(-1, 3), _strip(17, sides))


def _strip(rings: int, sides: int) -> npt.NDArray[np.int64]:
    """The faces between rings of vertices, each ring against the next."""
    first = (np.arange(rings - 1)[:, None] * sides + np.arange(sides)).ravel()
    second = (np.arange(rings - 1)[:, None] * sides + (np.arange(sides) + 1) % sides).ravel()
    lower = np.stack([first, second, second + sides], axis=1)
    return np.concatenate([lower, np.stack([first, second + sides, first + sides], axis=1)])
