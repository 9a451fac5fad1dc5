"""Which objects a task is about, and how its words tell them from the others.

What is called "the cup left of the red box" is one of two cups, and it is clear to whoever stands
where the robot starts which one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from numpy.random import Generator

from vlam_ros.lab.simulation.layout import Place, anywhere_in_view, place
from vlam_ros.lab.simulation.scene import (
    COLOURS,
    SHAPES,
    ObjectSpec,
    random_object,
)

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
        if _height(made) <= TALLEST:
            return made


def _height(thing: ObjectSpec) -> float:
    """Of what rests on the floor: its centre is half-way up."""
    return 2 * thing.position[2]


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


Truth = Callable[[Place, Sequence[Place]], float]
"""How much a relation to the references is true of a place, in m; it holds from MARGIN on."""

MARGIN = 0.15
"""Metres by which relations are clear to whoever stands where the robot starts."""

_RELATIONS: dict[str, tuple[int, Truth]] = {
    "{t} left of the {r}": (1, lambda at, refs: at[1] - refs[0][1]),
    "{t} right of the {r}": (1, lambda at, refs: refs[0][1] - at[1]),
    "{t} in front of the {r}": (1, lambda at, refs: math.hypot(*refs[0]) - math.hypot(*at)),
    "{t} behind the {r}": (1, lambda at, refs: math.hypot(*at) - math.hypot(*refs[0])),
}
"""Relations to a reference, true of one of two candidates and not of the other."""

_RANKINGS: dict[str, tuple[int, Truth]] = {
    "nearest {t}": (0, lambda at, refs: -math.hypot(*at)),
    "farthest {t}": (0, lambda at, refs: math.hypot(*at)),
    "leftmost {t}": (0, lambda at, refs: at[1]),
    "rightmost {t}": (0, lambda at, refs: -at[1]),
    "{t} closest to the {r}": (1, lambda at, refs: -math.dist(at, refs[0])),
}
"""Rankings, in which one of two candidates is ahead by MARGIN."""


def _relational(
    rng: Generator, pair: tuple[str, str], other: tuple[str, str]
) -> tuple[list[ObjectSpec], str]:
    """Two candidates of one name, a reference if there is one, and the words that tell the first.

    Raises Crowded where the relation does not come out clear.
    """
    choices = [*_RELATIONS, *_RANKINGS, "largest {t}", "smallest {t}"]
    words = choices[int(rng.integers(len(choices)))]
    meant, twin = carried(rng, pair), carried(rng, pair)
    if words in ("largest {t}", "smallest {t}"):
        small, large = sorted((meant, twin), key=width)
        if width(large) < 1.35 * width(small):
            raise Crowded
        meant, twin = (large, small) if words.startswith("largest") else (small, large)
        needed = 0
    else:
        needed, truth = (_RELATIONS | _RANKINGS)[words]
    meant, twin = place(meant, anywhere_in_view(rng)), place(twin, anywhere_in_view(rng))
    references = [place(carried(rng, other), anywhere_in_view(rng)) for _ in range(needed)]
    if words not in ("largest {t}", "smallest {t}"):
        places = [r.position[:2] for r in references]
        of_meant, of_twin = truth(meant.position[:2], places), truth(twin.position[:2], places)
        if words in _RELATIONS and not (of_meant >= MARGIN and of_twin <= -MARGIN):
            raise Crowded
        if words in _RANKINGS and of_meant - of_twin < 2 * MARGIN:
            raise Crowded
    reference = f"{other[0]} {other[1]}"
    return [meant, twin, *references], words.format(t=" ".join(pair), r=reference)


def width(thing: ObjectSpec) -> float:
    """How wide an object looks from the side."""
    return 2 * max(thing.size[0], thing.size[1] if thing.shape == "box" else 0.0)


def named(rng: Generator, shapes: Sequence[str], relational: bool) -> tuple[list[ObjectSpec], str]:
    """The object that is meant, first of those that it must be told from, and what it is called.

    Raises:
        Crowded: the relation does not come out clear.
    """
    pair = random_pair(rng, shapes)
    if not relational:
        return [place(carried(rng, pair), anywhere_in_view(rng))], " ".join(pair)
    other = random_pair(rng)
    if other[1] == pair[1]:
        raise Crowded
    return _relational(rng, pair, other)
