"""The meshes of extra objects, as MuJoCo reads them.

Each is flat: an outline in x and y around the origin, with a thickness along z.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vlam_ros.lab.simulation.mjcf import mesh_attributes, revolve

Point = tuple[float, float]
SIDES = 24
"""Pieces of a bent outline."""


def ring(size: float) -> str:
    """A torus of this outer radius (m)."""
    tube = 0.22 * size
    turns = [2 * math.pi * i / SIDES for i in range(SIDES + 1)]
    return revolve([(size - tube + tube * math.cos(t), tube * math.sin(t)) for t in turns])


def star(size: float) -> str:
    """A prism whose outline is a star with five points, one of them up."""
    turns = [math.pi / 2 + math.pi * i / 5 for i in range(10)]
    radii = [size, 0.42 * size] * 5
    outline = [(r * math.cos(t), r * math.sin(t)) for r, t in zip(radii, turns, strict=True)]
    return _prism(outline, 0.25 * size)


def cross(size: float) -> str:
    """A prism whose outline is a plus."""
    arm, half = size, 0.3 * size
    quarter = [(half, -half), (arm, -half), (arm, half)]
    outline = []
    for _ in range(4):
        outline += quarter
        quarter = [(-y, x) for x, y in quarter]
    return _prism(outline, 0.25 * size)


def wedge(size: float) -> str:
    """A prism whose outline is a right triangle."""
    outline = [(-size, -0.45 * size), (size, -0.45 * size), (-size, 0.75 * size)]
    return _prism(outline, 0.45 * size)


def arch(size: float) -> str:
    """Half a ring of square section that stands on its ends."""
    inner, half, down = 0.6 * size, 0.3 * size, -0.5 * size
    vertices = []
    for i in range(SIDES + 1):
        c, s = math.cos(math.pi * i / SIDES), math.sin(math.pi * i / SIDES)
        for radius, z in ((size, -half), (size, half), (inner, half), (inner, -half)):
            vertices.append((radius * c, radius * s + down, z))
    faces = [(0, 1, 2), (0, 2, 3)]
    for i in range(SIDES):
        for side in range(4):
            a, b = 4 * i + side, 4 * i + (side + 1) % 4
            faces += [(a, a + 4, b + 4), (a, b + 4, b)]
    last = 4 * SIDES
    faces += [(last, last + 2, last + 1), (last, last + 3, last + 2)]
    return mesh_attributes(vertices, faces)


def _prism(outline: Sequence[Point], half: float) -> str:
    """An outline, counter-clockwise and wholly seen from the origin, from -half to half along z."""
    count = len(outline)
    vertices = [(x, y, z) for z in (-half, half) for x, y in outline]
    vertices += [(0.0, 0.0, -half), (0.0, 0.0, half)]
    faces = []
    for i in range(count):
        j = (i + 1) % count
        faces += [(i, j, j + count), (i, j + count, i + count)]
        faces += [(2 * count, j, i), (2 * count + 1, i + count, j + count)]
    return mesh_attributes(vertices, faces)
