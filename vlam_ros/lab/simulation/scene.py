"""What a simulated scene holds, and how random ones are drawn.

A scene is described in `base_link`: the robot's base stands at the origin of a level floor and its
camera looks along +x. Everything that varies is drawn from the given random generator, so that a
seed is a scene. Nothing here needs MuJoCo.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.80, 0.07, 0.07),
    "green": (0.08, 0.55, 0.12),
    "blue": (0.08, 0.18, 0.80),
    "yellow": (0.90, 0.80, 0.08),
    "orange": (0.95, 0.42, 0.04),
    "purple": (0.45, 0.10, 0.62),
    "white": (0.95, 0.95, 0.95),
    "black": (0.05, 0.05, 0.06),
}
MAX_OBJECTS = 12
"""Objects and clutter that a world or a room may have."""
SHAPES = ("box", "ball", "cylinder", "capsule", "plate", "cup", "cone")

HELD_OUT_PAIRS = frozenset(
    {
        ("red", "cone"),
        ("green", "plate"),
        ("blue", "cup"),
        ("yellow", "capsule"),
        ("orange", "cylinder"),
        ("purple", "ball"),
        ("white", "box"),
        ("black", "cup"),
    }
)
"""Colour-shape pairs that the embedded model never saw together: they test composition."""

FLOORS = 8
"""Number of floor textures that the world offers."""

CUP_SIZES = ((0.040, 0.095), (0.050, 0.110), (0.060, 0.120), (0.070, 0.150))
CONE_SIZES = ((0.050, 0.110), (0.060, 0.150), (0.075, 0.160), (0.085, 0.200))
"""Radius and height of the meshes, in metres; meshes cannot be rescaled after compilation."""


@dataclass(frozen=True)
class ObjectSpec:
    """One object: `size` as MuJoCo's half sizes (m), pose of its centre, `variant` of a mesh.

    `quaternion` is (w, x, y, z). `colour` is None for clutter, which has no name and no label.
    """

    shape: str
    colour: str | None
    rgb: tuple[float, float, float]
    size: tuple[float, float, float]
    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    variant: int = 0

    @property
    def phrase(self) -> str:
        """What one calls it: "red cup"."""
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class CameraSpec:
    """A camera ahead of the base: height and position in m, tilt (down) and roll in rad."""

    x: float = 0.10
    height: float = 0.60
    tilt: float = 0.45
    roll: float = 0.0
    fovy: float = math.radians(55)


@dataclass(frozen=True)
class SceneSpec:
    """Objects, clutter, camera, floor and light of one scene."""

    objects: tuple[ObjectSpec, ...]
    camera: CameraSpec = CameraSpec()
    clutter: tuple[ObjectSpec, ...] = ()
    floor: int = 0
    floor_rgb: tuple[float, float, float] = (0.6, 0.6, 0.6)
    wall_rgb: tuple[float, float, float] = (0.7, 0.7, 0.7)
    wall_distance: float = 5.0
    light_position: tuple[float, float, float] = (0.5, 0.8, 2.5)
    light: float = 0.6
    ambient: float = 0.35


def random_scene(
    rng: Generator, count: tuple[int, int] = (2, 7), held_out: bool = False
) -> SceneSpec:
    """Draw a scene of `count[0]..count[1]` objects that do not touch.

    Without `held_out` the pairs of HELD_OUT_PAIRS never occur; with it, every second object is one
    of them.
    """
    camera = CameraSpec(
        x=float(rng.uniform(0.0, 0.2)),
        height=float(rng.uniform(0.40, 0.85)),
        tilt=float(rng.uniform(0.35, 0.75)),
        roll=float(rng.normal(0, 0.015)),
        fovy=float(rng.uniform(math.radians(45), math.radians(60))),
    )
    placed: list[ObjectSpec] = []
    occupied: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(count[0], count[1] + 1))):
        colour, shape = _random_pair(rng, held_out, placed)
        place_in_view(placed, occupied, random_object(rng, colour, shape), camera, rng)
    clutter: list[ObjectSpec] = []
    for _ in range(int(rng.integers(0, 3))):
        place_in_view(clutter, occupied, random_clutter(rng), camera, rng)
    grey = rng.uniform(0.4, 1.0)
    spec = SceneSpec(
        objects=tuple(placed),
        camera=camera,
        clutter=tuple(clutter),
        floor=int(rng.integers(FLOORS)),
        floor_rgb=clipped_rgb(grey * rng.uniform(0.85, 1.0, 3)),
        wall_rgb=clipped_rgb(rng.uniform(0.3, 0.95) * rng.uniform(0.85, 1.0, 3)),
        wall_distance=float(rng.uniform(2.5, 6.0)),
    )
    return lit_at_random(spec, rng)


def lit_at_random(spec: SceneSpec, rng: Generator) -> SceneSpec:
    """The scene in another light."""
    return replace(
        spec,
        light_position=triple(rng.uniform((-1.5, -2.0, 1.5), (2.0, 2.0, 3.5))),
        light=float(rng.uniform(0.4, 0.9)),
        ambient=float(rng.uniform(0.25, 0.5)),
    )


def _random_pair(rng: Generator, held_out: bool, placed: list[ObjectSpec]) -> tuple[str, str]:
    if held_out and rng.random() < 0.5:
        return sorted(HELD_OUT_PAIRS)[int(rng.integers(len(HELD_OUT_PAIRS)))]
    while True:
        colour, shape = str(rng.choice(list(COLOURS))), str(rng.choice(SHAPES))
        # Scenes that share a colour or a shape are the ones that teach to tell objects apart.
        if placed and rng.random() < 0.4:
            other = placed[int(rng.integers(len(placed)))]
            assert other.colour is not None
            colour, shape = (other.colour, shape) if rng.random() < 0.7 else (colour, other.shape)
        if (colour, shape) not in HELD_OUT_PAIRS:
            return colour, shape


def random_object(rng: Generator, colour: str, shape: str) -> ObjectSpec:
    """An object of random size that stands or lies at the origin, turned at random."""
    variant = int(rng.integers(len(CUP_SIZES)))
    u = rng.uniform(0, 1, 3)
    upright = rng.random() < 0.75
    height: float
    if shape == "box":
        size = (0.035 + 0.055 * u[0], 0.035 + 0.055 * u[1], 0.035 + 0.055 * u[2])
        height, upright = size[2], True
    elif shape == "ball":
        size = (0.04 + 0.06 * u[0],) * 3
        height = size[0]
    elif shape == "cylinder":
        radius = 0.03 + 0.04 * u[0]
        size = (radius, radius * (1.0 + 1.2 * u[1]), 0.0)
        height = size[1] if upright else radius
    elif shape == "capsule":
        radius = 0.03 + 0.025 * u[0]
        size = (radius, radius * (1.2 + 1.3 * u[1]), 0.0)
        upright = rng.random() < 0.5
        height = size[1] + radius if upright else radius
    elif shape == "plate":
        size = (0.09 + 0.07 * u[0], 0.007 + 0.006 * u[1], 0.0)
        height, upright = size[1], True
    elif shape == "cup":
        size = (*CUP_SIZES[variant], 0.0)
        upright = rng.random() < 0.85
        height = size[1] / 2 if upright else size[0]
    else:
        size = (*CONE_SIZES[variant], 0.0)
        height, upright = size[1] / 2, True
    yaw = rng.uniform(-math.pi, math.pi)
    quaternion = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
    if not upright:
        quaternion = multiplied(quaternion, (math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0))
    at, rgb = (0.0, 0.0, float(height)), tinted(rng, colour)
    return ObjectSpec(shape, colour, rgb, triple(size), at, quaternion, variant)


def tinted(rng: Generator, colour: str) -> tuple[float, float, float]:
    """A random tint of a named colour."""
    base = np.array(COLOURS[colour])
    return clipped_rgb(base * rng.uniform(0.85, 1.1) + rng.normal(0, 0.02, 3))


def random_clutter(rng: Generator) -> ObjectSpec:
    """A grey or brown slab, much longer than any box that has a name."""
    size = (0.02 + 0.02 * rng.random(), 0.15 + 0.15 * rng.random(), 0.01 + 0.03 * rng.random())
    yaw = rng.uniform(-math.pi, math.pi)
    grey = rng.uniform(0.25, 0.65)
    rgb = (grey, grey * rng.uniform(0.75, 1.0), grey * rng.uniform(0.5, 1.0))
    quaternion = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
    return ObjectSpec("box", None, rgb, triple(size), (0.0, 0.0, size[2]), quaternion)


def place_in_view(
    placed: list[ObjectSpec],
    occupied: list[tuple[float, float, float]],
    object_: ObjectSpec,
    camera: CameraSpec,
    rng: Generator,
) -> None:
    """Add the object where the camera sees the floor and nothing stands yet; drop it if crowded."""
    radius = footprint_radius(object_)
    half_x = math.atan(math.tan(camera.fovy / 2) * 4 / 3)
    nearest = camera.height / math.tan(min(camera.tilt + camera.fovy / 2, 1.4)) + radius
    for _ in range(20):
        # Uniform in the inverse distance: the image is filled evenly from bottom to top.
        distance = 1 / rng.uniform(1 / 2.4, 1 / max(nearest, 0.3))
        bearing = rng.uniform(-0.9, 0.9) * half_x
        x, y = camera.x + distance, distance * math.tan(bearing)
        if all(math.hypot(x - a, y - b) > radius + r + 0.01 for a, b, r in occupied):
            occupied.append((x, y, radius))
            position = (float(x), float(y), object_.position[2])
            placed.append(replace(object_, position=position))
            return


def footprint_radius(object_: ObjectSpec) -> float:
    """Radius in m of a circle on the floor that holds the object, whichever way it lies."""
    a, b, _ = object_.size
    if object_.shape == "box":
        return math.hypot(a, b)
    if object_.shape in ("cup", "cone"):
        return max(a, b / 2)
    if object_.shape == "capsule":
        return a + b
    return max(a, b)


def multiplied(
    p: tuple[float, float, float, float], q: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """Hamilton product of two (w, x, y, z) quaternions."""
    a, b, c, d = p
    w, x, y, z = q
    return (
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    )


def clipped_rgb(values: np.ndarray) -> tuple[float, float, float]:
    """A colour that can be shown, of any three numbers."""
    return triple(np.clip(values, 0.01, 1.0))


def triple(values: Iterable[float]) -> tuple[float, float, float]:
    """Three numbers, as of an array float[3]."""
    a, b, c = values
    return (float(a), float(b), float(c))


SPLIT_SEEDS = {
    "train": 0,
    "validation": 10_000_000,
    "test": 40_000_000,
    "composition": 50_000_000,
}
"""First seed of each split; "composition" is a test on colour-shape pairs never trained.

Test scenes that were looked at before a decision are given up, and others take their place.
"""


def scene_of_seed(split: str, index: int) -> SceneSpec:
    """The scene with this index in a split."""
    rng = np.random.default_rng(SPLIT_SEEDS[split] + index)
    return random_scene(rng, held_out=split == "composition")
