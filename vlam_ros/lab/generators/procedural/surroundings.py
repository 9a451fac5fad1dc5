"""What surrounds the things of procedural images: camera, furniture, walls and lights.

The world's z is up; the camera stands over its origin and looks along +x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from vlam_ros.lab.generators.procedural.paint import RGB
from vlam_ros.lab.generators.procedural.solids import Vector
from vlam_ros.lab.simulation.scene import triple
from vlam_ros.types import FloatArray, optical_rotation

IMAGE_SIZES = ((256, 256), (320, 240), (480, 360), (640, 480))
"""Width and height in pixels."""
GROUND_TEXTURES, LIGHTS = 48, 3


@dataclass(frozen=True)
class Panel:
    """A box of furniture with half sizes and middle in m, on a background texture."""

    size: Vector
    position: Vector
    texture: int
    rgb: RGB


@dataclass(frozen=True)
class View:
    """A camera `height` m over the world's origin, angles in rad, and the image's size."""

    width: int
    height_px: int
    height: float
    tilt: float
    roll: float
    fovy: float

    @property
    def rotation(self) -> FloatArray:
        """Of optical vectors into the world."""
        return optical_rotation(self.tilt, 0.0, self.roll)

    @property
    def focal(self) -> float:
        """In pixels."""
        return self.height_px / 2 / math.tan(self.fovy / 2)

    def ray(self, u: float, v: float) -> FloatArray:
        """Direction in the world of a pixel."""
        pixel = (u - self.width / 2, v - self.height_px / 2, self.focal)
        direction: FloatArray = self.rotation @ pixel
        return direction

    def seen(self, point: FloatArray) -> tuple[float, float, float]:
        """Pixel (u, v) and depth in m of a point of the world."""
        x, y, z = self.rotation.T @ (point - (0.0, 0.0, self.height))
        depth = max(float(z), 1e-6)
        u, v = self.focal * x / depth, self.focal * y / depth
        return float(u) + self.width / 2, float(v) + self.height_px / 2, float(z)


@dataclass(frozen=True)
class Light:
    """A light that is there, directional or a lamp at its position."""

    position: Vector
    aim: Vector
    directional: bool
    rgb: RGB
    shadow: bool


@dataclass(frozen=True)
class Wall:
    """A wall at a distance (m) ahead (0), to the left (1) or to the right (-1)."""

    side: int
    distance: float
    texture: int
    rgb: RGB

    def before(self, x: float, y: float, radius: float) -> bool:
        """Whether something of a radius (m) stands wholly before it."""
        return (self.side * y if self.side else x) + radius < self.distance


@dataclass(frozen=True)
class Surface:
    """A level place for things: at z, and if it has edges, within (x0, x1, y0, y1)."""

    z: float
    within: tuple[float, float, float, float] | None = None

    def holds(self, x: float, y: float, margin: float) -> bool:
        """Whether a place is on it, so far (m) from its edges."""
        if self.within is None:
            return True
        x0, x1, y0, y1 = self.within
        return x0 < x - margin and x + margin < x1 and y0 < y - margin and y + margin < y1


def random_place(rng: Generator) -> tuple[View, Surface, tuple[Panel, ...]]:
    """A camera and what stands before it: nothing, a table or a shelf."""
    width, height_px = IMAGE_SIZES[rng.integers(len(IMAGE_SIZES))]
    tilt = float(rng.uniform(0.1, 1.2))
    lowest = 0.2 + 0.4 * max(tilt - 0.3, 0.0)  # nearer, whatever stands there is too large
    over = math.exp(rng.uniform(math.log(lowest), math.log(1.6)))
    kind = rng.choice(("floor", "table", "shelf"), p=(0.52, 0.33, 0.15))
    z = 0.0 if kind == "floor" else float(rng.uniform(0.2, 0.9))
    fovy = math.radians(rng.uniform(40, 80))
    view = View(width, height_px, over + z, tilt, float(rng.uniform(-0.15, 0.15)), fovy)
    if kind == "floor":
        return view, Surface(0.0), ()
    ahead = float(np.clip(over / math.tan(tilt), 0.25, 1.2))
    half_x, half_y = (float(v) for v in rng.uniform(0.35, 0.9, 2))
    middle = ahead + 0.3 * half_x
    edges = (middle - half_x, middle + half_x, -half_y, half_y)
    make = _table if kind == "table" else _shelf
    return view, Surface(z, edges), make(rng, z, middle, half_x, half_y)


def _table(
    rng: Generator, z: float, middle: float, half_x: float, half_y: float
) -> tuple[Panel, ...]:
    texture, rgb, thick = random_texture(rng), random_shade(rng), float(rng.uniform(0.01, 0.04))
    top = Panel((half_x, half_y, thick), (middle, 0.0, z - thick), texture, rgb)
    if rng.random() < 0.3:  # a counter
        up = z / 2 - thick
        block = (half_x - 0.03, half_y - 0.03, up)
        return top, Panel(block, (middle, 0.0, up), random_texture(rng), random_shade(rng))
    leg = float(rng.uniform(0.015, 0.04))
    x, y, half_z = half_x - 2 * leg, half_y - 2 * leg, z / 2 - thick
    legs = [
        Panel((leg, leg, half_z), (middle + i * x, j * y, half_z), texture, rgb)
        for i in (-1, 1)
        for j in (-1, 1)
    ]
    return (top, *legs)


def _shelf(
    rng: Generator, z: float, middle: float, half_x: float, half_y: float
) -> tuple[Panel, ...]:
    """A board with a back, two sides, and often another board above."""
    texture, rgb, thick = random_texture(rng), random_shade(rng), float(rng.uniform(0.008, 0.02))
    high = float(rng.uniform(0.45, 0.8))
    side, up = (half_x, thick, (z + high) / 2), (z + high) / 2
    back = ((thick, half_y, up), (middle + half_x, 0.0, up))
    boards = [((half_x, half_y, thick), (middle, 0.0, z - thick)), back]
    boards += [(side, (middle, j * half_y, up)) for j in (-1.0, 1.0)]
    if rng.random() < 0.6:
        # Not so far ahead that it hides what a camera above it looks at.
        boards.append(((half_x / 3, half_y, thick), (middle + 2 * half_x / 3, 0.0, z + high)))
    return tuple(Panel(size, position, texture, rgb) for size, position in boards)


def random_walls(rng: Generator) -> tuple[Wall, ...]:
    """None, or one ahead and perhaps others beside it."""
    if rng.random() < 0.2:
        return ()
    ahead = float(rng.choice((rng.uniform(1.6, 3.5), rng.uniform(3.0, 9.0))))
    texture, rgb = random_texture(rng), random_shade(rng)
    walls = [Wall(0, ahead, texture, rgb)]
    for side in (1, -1):
        if rng.random() < 0.5:
            if rng.random() < 0.3:
                texture, rgb = random_texture(rng), random_shade(rng)
            walls.append(Wall(side, float(rng.uniform(1.2, 5.0)), texture, rgb))
    return tuple(walls)


def random_lights(rng: Generator) -> tuple[tuple[Light, ...], RGB]:
    """One to three lights and the ambient light, from dim to washed out."""
    count = int(rng.integers(1, LIGHTS + 1))
    total, share = rng.uniform(0.9, 1.65), rng.dirichlet([2.0] * count)
    direct = rng.uniform(0.25, 0.6)
    lights = []
    for i in range(count):
        position = rng.uniform((-1.5, -2.5, 1.2), (2.5, 2.5, 3.5))
        aim = np.array([rng.uniform(0.5, 1.5), rng.uniform(-0.5, 0.5), 0.3])
        colour = total * direct * share[i] * rng.uniform(0.9, 1.05, 3)
        shadow = i == 0 and rng.random() < 0.75  # each costs as much as a third of an image
        lights.append(
            Light(triple(position), triple(aim), rng.random() < 0.6, triple(colour), shadow)
        )
    return tuple(lights), triple(total * (1 - direct) * rng.uniform(0.93, 1.03, 3))


def random_texture(rng: Generator) -> int:
    """The number of a background texture."""
    return int(rng.integers(GROUND_TEXTURES))


def random_shade(rng: Generator) -> RGB:
    """What a texture is multiplied with."""
    return triple(rng.uniform(0.75, 1.0) * rng.uniform(0.9, 1.0, 3))


def random_sky(rng: Generator) -> RGB:
    """A colour of the sky, above or at the horizon."""
    return triple(rng.uniform(0.1, 1.0) * rng.uniform(0.7, 1.0, 3))
