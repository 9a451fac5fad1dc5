"""Solids that no noun is true of, and some of which one can argue what they are, in any unit."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from vlam_ros.lab.generators.procedural.solids import (
    BEND,
    Solid,
    bar,
    bent,
    box,
    circle,
    joined,
    lathed,
    lofted,
    smoothed,
    stacked,
)
from vlam_ros.types import FloatArray


def dented(rng: Generator) -> FloatArray:
    """An outline float64[N,2] around the origin with a dent, whose radius has at most two maxima:
    neither the points of a star nor the arms of a cross.
    """
    while True:
        count = int(rng.integers(6, 10))
        turns = 2 * np.pi * (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count
        radii = rng.uniform(0.35, 1.0, count)
        points = np.stack([radii * np.cos(turns), radii * np.sin(turns)], axis=1)
        edge = np.roll(points, -1, axis=0) - points
        onward = np.roll(edge, -1, axis=0)
        bends = edge[:, 0] * onward[:, 1] - edge[:, 1] * onward[:, 0]
        if spikes(radii) <= 2 and bends.min() < -0.1:
            return points


def spikes(radii: FloatArray) -> int:
    """Local maxima of the radii around an outline."""
    return int(((radii > np.roll(radii, 1)) & (radii >= np.roll(radii, -1))).sum())


def slab(rng: Generator) -> Solid:
    return stacked(dented(rng), [(1.0, 0.0), (rng.uniform(0.8, 1.0), rng.uniform(0.2, 1.5))])


def polygon(rng: Generator) -> Solid:
    """A regular prism, arguably a cylinder or, by chance, a box."""
    sides = int(rng.integers(5, 9))
    return stacked(circle(sides), [(1.0, 0.0), (1.0, rng.uniform(0.4, 3.0))])


def frustum(rng: Generator) -> Solid:
    """Arguably a cone, a pyramid or a cup upside down."""
    outline = circle(int(rng.choice((4, 4, 6, 32))))
    stretched = outline * (1.0, rng.uniform(0.6, 1.0))
    return stacked(stretched, [(1.0, 0.0), (rng.uniform(0.35, 0.75), rng.uniform(0.5, 2.0))])


def rounded_box(rng: Generator) -> Solid:
    """Arguably a box."""
    power = rng.uniform(2.8, 6)
    turns, tilts = 2 * np.pi * np.arange(28) / 28, np.linspace(-1.5, 1.5, 13)
    x = _power(np.cos(tilts), 2 / power)[:, None] * _power(np.cos(turns), 2 / power)
    y = _power(np.cos(tilts), 2 / power)[:, None] * _power(np.sin(turns), 2 / power)
    z = np.broadcast_to(_power(np.sin(tilts), 2 / power)[:, None], x.shape)
    return lofted(np.stack([x, y, z], axis=-1)).scaled(*rng.uniform(0.4, 1.0, 3))


def _power(values: FloatArray, exponent: float) -> FloatArray:
    raised: FloatArray = np.sign(values) * np.abs(values) ** exponent
    return raised


def spindle(rng: Generator) -> Solid:
    """A turned leg or knob: two to four bulges with narrow waists between them."""
    bulges = int(rng.integers(2, 5))
    knots = np.sort(np.linspace(0, 1, 2 * bulges + 1) + rng.uniform(-0.03, 0.03, 2 * bulges + 1))
    knots[[0, -1]] = 0, 1
    values = np.where(
        np.arange(2 * bulges + 1) % 2, rng.uniform(0.6, 1.0, 2 * bulges + 1), rng.uniform(0.2, 0.4)
    )
    at = np.linspace(0, 1, 20)
    radii, height = smoothed(at, tuple(knots), tuple(values)), rng.uniform(1.2, 1.8) * bulges
    return lathed([(float(r), float(t * height)) for r, t in zip(radii, at, strict=True)], 20)


def blob(rng: Generator) -> Solid:
    """A stone or potato with dents, far from a ball."""
    turns, tilts = 2 * np.pi * np.arange(20) / 20, np.linspace(-1.5, 1.5, 13)
    unit = np.stack(
        [
            np.cos(tilts)[:, None] * np.cos(turns),
            np.cos(tilts)[:, None] * np.sin(turns),
            np.broadcast_to(np.sin(tilts)[:, None], (13, 20)),
        ],
        axis=-1,
    )
    radii = np.ones(unit.shape[:2])
    for _ in range(4):
        radii += rng.uniform(0.12, 0.22) * np.sin(unit @ rng.normal(0, 2.2, 3) + rng.uniform(0, 6))
    return lofted(unit * radii[..., None]).scaled(1.0, rng.uniform(0.45, 0.75), 0.7)


def twisted(rng: Generator) -> Solid:
    sides = int(rng.choice((3, 4, 4)))
    levels = [(1 - rng.uniform(0, 0.03) * k, 0.25 * k) for k in range(16)]
    return stacked(circle(sides), levels, rng.choice((-1, 1)) * rng.uniform(1.2, 3.5))


def letter(rng: Generator) -> Solid:
    """A block like an L, T, Z or E: boxes in one plane."""
    thick, deep = rng.uniform(0.3, 0.5), rng.uniform(0.3, 1.0)
    stem = box(thick, deep, 2)
    arm = box(rng.uniform(0.8, 1.4), deep, thick)
    side = arm.vertices[:, 0].max() - thick / 2
    ends = {
        "L": [arm.moved(side, 0, -1 + thick / 2)],
        "T": [box(rng.uniform(1.4, 2.2), deep, thick).moved(0, 0, 1 - thick / 2)],
        "Z": [arm.moved(side, 0, -1 + thick / 2), arm.moved(-side, 0, 1 - thick / 2)],
        "E": [arm.moved(side, 0, z) for z in (-1 + thick / 2, 0.0, 1 - thick / 2)],
    }
    return joined(stem, *ends[str(rng.choice(list(ends)))])


def cluster(rng: Generator) -> Solid:
    """Three to five boxes grown together askew."""
    boxes = [
        box(*rng.uniform(0.4, 1.2, 3)).turned(rng.uniform(0, 3)).moved(*rng.uniform(-0.5, 0.5, 3))
        for _ in range(rng.integers(3, 6))
    ]
    return joined(*boxes)


def slotted(rng: Generator) -> Solid:
    """A box with two or three holes through it, side by side."""
    holes, wide, deep = int(rng.integers(2, 4)), rng.uniform(0.5, 0.9), rng.uniform(0.3, 1.0)
    tall, rim = rng.uniform(0.7, 1.3), rng.uniform(0.15, 0.3)
    long = holes * wide + (holes + 1) * rim
    posts = [
        box(rim, deep, tall).moved((wide + rim) * i - (long - rim) / 2, 0, 0)
        for i in range(holes + 1)
    ]
    beams = [box(long, deep, rim).moved(0, 0, end * (tall + rim) / 2) for end in (-1, 1)]
    return joined(*posts, *beams)


def horn(rng: Generator) -> Solid:
    path = bent(rng, rng.uniform(4, 7), rng.uniform(0.5, 1.0) * BEND)
    return bar(path, list(np.linspace(1.0, rng.uniform(0.05, 0.4), len(path))), 14)


def rod(rng: Generator) -> Solid:
    """A solid bar that winds twice, arguably a tube."""
    at = np.linspace(0, 1, 24)
    sway = rng.uniform(0.6, 1.2) * np.sin(2 * np.pi * at * rng.uniform(0.8, 1.3))
    path = np.stack([rng.uniform(5, 7) * at, sway, 0 * at], axis=1)
    return bar(path, [rng.uniform(0.25, 0.45)] * 24, 12)


def wave(rng: Generator) -> Solid:
    """A bent sheet."""
    at = np.linspace(-1, 1, 18)
    z = rng.uniform(0.15, 0.35) * np.sin(at * rng.uniform(3, 7))
    wide, thick = rng.uniform(0.4, 1.0), 0.06
    corners = np.array([(-wide, -thick), (wide, -thick), (wide, thick), (-wide, thick)])
    sections = [[(x, y, h + up) for y, up in corners] for x, h in zip(at, z, strict=True)]
    return lofted(np.array(sections))


def stack(rng: Generator) -> Solid:
    """Two frustums of different outline, the upper one aside."""
    low, high = rng.choice((5, 6, 8, 20), 2, replace=False)
    tall, top = rng.uniform(0.4, 1.2, 2)
    foot = stacked(circle(int(low)), [(1.0, 0.0), (rng.uniform(0.7, 1.0), tall)])
    head = stacked(circle(int(high)), [(0.75, 0.0), (rng.uniform(0.3, 0.7), top)])
    return joined(foot, head.moved(rng.uniform(-0.35, 0.35), rng.uniform(-0.35, 0.35), tall))
