"""Textures drawn from numbers: what floors, walls and furniture look like, and patterned things."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from vlam_ros.types import Uint8Array

Field = npt.NDArray[np.float64]
"""float64[S,S] in 0..1, which repeats without a seam where it is noise."""


def noise(rng: Generator, size: int, slope: float, stretch: float = 1.0) -> Field:
    """Noise with a spectrum of frequency ** -slope, longer along x by `stretch`."""
    x, y = np.meshgrid(np.fft.rfftfreq(size), np.fft.fftfreq(size))
    frequency = np.maximum(np.hypot(stretch * x, y), 1 / size)
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) / frequency**slope)
    low, high = np.percentile(field, (2, 98))
    return np.clip((field - low) / (high - low), 0, 1)


def _flat(rng: Generator, size: int) -> Field:
    return 0.1 * noise(rng, size, 0.3)


def _gradient(rng: Generator, size: int) -> Field:
    x, y = _axes(size)
    turn = rng.uniform(0, 2 * math.pi)
    field = math.cos(turn) * x + math.sin(turn) * y
    return (field - field.min()) / np.ptp(field)


def _checker(rng: Generator, size: int) -> Field:
    x, y = _axes(size)
    cells = 2 * rng.integers(1, 6)
    return (np.floor(cells * x) + np.floor(cells * y)) % 2


def _clouds(rng: Generator, size: int) -> Field:
    return noise(rng, size, rng.uniform(1.0, 2.5))


def _planks(rng: Generator, size: int) -> Field:
    rows = int(rng.integers(3, 9))
    row = np.minimum((np.arange(size) * rows) // size, rows - 1)
    along = (np.arange(size)[None] / size + rng.random(rows)[row][:, None]) % 1.0
    grain = noise(rng, size, 1.0, 12.0) * 0.4 + 0.5 * rng.random(rows)[row][:, None]
    gap = (along < 0.006) | ((np.arange(size) * rows % size < rows * 1.5)[:, None])
    return np.clip(grain - 0.9 * gap + 0.1, 0, 1)


def _tiles(rng: Generator, size: int) -> Field:
    x, y = _axes(size)
    cells, joint = int(rng.integers(1, 7)), rng.uniform(0.015, 0.06)
    shift = 0.5 * (np.floor(cells * y) % 2) if cells % 2 == 0 and rng.random() < 0.5 else 0.0
    shades = rng.random((cells, cells))
    column = np.floor(cells * x + shift).astype(int) % cells
    shade = shades[np.floor(cells * y).astype(int), column]
    inside = np.minimum((cells * x + shift) % 1, (cells * y) % 1) > joint
    return inside * (0.6 + 0.25 * shade + 0.15 * noise(rng, size, 1.0))


def _carpet(rng: Generator, size: int) -> Field:
    x, y = _axes(size)
    weave = np.sin(2 * np.pi * 32 * x) * np.sin(2 * np.pi * 32 * y)
    return np.clip(0.5 + 0.15 * weave + 0.6 * (noise(rng, size, 0.2) - 0.5), 0, 1)


def _stone(rng: Generator, size: int) -> Field:
    """Cells around random points, dark between them."""
    points = rng.random((int(rng.integers(12, 50)), 2))
    x, y = _axes(size)
    nearest = np.full((2, size, size), 9.0)
    for px, py in points:
        # To the nearest of the point's copies in all repetitions of the texture.
        dx, dy = np.abs(x - px), np.abs(y - py)
        distance = np.hypot(np.minimum(dx, 1 - dx), np.minimum(dy, 1 - dy))
        nearest[1] = np.minimum(nearest[1], np.maximum(nearest[0], distance))
        nearest[0] = np.minimum(nearest[0], distance)
    edge = np.clip((nearest[1] - nearest[0]) * 25, 0, 1)
    return edge * (0.55 + 0.45 * noise(rng, size, 1.3))


def _stripes(rng: Generator, size: int) -> Field:
    x, y = _axes(size)
    count, slant = int(rng.integers(2, 12)), int(rng.integers(0, 2))
    return ((count * (x + slant * y)) % 1 < rng.uniform(0.3, 0.7)).astype(float)


def _wood(rng: Generator, size: int) -> Field:
    x, _ = _axes(size)
    rings = 6 * noise(rng, size, 2.0, 6.0) + rng.integers(2, 7) * x
    return np.clip(0.35 * np.sin(2 * np.pi * rings) + noise(rng, size, 0.8, 10.0), 0, 1)


def _marble(rng: Generator, size: int) -> Field:
    veins = np.abs(np.sin(np.pi * (3 * noise(rng, size, 1.8) + _axes(size)[0] * 2)))
    return veins ** rng.uniform(0.2, 0.6)


def _speckles(rng: Generator, size: int) -> Field:
    return (noise(rng, size, rng.uniform(0.6, 1.6)) > rng.uniform(0.55, 0.8)).astype(float)


def _axes(size: int) -> tuple[Field, Field]:
    axis = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    return x, y


GROUNDS: tuple[Callable[[Generator, int], Field], ...] = (
    _flat,
    _gradient,
    _checker,
    _clouds,
    _planks,
    _tiles,
    _carpet,
    _stone,
    _stripes,
    _wood,
    _marble,
    _speckles,
)
"""Patterns of floors, walls and furniture."""
PATTERNS = (_checker, _stripes, _wood, _marble, _clouds, _speckles)
"""Patterns of things."""


def blended(field: Field, dark: npt.ArrayLike, light: npt.ArrayLike) -> Uint8Array:
    """RGB uint8[S,S,3] between two colours in 0..1."""
    a, b = np.asarray(dark, float), np.asarray(light, float)
    return np.round(255 * (a + field[..., None] * (b - a))).clip(0, 255).astype(np.uint8)


def ground(rng: Generator, kind: int, size: int = 256) -> Uint8Array:
    """A texture of GROUNDS[kind] in two random colours, often of one hue: muted, saturated, dark or
    light.
    """
    hue, near = rng.random(), rng.random() < 0.7
    saturation = rng.uniform(0.0, 0.35) if rng.random() < 0.55 else rng.uniform(0.35, 1.0)
    values = np.sort(rng.uniform(0.12, 1.0, 2))
    if rng.random() < 0.5:  # little contrast
        values[0] = values[1] * rng.uniform(0.6, 0.95)
    other = hue + rng.normal(0, 0.04) if near else rng.random()
    dark = rgb_of_hsv(hue, saturation, values[0])
    light = rgb_of_hsv(other, saturation * rng.uniform(0.4, 1.0), values[1])
    field = GROUNDS[kind](rng, size)
    return blended(field if rng.random() < 0.5 else 1 - field, dark, light)


def rgb_of_hsv(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    """RGB in 0..1 of a hue in turns, which wraps, a saturation and a value in 0..1."""

    def channel(offset: float) -> float:
        k = (offset + 6 * hue) % 6
        return value - value * saturation * max(0.0, min(k, 4 - k, 1.0))

    return channel(5), channel(3), channel(1)
