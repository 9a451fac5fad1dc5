"""What a procedural image shows, drawn from its split and index. Drawing needs no MuJoCo."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.lab.generators.procedural.bodies import Body, random_bodies
from vlam_ros.lab.generators.procedural.paint import RGB
from vlam_ros.lab.generators.procedural.surroundings import (
    Light,
    Panel,
    Surface,
    View,
    Wall,
    random_lights,
    random_place,
    random_shade,
    random_sky,
    random_texture,
    random_walls,
)
from vlam_ros.types import FloatArray

SEEDS = {"train": 1, "validation": 2, "test": 3}
"""With an index, a seed that no other split has."""
WIDTHS = (0.01, 0.30)
"""Shares of the image's width that a thing takes up."""
FARTHEST = 3.5
"""m from the camera."""


@dataclass(frozen=True)
class Arrangement:
    """All that an image shows."""

    view: View
    bodies: tuple[Body, ...]
    panels: tuple[Panel, ...]
    walls: tuple[Wall, ...]
    lights: tuple[Light, ...]
    ambient: RGB
    floor: int
    floor_rgb: RGB
    sky: tuple[RGB, RGB]


def arrangement(split: str, index: int) -> Arrangement:
    """The one with this index in a split of SEEDS; SimulationError for another split."""
    if split not in SEEDS:
        raise SimulationError(f"a split is one of {', '.join(SEEDS)}, got {split!r}")
    rng = np.random.default_rng([SEEDS[split], index, 5])
    view, surface, panels = random_place(rng)
    walls = random_walls(rng)
    bodies = _placed(rng, random_bodies(rng, split == "train"), view, surface, walls)
    lights, ambient = random_lights(rng)
    return Arrangement(
        view,
        tuple(bodies),
        panels,
        walls,
        lights,
        ambient,
        random_texture(rng),
        random_shade(rng),
        (random_sky(rng), random_sky(rng)),
    )


def _placed(
    rng: Generator,
    bodies: Sequence[Body],
    view: View,
    surface: Surface,
    walls: Sequence[Wall],
) -> list[Body]:
    """The things where the camera sees the surface and nothing stands yet; what finds no place is
    dropped. In every second arrangement they crowd.
    """
    placed: list[Body] = []
    circles: list[tuple[float, float, float]] = []
    crowd = 0.7 if rng.random() < 0.5 else 0.0
    for lying in bodies:
        radius, low = lying.reach(), lying.lowest()
        for _ in range(40):
            if circles and rng.random() < crowd:
                x, y, other = circles[rng.integers(len(circles))]
                turn, gap = rng.uniform(0, 2 * math.pi), radius + other + rng.exponential(0.02)
                x, y = x + gap * math.cos(turn), y + gap * math.sin(turn)
            else:
                spot = _on_surface(rng, view, surface.z)
                if spot is None:
                    continue
                x, y = spot
            at = np.array([x, y, surface.z + low])
            if not surface.holds(x, y, radius / 2) or not _in_view(view, at, radius):
                continue
            if not all(wall.before(x, y, radius) for wall in walls):
                continue
            if all(math.hypot(x - a, y - b) > radius + r for a, b, r in circles):
                circles.append((x, y, radius))
                placed.append(replace(lying, position=at))
                break
    return placed


def _on_surface(rng: Generator, view: View, z: float) -> tuple[float, float] | None:
    """Where a random pixel shows the level z; None if it shows what is above."""
    ray = view.ray(*rng.uniform((0, 0), (view.width, view.height_px)))
    if ray[2] > -1e-3:
        return None
    reach = (z - view.height) / ray[2]
    return float(reach * ray[0]), float(reach * ray[1])


def _in_view(view: View, at: FloatArray, radius: float) -> bool:
    """Whether something there is in the image, and neither large nor small in it."""
    u, v, ahead = view.seen(at)
    if not 0.05 < ahead < FARTHEST:
        return False
    share = 2 * radius * view.focal / ahead / view.width
    inside = 0 < u < view.width and 0 < v < view.height_px
    return inside and WIDTHS[0] < share < WIDTHS[1]
