"""Where the objects of a task stand: seen, reachable, and with the ways free that must be free.

Positions are in the frame of the room, in which the robot starts at the origin and looks along +x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from numpy.random import Generator

from vlam_ros.lab.simulation.scene import ObjectSpec, footprint_radius

Place = tuple[float, float]

NEAR, FAR = 0.85, 2.2
"""Metres from the robot at which the objects of a task stand."""
VIEW = 0.50
"""Largest bearing in rad of an object that is wholly in the image."""
GAP = 0.16
"""Metres between two objects, for the tool and for the eye."""
LANE = 0.30
"""Metres from the middle of a way to what stands beside it: more than the robot asks for."""
STANDOFF = 0.65
"""Metres from an object at which the robot stops."""


def place(object_: ObjectSpec, at: Place) -> ObjectSpec:
    """The object at (x, y), as high as it was."""
    return replace(object_, position=(at[0], at[1], object_.position[2]))


def anywhere_in_view(rng: Generator, near: float = NEAR, far: float = FAR) -> Place:
    """A random place that the robot sees at the start; near ones as often as far ones."""
    distance = 1 / rng.uniform(1 / far, 1 / near)
    bearing = rng.uniform(-VIEW, VIEW)
    return float(distance * math.cos(bearing)), float(distance * math.sin(bearing))


def anywhere_unseen(rng: Generator) -> Place:
    """A random place that the robot must turn for to see it."""
    bearing = rng.choice([-1, 1]) * rng.uniform(1.0, math.pi)
    distance = rng.uniform(1.0, 2.0)
    return float(distance * math.cos(bearing)), float(distance * math.sin(bearing))


def stop_before(at: Place, start: Place = (0.0, 0.0)) -> Place:
    """Where a robot that comes from `start` stops to stand before a place."""
    distance = math.dist(start, at)
    share = max(0.0, 1 - STANDOFF / distance) if distance else 0.0
    return start[0] + share * (at[0] - start[0]), start[1] + share * (at[1] - start[1])


def apart(objects: Sequence[ObjectSpec], gap: float = GAP) -> bool:
    """Whether all objects keep a gap from one another."""
    return all(
        clearance(one, other) >= gap
        for index, one in enumerate(objects)
        for other in objects[:index]
    )


def clearance(one: ObjectSpec, other: ObjectSpec) -> float:
    """Metres between the footprints of two objects; negative where they overlap."""
    between = math.dist(one.position[:2], other.position[:2])
    return between - footprint_radius(one) - footprint_radius(other)


def is_free(start: Place, end: Place, others: Sequence[ObjectSpec], lane: float = LANE) -> bool:
    """Whether nothing stands on the straight way from start to end."""
    return all(
        distance_to_way(other.position[:2], start, end) >= lane + footprint_radius(other)
        for other in others
    )


def distance_to_way(at: Place, start: Place, end: Place) -> float:
    """Metres from a place to the straight way between two others."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    along = ((at[0] - start[0]) * dx + (at[1] - start[1]) * dy) / length if length else 0.0
    along = min(max(along, 0.0), 1.0)
    return math.dist(at, (start[0] + along * dx, start[1] + along * dy))
