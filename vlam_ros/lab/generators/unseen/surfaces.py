"""Textures of the unseen generator's floors, walls and things, made of numbers."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from vlam_ros.types import Uint8Array

SIDE = 256
"""Of a texture, in pixels."""
Pattern = npt.NDArray[np.float32]


def surface(
    rng: Generator, patterns: dict[str, Callable[[Generator], Pattern]], dull: bool = False
) -> Uint8Array:
    """A texture uint8[SIDE,SIDE,3] in two muted colours, which one of the patterns mixes; `dull`
    ones, that nobody would name, are of what could be taken for a thing.
    """
    pattern = patterns[str(rng.choice(list(patterns)))](rng)
    dark, light = np.sort([_muted(rng, dull), _muted(rng, dull)], axis=0)
    contrast = rng.uniform(0.25, 1.0)
    mixed = dark + contrast * (light - dark) * pattern[..., None]
    worn = mixed * (1 + rng.uniform(0.0, 0.2) * (_clouds(rng) - 0.5)[..., None])
    return np.clip(255 * worn, 0, 255).astype(np.uint8)


def grain(rng: Generator) -> Uint8Array:
    """A light texture uint8[SIDE,SIDE,3] for things of one colour: stains, or fine stripes."""
    pattern = _clouds(rng) if rng.random() < 0.6 else _stripes(rng)
    shade = 1 - rng.uniform(0.1, 0.35) * pattern
    return np.repeat((255 * shade).astype(np.uint8)[..., None], 3, axis=2)


def _muted(rng: Generator, dull: bool) -> npt.NDArray[np.float64]:
    """A colour of a floor or wall: rarely as full as that of a thing."""
    hue = rng.normal(0.09, 0.06) % 1 if rng.random() < 0.5 else rng.random()
    saturation = rng.uniform(0, 0.35) if dull else rng.beta(1.2, 3.5)
    return np.array(colorsys.hsv_to_rgb(hue, saturation, rng.uniform(0.2, 0.9)))


def _clouds(rng: Generator) -> Pattern:
    """Noise at several scales, 0..1."""
    total = np.zeros((SIDE, SIDE), np.float32)
    for cells in (4, 16, 64, SIDE):
        grid = rng.random((cells, cells), dtype=np.float32)
        total += cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) / np.sqrt(cells)
    pattern: Pattern = (total - total.min()) / np.ptp(total)
    return pattern


def _even(rng: Generator) -> Pattern:
    return np.full((SIDE, SIDE), rng.random(), np.float32)


def _gradient(rng: Generator) -> Pattern:
    ramp = np.linspace(0, 1, SIDE, dtype=np.float32)
    return np.broadcast_to(ramp if rng.random() < 0.5 else ramp[:, None], (SIDE, SIDE))


def _checkers(rng: Generator) -> Pattern:
    cells = np.arange(SIDE) * int(rng.integers(1, 5)) * 2 // SIDE
    return (np.add.outer(cells, cells) % 2).astype(np.float32)


def _tiles(rng: Generator) -> Pattern:
    """Each of its own shade, with dark joints."""
    count = int(rng.integers(2, 6))
    shades = rng.uniform(0.6, 1.0, (count, count))
    cells = np.arange(SIDE) * count // SIDE
    joint = np.arange(SIDE) % (SIDE // count) < rng.integers(2, 6)
    pattern = shades[np.ix_(cells, cells)]
    pattern[joint], pattern[:, joint] = 0.0, 0.0
    return pattern.astype(np.float32)


def _planks(rng: Generator) -> Pattern:
    """Boards of their own shades, each row of them shifted, with a grain along them."""
    rows = int(rng.integers(3, 9))
    fibres = cv2.resize(rng.random((SIDE, 6), dtype=np.float32), (SIDE, SIDE))
    row = np.arange(SIDE) * rows // SIDE
    shift = rng.integers(0, SIDE, rows)[row]
    along = (np.arange(SIDE) + shift[:, None]) % SIDE
    shades = rng.uniform(0.4, 1.0, (rows, 2))
    pattern = shades[row[:, None], along * 2 // SIDE] - 0.3 * fibres
    pattern[np.arange(SIDE) % (SIDE // rows) < 2] = 0.0
    pattern[along % (SIDE // 2) < 2] = 0.0
    return np.clip(pattern, 0, 1).astype(np.float32)


def _stripes(rng: Generator) -> Pattern:
    wave = np.sin(2 * np.pi * rng.integers(2, 20) * np.arange(SIDE) / SIDE)
    bands = np.broadcast_to(
        0.5 + 0.5 * (np.sign(wave) if rng.random() < 0.5 else wave), (SIDE,) * 2
    )
    return bands.astype(np.float32)


FLOORS: dict[str, Callable[[Generator], Pattern]] = {
    "even": _even,
    "clouds": _clouds,
    "gradient": _gradient,
    "checkers": _checkers,
    "tiles": _tiles,
    "planks": _planks,
    "stripes": _stripes,
}
WALLS = {name: FLOORS[name] for name in ("even", "clouds", "gradient", "tiles", "stripes")}
