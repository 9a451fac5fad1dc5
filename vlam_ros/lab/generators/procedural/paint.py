"""What things are painted with: wide but unambiguous ranges of each named colour, and patterns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from vlam_ros.lab.generators.generator import UNDECIDED
from vlam_ros.lab.generators.procedural.textures import PATTERNS, blended, rgb_of_hsv
from vlam_ros.types import Uint8Array

RGB = tuple[float, float, float]
Range = tuple[float, float]

RANGES: dict[str, tuple[Range, Range, Range]] = {
    "red": ((-8, 8), (0.75, 1.0), (0.40, 1.0)),
    "green": ((95, 150), (0.50, 1.0), (0.28, 0.85)),
    "blue": ((210, 240), (0.60, 1.0), (0.40, 1.0)),
    "yellow": ((49, 60), (0.65, 1.0), (0.78, 1.0)),
    "orange": ((19, 33), (0.80, 1.0), (0.88, 1.0)),
    "purple": ((270, 292), (0.50, 1.0), (0.35, 0.85)),
    "white": ((0, 360), (0.0, 0.05), (0.90, 1.0)),
    "black": ((0, 360), (0.0, 0.25), (0.015, 0.07)),
    "brown": ((15, 32), (0.55, 0.90), (0.22, 0.48)),
    "grey": ((0, 360), (0.0, 0.06), (0.33, 0.58)),
    "pink": ((322, 350), (0.30, 0.58), (0.85, 1.0)),
}
"""Hue in degrees, saturation and value of what everybody would call by this name: between the
ranges are gaps, which shade and light of several colours may use up.
"""
BETWEEN = (
    ((165, 195), (0.4, 1.0), (0.3, 0.9)),
    ((36, 46), (0.2, 0.35), (0.75, 0.95)),
    ((64, 85), (0.4, 0.9), (0.3, 0.6)),
    ((300, 316), (0.6, 1.0), (0.5, 0.95)),
    ((250, 262), (0.2, 0.45), (0.7, 0.95)),
)
"""Turquoise, beige, olive, magenta, lavender: no name of ours is surely true or false of them."""


def tint(rng: Generator, colour: str) -> RGB:
    """A colour of this name, RGB in 0..1; UNDECIDED: of none."""
    ranges = BETWEEN[rng.integers(len(BETWEEN))] if colour == UNDECIDED else RANGES[colour]
    hue, saturation, value = (float(rng.uniform(*limits)) for limits in ranges)
    return rgb_of_hsv(hue / 360, saturation, value)


@dataclass(frozen=True)
class Pattern:
    """A texture uint8[S,S,3] of the `colours` that it is in itself; without any, it is a grey one,
    which leaves a thing in two tints of its own colour.
    """

    colours: tuple[str, ...]
    image: Uint8Array


def patterns(rng: Generator, grey: int, coloured: int, size: int = 96) -> list[Pattern]:
    """Patterns of so many kinds, the grey ones first."""
    drawn = []
    for i in range(grey + coloured):
        field = _pattern(i)(rng, size)
        if i < grey:
            low = rng.uniform(0.68, 0.85)
            drawn.append(Pattern((), blended(field, (low,) * 3, (1.0, 1.0, 1.0))))
        else:
            one, other = (str(c) for c in rng.choice(list(RANGES), 2, replace=False))
            image = blended(field, tint(rng, one), tint(rng, other))
            drawn.append(Pattern((one, other), image))
    return drawn


def _pattern(i: int) -> Callable[[Generator, int], np.ndarray]:
    return PATTERNS[i % len(PATTERNS)]
