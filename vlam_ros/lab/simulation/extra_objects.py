"""Objects that no other scene holds: what a trained model has never seen, to be learned by it.

Ordinary scenes, rooms and tasks draw from `scene.SHAPES` alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from vlam_ros.lab.simulation.mjcf import mesh_attributes, revolve
from vlam_ros.lab.simulation.scene import (
    COLOURS,
    SPLIT_SEEDS,
    ObjectSpec,
    SceneSpec,
    footprint_radius,
    multiplied,
    place_in_view,
    random_scene,
    tinted,
)

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


_MESHES = {"ring": ring, "star": star, "cross": cross, "wedge": wedge, "arch": arch}
EXTRA_SHAPES = tuple(_MESHES)
EXTRA_SIZES = (0.060, 0.075, 0.090)
"""Of the outlines, from the middle to the farthest point, in metres."""

_FLAT = {"ring": 0.22, "star": 0.25, "cross": 0.25}
"""Half the thickness of what may lie on the floor, relative to its size."""
_STANDING = {"ring": 1.0, "star": math.cos(math.pi / 5), "cross": 1.0, "wedge": 0.45, "arch": 0.5}
"""How far below the middle of an outline its foot is, relative to its size."""
_UP = (math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0)
"""Turns the y axis of an outline up."""


def extra_assets() -> str:
    """The meshes "ring0", "ring1", …: one of each shape and size."""
    return "".join(
        f'<mesh name="{shape}{i}" {mesh(size)}/>'
        for shape, mesh in _MESHES.items()
        for i, size in enumerate(EXTRA_SIZES)
    )


def random_extra(rng: Generator, shape: str, colour: str) -> ObjectSpec:
    """An extra object of random size that stands or lies at the origin, turned at random."""
    variant = int(rng.integers(len(EXTRA_SIZES)))
    size = EXTRA_SIZES[variant]
    yaw = float(rng.uniform(-math.pi, math.pi))
    quaternion = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
    lies = shape in _FLAT and rng.random() < 0.5
    height = (_FLAT if lies else _STANDING)[shape] * size
    if not lies:
        quaternion = multiplied(quaternion, _UP)
    extent = (1.1 * size, size, 0.0)  # corners reach a little farther than the outline's points
    rgb, at = tinted(rng, colour), (0.0, 0.0, height)
    return ObjectSpec(shape, colour, rgb, extent, at, quaternion, variant)


def extra_scene(rng: Generator, shape: str) -> SceneSpec:
    """An ordinary scene of up to four objects and one more, its first: an extra one of this shape,
    every second time in the colour of another.
    """
    while True:
        scene = random_scene(rng, (1, 4))
        colour = str(rng.choice(list(COLOURS)))
        if scene.objects and rng.random() < 0.5:
            colour = scene.objects[int(rng.integers(len(scene.objects)))].colour or colour
        occupied = [
            (*o.position[:2], footprint_radius(o)) for o in (*scene.objects, *scene.clutter)
        ]
        placed: list[ObjectSpec] = []
        place_in_view(placed, occupied, random_extra(rng, shape, colour), scene.camera, rng)
        if placed:
            return replace(scene, objects=(*placed, *scene.objects))


def extra_scene_of_seed(split: str, index: int) -> SceneSpec:
    """The scene with this index in a split; the shapes take turns, so that the first 5·n scenes
    show each n times.
    """
    # Two numbers are a seed that no ordinary scene has.
    rng = np.random.default_rng([SPLIT_SEEDS[split] + index, 1])
    return extra_scene(rng, EXTRA_SHAPES[index % len(EXTRA_SHAPES)])
