"""How household objects stand on a table, a counter or the floor, and who looks at them.

Lengths in metres in a frame with its origin on the floor below the middle of the objects, z up.
Nothing here needs MuJoCo or the assets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from vlam_ros.lab.generators.household.assets import Asset
from vlam_ros.types import FloatArray

FURNITURE = 2
"""Pieces of furniture that a random choice of objects has at most."""


@dataclass(frozen=True)
class Rest:
    """How an asset rests with one of its axes up: `turn` float[3,3] rotates it so, and `origin`
    float[3] is then that of the asset above the middle of the circle that it covers.

    Another object may stand in or on it at the height `inside`, within the radius `room`.
    """

    turn: FloatArray
    origin: FloatArray
    radius: float
    height: float
    inside: float
    room: float


@dataclass(frozen=True)
class Placed:
    """An object: the middle of what it covers, at the height that it stands on, and its yaw."""

    asset: str
    rest: Rest
    position: tuple[float, float, float]
    yaw: float


@dataclass(frozen=True)
class View:
    """A camera at `position` that looks at `target`, with its vertical field of view in rad."""

    position: FloatArray
    target: FloatArray
    fovy: float


def chosen(
    rng: Generator, assets: Mapping[str, Asset], start: Iterable[str], count: int
) -> list[str]:
    """`count` names of `assets` with `start` among them, as often as there are copies of each."""
    names = list(start)
    for _ in range(4 * count):
        if len(names) >= count:
            break
        asset = assets[str(rng.choice(list(assets)))]
        crowded = sum(assets[name].furniture for name in names) >= FURNITURE
        if names.count(asset.name) < asset.copies and not (asset.furniture and crowded):
            names.append(asset.name)
    return names


def random_view(rng: Generator, height: float) -> View:
    """A camera that looks at the middle of a surface at this height."""
    distance = float(np.exp(rng.uniform(math.log(0.35), math.log(2.0))))
    azimuth, elevation = rng.uniform(-math.pi, math.pi), rng.uniform(0.17, 1.2)
    target = np.array([*rng.uniform(-0.12, 0.12, 2) * distance, height + rng.uniform(0.0, 0.08)])
    outward = np.array(
        [
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        ]
    )
    return View(target + distance * outward, target, float(rng.uniform(0.7, 1.3)))


def arranged(
    rng: Generator,
    names: Iterable[str],
    assets: Mapping[str, Asset],
    rests: Mapping[tuple[str, str], Rest],
    spread: float,
    view: View,
    height: float,
) -> list[Placed]:
    """The objects that find room within `spread` of the middle, none in another or at the camera.

    Some stand in or on another one.
    """
    drawn = [(name, rests[name, str(rng.choice(list(assets[name].up)))]) for name in names]
    placed: list[Placed] = []
    holding: set[int] = set()
    for name, rest in sorted(drawn, key=lambda pair: -pair[1].radius):
        yaw = float(rng.uniform(-math.pi, math.pi))
        free = [
            i
            for i, p in enumerate(placed)
            if assets[p.asset].holds and i not in holding and rest.radius < p.rest.room
        ]
        if free and rng.random() < 0.3:
            i = int(rng.choice(free))
            holding.add(i)
            x, y, z = placed[i].position
            placed.append(Placed(name, rest, (x, y, z + placed[i].rest.inside), yaw))
            continue
        for _ in range(30):
            # Uniform on the disc.
            far, turn = spread * math.sqrt(rng.random()), rng.uniform(-math.pi, math.pi)
            x, y = far * math.cos(turn), far * math.sin(turn)
            if _is_free(x, y, rest, placed, height) and not _hides_all(x, y, rest, view, height):
                placed.append(Placed(name, rest, (x, y, height), yaw))
                break
    return placed


def _is_free(x: float, y: float, rest: Rest, placed: list[Placed], height: float) -> bool:
    standing = [p for p in placed if p.position[2] == height]
    gaps = [
        math.hypot(x - p.position[0], y - p.position[1]) - p.rest.radius - rest.radius
        for p in standing
    ]
    return min(gaps, default=1.0) > 0.005


def _hides_all(x: float, y: float, rest: Rest, view: View, height: float) -> bool:
    """Whether the object would stand at the camera, or close before it."""
    away = math.hypot(x - view.position[0], y - view.position[1]) - rest.radius
    below = view.position[2] - height - rest.height
    return max(away - rest.radius, below) < 0.1
