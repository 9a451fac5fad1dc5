"""The things of procedural images: what they are called, their form, their paint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator

from vlam_ros.lab.generators.generator import NONE, UNDECIDED, Thing
from vlam_ros.lab.generators.procedural.meshes import FURTHER_NOUNS, mesh, numbers
from vlam_ros.lab.generators.procedural.paint import RANGES, RGB, Pattern, patterns, tint
from vlam_ros.lab.generators.procedural.solids import AHEAD, UP, Vector, circle, rotation
from vlam_ros.lab.simulation.scene import HELD_OUT_PAIRS, SHAPES, triple
from vlam_ros.types import FloatArray

MAX_NAMED, MAX_NAMELESS = 12, 8
GREY_PATTERNS, COLOURED_PATTERNS = 12, 24
GLOSSES = 5
FLAT = ("plate", "bowl", "bucket", "pan")
"""Nouns of what rarely lies on its side."""


@cache
def pattern_pool() -> tuple[Pattern, ...]:
    """The patterns of things in all arrangements."""
    return tuple(patterns(np.random.default_rng(11), GREY_PATTERNS, COLOURED_PATTERNS))


@dataclass(frozen=True)
class Body:
    """A thing: a "box", "ball", "cylinder" or "capsule" with MuJoCo's half `size` (m), or a "mesh"
    of this number, where its origin is and how it is turned.

    `pattern` is one of `pattern_pool`, or None: then `gloss`, up to GLOSSES, tells how it shines.
    """

    thing: Thing
    kind: str
    number: int
    size: Vector
    rgb: RGB
    pattern: int | None
    gloss: int
    position: FloatArray
    matrix: FloatArray

    def lowest(self) -> float:
        """How far it reaches below its origin, m."""
        points, round_off = self._hull()
        return round_off - float((points @ self.matrix.T)[:, 2].min())

    def reach(self) -> float:
        """How far it reaches from its origin on the floor, m."""
        points, round_off = self._hull()
        return round_off + float(np.hypot(*(points @ self.matrix.T)[:, :2].T).max())

    def _hull(self) -> tuple[FloatArray, float]:
        """Points float64[N,3] and a radius around them that hold it, unturned."""
        a, b, c = self.size
        if self.kind == "mesh":
            return mesh(self.number).solid.vertices, 0.0
        if self.kind == "box":
            return np.array([(i, j, k) for i in (-a, a) for j in (-b, b) for k in (-c, c)]), 0.0
        if self.kind == "cylinder":
            rim = a * circle(24)
            return np.concatenate([np.insert(rim, 2, z, axis=1) for z in (-b, b)]), 0.0
        half = b if self.kind == "capsule" else 0.0
        return np.array([(0, 0, -half), (0, 0, half)]), a


def random_bodies(rng: Generator, trained: bool) -> list[Body]:
    """Named and nameless things in random order, at the origin."""
    named = 0 if rng.random() < 0.06 else 1 + int(MAX_NAMED * rng.random() ** 1.5)
    nameless = min(int(rng.exponential(3.0)), MAX_NAMELESS)
    things: list[Body] = []
    for _ in range(named):
        noun, colour = _name(rng, things)
        things.append(body(rng, noun, colour, trained))
    for _ in range(nameless):
        noun = UNDECIDED if rng.random() < 0.25 else NONE
        things.append(body(rng, noun, _colour(rng), trained))
    return [things[i] for i in rng.permutation(len(things))]


def _name(rng: Generator, others: Sequence[Body]) -> tuple[str, str]:
    """A noun and a colour, often one of those of another thing: such images teach to tell apart."""
    while True:
        noun = str(rng.choice(SHAPES if rng.random() < 0.6 else FURTHER_NOUNS))
        colour = _colour(rng)
        if others and rng.random() < 0.4:
            other = others[int(rng.integers(len(others)))].thing
            noun, colour = (noun, other.colour) if rng.random() < 0.7 else (other.noun, colour)
        if (colour, noun) not in HELD_OUT_PAIRS:
            return noun, colour


def _colour(rng: Generator) -> str:
    return UNDECIDED if rng.random() < 0.1 else str(rng.choice(list(RANGES)))


def body(rng: Generator, noun: str, colour: str, trained: bool) -> Body:
    """A thing at the origin, upright, lying or anyhow, painted at random."""
    kind, number, size = _form(rng, noun, trained)
    pattern, rgb = _painted(rng, noun, colour)
    gloss, matrix = int(rng.integers(GLOSSES)), _turn(rng, noun)
    return Body(Thing(noun, colour), kind, number, size, rgb, pattern, gloss, np.zeros(3), matrix)


def _painted(rng: Generator, noun: str, colour: str) -> tuple[int | None, RGB]:
    """Pattern and tint of a colour. Undecided, it is often of two, none held out of this noun."""
    pool = pattern_pool()
    if colour == UNDECIDED and rng.random() < 0.7:
        while True:
            pattern = int(rng.integers(GREY_PATTERNS, len(pool)))
            if all((own, noun) not in HELD_OUT_PAIRS for own in pool[pattern].colours):
                return pattern, (1.0, 1.0, 1.0)
    two_tints = rng.random() < 0.25
    return int(rng.integers(GREY_PATTERNS)) if two_tints else None, tint(rng, colour)


def _form(rng: Generator, noun: str, trained: bool) -> tuple[str, int, Vector]:
    """Kind, number of its mesh and half size of a thing of a noun."""
    scale = math.exp(rng.uniform(math.log(0.025), math.log(0.15)))
    u = rng.uniform(0, 1, 3)
    if noun == "box":
        return "box", 0, triple(scale * (0.4 + 0.6 * u))
    if noun == "ball":
        return "ball", 0, (scale, scale, scale)
    if noun == "cylinder":
        return "cylinder", 0, (scale * (0.4 + 0.6 * u[0]), scale * (0.45 + 1.5 * u[1]), 0.0)
    if noun == "capsule":
        radius = scale * (0.3 + 0.4 * u[0])
        return "capsule", 0, (radius, radius * (0.9 + 2.6 * u[1]), 0.0)
    if noun == "plate" and rng.random() < 0.5:
        radius = 1.3 * scale
        return "cylinder", 0, (radius, radius * (0.04 + 0.08 * u[0]), 0.0)
    return "mesh", int(rng.choice(numbers(noun, trained))), (scale, scale, scale)  # has its own


def _turn(rng: Generator, noun: str) -> FloatArray:
    """Upright at most times, or on its side, or anyhow."""
    turn = rotation(rng.uniform(0, 2 * math.pi), UP)
    if rng.random() < (0.9 if noun in FLAT else 0.62):
        return turn
    tipped = math.pi / 2 if rng.random() < 0.65 else rng.uniform(0, math.pi)
    turned: FloatArray = turn @ rotation(tipped, AHEAD) @ rotation(rng.uniform(0, 2 * math.pi), UP)
    return turned
