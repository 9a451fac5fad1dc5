"""Which objects a task is about, what tells them from the others in words, and where they stand.

Positions are in the frame of the room, in which the robot starts at the origin and looks along +x.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from numpy.random import Generator

from vlam_ros.lab.simulation.scene import (
    COLOURS,
    SHAPES,
    ObjectSpec,
    footprint_radius,
    random_object,
)

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


TALLEST = 0.20
"""Metres; what is taller would hang into the camera's view when it is carried."""


GRASPABLE = ("box", "ball", "cylinder", "capsule", "plate", "cup")
"""A suction cup finds no hold on the tip of a cone."""
STACKABLE = ("box", "cylinder", "cup")
"""What stays where it is put on a plate."""


class Crowded(Exception):
    """The draw has led to a room in which the task cannot be done, or is not clear."""


def random_pair(rng: Generator, shapes: Sequence[str] = SHAPES) -> tuple[str, str]:
    """Colour and shape, every pair as often as any other: one in seven was never trained."""
    return str(rng.choice(list(COLOURS))), str(rng.choice(list(shapes)))


def carried(rng: Generator, pair: tuple[str, str]) -> ObjectSpec:
    """An object of a pair that is neither too tall to carry nor lies so that it rolls."""
    while True:
        made = random_object(rng, *pair)
        if 2 * made.position[2] <= TALLEST:  # it rests on the floor: its centre is half-way up
            return made


def in_view(
    rng: Generator, pair: tuple[str, str], near: float = NEAR, far: float = FAR
) -> ObjectSpec:
    """An object of a pair to carry, at a random place as by `anywhere_in_view`."""
    return place(carried(rng, pair), anywhere_in_view(rng, near, far))


def distractors(
    rng: Generator, objects: Sequence[ObjectSpec], nouns: Sequence[str], low: int = 1, high: int = 3
) -> list[ObjectSpec]:
    """Other objects, that nothing said of the first ones is true of; often alike in one respect."""
    made: list[ObjectSpec] = []
    while len(made) < int(rng.integers(low, high + 1)):
        colour, shape = random_pair(rng)
        like = objects[int(rng.integers(len(objects)))] if objects else None
        if like and like.colour and rng.random() < 0.5:
            colour, shape = (like.colour, shape) if rng.random() < 0.5 else (colour, like.shape)
        if not any(is_called(noun, colour, shape) for noun in nouns):
            made.append(carried(rng, (colour, shape)))
    return made


def is_called(noun: str, colour: str, shape: str) -> bool:
    """Whether "red cup" or the bare "cup" is true of a colour and shape."""
    return noun in (shape, f"{colour} {shape}")


Relation = Callable[[Place, Sequence[Place]], float]
"""How much a relation to the references is true of a place, in m; it holds from MARGIN on."""

MARGIN = 0.15
"""Metres by which relations are clear to whoever stands where the robot starts."""

_RELATIONS: dict[str, Relation] = {
    "{t} left of the {r}": lambda at, refs: at[1] - refs[0][1],
    "{t} right of the {r}": lambda at, refs: refs[0][1] - at[1],
    "{t} in front of the {r}": lambda at, refs: math.hypot(*refs[0]) - math.hypot(*at),
    "{t} behind the {r}": lambda at, refs: math.hypot(*at) - math.hypot(*refs[0]),
}
"""Relations to a reference, true of one of two candidates and not of the other."""

_RANKINGS: dict[str, Relation] = {
    "nearest {t}": lambda at, refs: -math.hypot(*at),
    "farthest {t}": lambda at, refs: math.hypot(*at),
    "leftmost {t}": lambda at, refs: at[1],
    "rightmost {t}": lambda at, refs: -at[1],
    "{t} closest to the {r}": lambda at, refs: -math.dist(at, refs[0]),
}
"""Rankings, in which one of two candidates is ahead by MARGIN."""

_SIZES = ("largest {t}", "smallest {t}")


def _relational(
    rng: Generator, pair: tuple[str, str], other: tuple[str, str]
) -> tuple[list[ObjectSpec], str]:
    """Two candidates of one name, a reference if there is one, and the words that tell the first.

    Raises Crowded where the relation does not come out clear.
    """
    words = _any_relation(rng)
    meant, twin = carried(rng, pair), carried(rng, pair)
    if words in _SIZES:
        small, large = sorted((meant, twin), key=width)
        if width(large) < 1.35 * width(small):
            raise Crowded
        meant, twin = (large, small) if words.startswith("largest") else (small, large)
    meant, twin = place(meant, anywhere_in_view(rng)), place(twin, anywhere_in_view(rng))
    references = [in_view(rng, other)] if "{r}" in words else []
    if words not in _SIZES:
        truth = (_RELATIONS | _RANKINGS)[words]
        places = [r.position[:2] for r in references]
        of_meant, of_twin = truth(meant.position[:2], places), truth(twin.position[:2], places)
        if words in _RELATIONS and not (of_meant >= MARGIN and of_twin <= -MARGIN):
            raise Crowded
        if words in _RANKINGS and of_meant - of_twin < 2 * MARGIN:
            raise Crowded
    return [meant, twin, *references], words.format(t=" ".join(pair), r=" ".join(other))


def _any_relation(rng: Generator) -> str:
    choices = [*_RELATIONS, *_RANKINGS, *_SIZES]
    return choices[int(rng.integers(len(choices)))]


def some_relation(rng: Generator, thing: str, reference: str) -> str:
    """What one of several things may be called that are alike; maybe it is true of none."""
    return _any_relation(rng).format(t=thing, r=reference)


def width(thing: ObjectSpec) -> float:
    """How wide an object looks from the side."""
    return 2 * max(thing.size[0], thing.size[1] if thing.shape == "box" else 0.0)


def named(rng: Generator, shapes: Sequence[str], relational: bool) -> tuple[list[ObjectSpec], str]:
    """The object that is meant, first of those that it must be told from, and what it is called.

    Crowded if the relation does not come out clear.
    """
    pair = random_pair(rng, shapes)
    if not relational:
        return [in_view(rng, pair)], " ".join(pair)
    other = random_pair(rng)
    if other[1] == pair[1]:
        raise Crowded
    return _relational(rng, pair, other)
