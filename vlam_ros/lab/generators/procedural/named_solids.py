"""Solids that people have a noun for: each function makes many of one, in any unit."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from vlam_ros.lab.generators.procedural.solids import (
    AHEAD,
    BEND,
    LEFT,
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
    straight,
)
from vlam_ros.types import FloatArray


def cup(rng: Generator) -> Solid:
    height, foot = rng.uniform(1.2, 3.0), rng.uniform(0.55, 1.0)
    wall, bulge = rng.uniform(0.05, 0.22), rng.uniform(0.5, 2.0)
    levels = np.linspace(0, 1, 6)
    radii = foot + (1 - foot) * levels**bulge
    outside = [(float(r), float(t * height)) for r, t in zip(radii, levels, strict=True)]
    inside = [(r - wall, max(z, wall)) for r, z in reversed(outside)]
    cup = lathed([*outside, *inside], 28)
    if rng.random() > 0.35:
        return cup
    half, depth = rng.uniform(0.2, 0.35) * height, rng.uniform(0.45, 0.75)
    turns = np.linspace(-math.pi / 2, math.pi / 2, 9)
    middle = 0.55 * height
    z = middle + half * np.sin(turns)
    start = np.interp(z / height, levels, radii) - wall / 2
    path = np.stack([start + depth * np.cos(turns), 0 * turns, z], axis=1)
    return joined(cup, bar(path, [rng.uniform(0.09, 0.16)] * 9, 8))


def cone(rng: Generator) -> Solid:
    height, tip = rng.uniform(0.9, 4.0), rng.uniform(0.01, 0.08)
    cone = lathed([(1.0, 0.0), (tip, height)], 36)
    if rng.random() > 0.2:
        return cone
    return joined(cone, box(2.6, 2.6, 0.15))  # a traffic cone's foot


def plate(rng: Generator) -> Solid:
    flat, rise, thick = rng.uniform(0.5, 0.8), rng.uniform(0.06, 0.2), rng.uniform(0.03, 0.07)
    return lathed(
        [(flat, 0), (1, rise), (1, rise + thick), (flat, thick)], int(rng.choice((28, 40)))
    )


def pyramid(rng: Generator) -> Solid:
    sides = int(rng.choice((3, 4, 4, 4, 5)))
    return stacked(circle(sides), [(1.0, 0.0), (0.01, rng.uniform(0.9, 2.2))])


def bottle(rng: Generator) -> Solid:
    body, neck, long = rng.uniform(1.6, 3.4), rng.uniform(0.22, 0.4), rng.uniform(0.5, 1.3)
    turns = np.linspace(0, math.pi / 2, 6)
    shoulder = rng.uniform(0.4, 1.2)
    curve = [
        (neck + (1 - neck) * float(np.cos(t)), body + shoulder * float(np.sin(t))) for t in turns
    ]
    top = body + shoulder + long
    lip = rng.uniform(1.1, 1.4) * neck
    ends = [(neck, top), (lip, top), (lip, top + 0.25), (0.7 * neck, top + 0.25)]
    return lathed([(0.92, 0), (1, 0.08), *curve, *ends, (0.7 * neck, top)])


def bowl(rng: Generator) -> Solid:
    height, foot, wall = rng.uniform(0.4, 0.8), rng.uniform(0.3, 0.6), rng.uniform(0.05, 0.12)
    levels = np.linspace(0, 1, 7)
    radii = foot + (1 - foot) * levels ** rng.uniform(0.35, 0.7)
    outside = [(float(r), float(t * height)) for r, t in zip(radii, levels, strict=True)]
    return lathed([*outside, *((r - wall, max(z, wall)) for r, z in reversed(outside))], 32)


def vase(rng: Generator) -> Solid:
    height = rng.uniform(2.2, 4.2)
    at = np.linspace(0, 1, 12)
    knots = (0, rng.uniform(0.25, 0.5), rng.uniform(0.72, 0.85), 1)
    values = (rng.uniform(0.4, 0.65), 1, rng.uniform(0.3, 0.55), rng.uniform(0.5, 0.85))
    radii = smoothed(at, knots, values)
    outside = [(float(r), float(t * height)) for r, t in zip(radii, at, strict=True)]
    return lathed([*outside, *((r - 0.08, max(z, 0.2)) for r, z in reversed(outside))])


def tube(rng: Generator) -> Solid:
    bend = rng.uniform(0.5, 1) * BEND if rng.random() < 0.5 else 0.0
    path = bent(rng, rng.uniform(5 if bend else 3, 9), bend)
    return bar(path, [1.0] * len(path), 14, rng.uniform(0.12, 0.35))


def bucket(rng: Generator) -> Solid:
    height, foot = rng.uniform(1.6, 2.1), rng.uniform(0.65, 0.82)
    inside = [(0.94, height), (foot - 0.06, 0.08)]
    pail = lathed(
        [(foot, 0), (1, height - 0.12), (1.07, height - 0.12), (1.07, height), *inside], 28
    )
    turns = np.linspace(0, math.pi, 13)
    hoop = np.stack([1.04 * np.cos(turns), 0 * turns, 1.1 * np.sin(turns)], axis=1)
    handle = bar(hoop, [0.045] * 13, 6).turned(rng.uniform(-1.3, 1.3), AHEAD)
    return joined(pail, handle.moved(0, 0, height - 0.1))


def goblet(rng: Generator) -> Solid:
    stem, deep, foot = rng.uniform(0.9, 2.0), rng.uniform(0.9, 1.9), rng.uniform(0.65, 0.95)
    turns = np.linspace(0.1, math.pi / 2, 6)
    lip = rng.uniform(0.75, 1.0)
    bowl = [(float(np.sin(t)), stem + deep * 0.6 * (1 - float(np.cos(t)))) for t in turns]
    outside = [*bowl, (lip, stem + deep)]
    inside = [(r - 0.06, z + 0.02) for r, z in reversed(outside)]
    return lathed([(foot, 0), (foot, 0.06), (0.1, 0.2), (0.09, stem - 0.05), *outside, *inside])


def stool(rng: Generator) -> Solid:
    height, legs = rng.uniform(1.3, 2.6), int(rng.choice((3, 4)))
    if rng.random() < 0.6:
        seat = lathed([(0.95, 0), (1, 0.05), (1, 0.2), (0.9, 0.25)], 28)
    else:
        seat = box(1.6, 1.6, 0.2)
    splay, radius = rng.uniform(1.0, 1.5), rng.uniform(0.06, 0.12)
    feet = circle(legs) @ np.array([[0.7071, 0.7071], [-0.7071, 0.7071]])
    bars = [
        straight((0.65 * x, 0.65 * y, 0.05), (0.65 * splay * x, 0.65 * splay * y, -height), radius)
        for x, y in feet
    ]
    return joined(seat, *bars)


def chair(rng: Generator) -> Solid:
    deep, legs, back = rng.uniform(0.85, 1.15), rng.uniform(0.8, 1.2), rng.uniform(0.9, 1.4)
    thick = rng.uniform(0.08, 0.14)
    x, y = deep / 2 - thick / 2, 0.5 - thick / 2
    parts = [box(deep, 1, thick)]
    parts += [
        box(thick, thick, legs).moved(i * x, j * y, -legs / 2) for i in (-1, 1) for j in (-1, 1)
    ]
    if rng.random() < 0.5:
        parts.append(box(thick, 1, back).moved(-x, 0, back / 2))
    else:
        parts += [box(thick, thick, back).moved(-x, j * y, back / 2) for j in (-1, 1)]
        parts += [box(thick, 1, 0.18).moved(-x, 0, t * back - 0.09) for t in (0.5, 1.0)]
    return joined(*parts)


def hammer(rng: Generator) -> Solid:
    long, thick, head = rng.uniform(3, 5), rng.uniform(0.16, 0.26), rng.uniform(1.5, 2.2)
    if rng.random() < 0.5:
        block = box(head, rng.uniform(0.6, 0.9), rng.uniform(0.6, 0.9))
    else:
        block = lathed([(0.4, -head / 2), (0.4, head / 2)]).turned(math.pi / 2, LEFT)
    handle = straight((0, 0, -long), (0, 0, 0), thick)
    return joined(handle, block).turned(math.pi / 2, AHEAD)


def dumbbell(rng: Generator) -> Solid:
    half, grip = rng.uniform(1.3, 2.0), rng.uniform(0.2, 0.35)
    if rng.random() < 0.4:
        turns = np.linspace(0.05, math.pi - 0.05, 9)
        weight = lathed([(float(np.sin(t)), -float(np.cos(t))) for t in turns])
    else:
        thick, sides = rng.uniform(0.5, 1.0), int(rng.choice((6, 28)))
        levels = [(0.85, -thick / 2), (1, -thick / 3), (1, thick / 3), (0.85, thick / 2)]
        weight = lathed(levels, sides)
    weights = (weight.moved(0, 0, end) for end in (-half, half))
    dumbbell = joined(straight((0, 0, -half), (0, 0, half), grip), *weights)
    return dumbbell.turned(math.pi / 2, LEFT)


def mushroom(rng: Generator) -> Solid:
    stem, tall, cap = rng.uniform(0.25, 0.45), rng.uniform(0.7, 1.6), rng.uniform(0.5, 0.95)
    turns = np.linspace(0, math.pi / 2 - 0.05, 8)
    dome = [(float(np.cos(t)), tall + cap * float(np.sin(t))) for t in turns]
    return lathed([(1.2 * stem, 0), (stem, 0.3 * tall), (stem, tall + 0.1), *dome], 28)


def lamp(rng: Generator) -> Solid:
    foot, tall, top = rng.uniform(0.55, 0.85), rng.uniform(1.5, 2.6), rng.uniform(0.45, 0.8)
    shade = rng.uniform(0.8, 1.3)
    low = tall - 0.3 * shade
    stand = lathed([(foot, 0), (foot, 0.1), (0.15, 0.2), (0.09, 0.3), (0.09, tall)])
    outside = [(1.0, low), (top, low + shade)]
    inside = [(top - 0.04, low + shade), (0.96, low)]
    return joined(stand, lofted(_rings([*outside, *inside]), closed=True))


def _rings(profile: list[tuple[float, float]], sides: int = 28) -> FloatArray:
    sections = [np.column_stack([r * circle(sides), np.full(sides, z)]) for r, z in profile]
    return np.array(sections)


def pan(rng: Generator) -> Solid:
    height, wall, foot = rng.uniform(0.22, 0.5), 0.06, rng.uniform(0.75, 0.95)
    inside = [(1 - wall, height), (foot - wall, wall)]
    dish = lathed([(foot, 0), (1, height), *inside], 32)
    long, width = rng.uniform(1.4, 2.2), rng.uniform(0.16, 0.3)
    handle = box(long, width, 0.12).turned(-rng.uniform(0, 0.3), LEFT)
    return joined(dish, handle.moved(0.93 + long / 2, 0, height))
