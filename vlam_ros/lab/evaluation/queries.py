"""What a model is asked about simulated scenes it never saw, and the truth of each answer.

A third of the absent phrases share the colour of an object that is there, a third its shape. The
scene's own objects decide what is asked and what is true, never what competes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from vlam_ros.lab.simulation.extra_objects import EXTRA_SHAPES, extra_scene_of_seed
from vlam_ros.lab.simulation.scene import (
    COLOURS,
    HELD_OUT_PAIRS,
    SHAPES,
    ObjectSpec,
    SceneSpec,
    scene_of_seed,
)
from vlam_ros.lab.simulation.world import World
from vlam_ros.types import Observation


class Kind(Enum):
    """What a query asks for, as the reports name it."""

    PRESENT = "present"
    GENERAL = "present, bare noun or colour"
    SAME_COLOUR = "absent, same colour, other shape"
    SAME_SHAPE = "absent, same shape, other colour"
    OTHER = "absent, anything else"


ABSENT = (Kind.SAME_COLOUR, Kind.SAME_SHAPE, Kind.OTHER)


@dataclass(frozen=True)
class Query:
    """A phrase, and bool[H,W] where what it names is in the rendered image."""

    phrase: str
    kind: Kind
    truth: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Question:
    """An image as the pipeline gets it, and what is asked about it."""

    observation: Observation
    queries: tuple[Query, ...]


def questions(world: World, split: str, count: int) -> Iterator[Question]:
    """The first `count` scenes of a split, asked for all that is there, for the noun and the colour
    of one of the objects, and for three absent things.

    Of the split "composition" only the colour-shape pairs never trained are asked for.
    """
    for index in range(count):
        spec = scene_of_seed(split, index)
        world.load(spec)
        rendering = world.render()
        observation = Observation(
            stamp=index, now=index, image=rendering.image, camera=world.camera
        )
        queries = list(_present(spec, rendering.labels))
        if split == "composition":
            queries = [q for q in queries if tuple(q.phrase.split()) in HELD_OUT_PAIRS]
        else:
            rng = np.random.default_rng(index)
            queries += _absent(spec, rendering.labels, rng)
            queries += _general(spec, rendering.labels, rng)
        yield Question(observation, tuple(queries))


def extra_questions(world: World, split: str, count: int) -> Iterator[Question]:
    """The first `count` scenes of a split with an extra object, asked for it by its noun, and for
    another extra object, which is not there. The world must have them.
    """
    nowhere = np.zeros((world.camera.height, world.camera.width), bool)
    for index in range(count):
        spec = extra_scene_of_seed(split, index)
        world.load(spec)
        rendering = world.render()
        there = spec.objects[0].shape
        others = [shape for shape in EXTRA_SHAPES if shape != there]
        other = others[index // len(EXTRA_SHAPES) % len(others)]
        observation = Observation(
            stamp=index, now=index, image=rendering.image, camera=world.camera
        )
        queries = (
            Query(there, Kind.PRESENT, rendering.labels == 1),
            Query(other, Kind.OTHER, nowhere),
        )
        yield Question(observation, queries)


def _present(spec: SceneSpec, labels: npt.NDArray[np.uint8]) -> Iterator[Query]:
    for phrase in dict.fromkeys(o.phrase for o in spec.objects):
        named = [i + 1 for i, o in enumerate(spec.objects) if o.phrase == phrase]
        yield Query(phrase, Kind.PRESENT, np.isin(labels, named))


def _general(
    spec: SceneSpec, labels: npt.NDArray[np.uint8], rng: np.random.Generator
) -> Iterator[Query]:
    visible = [o for i, o in enumerate(spec.objects) if (labels == i + 1).any()]
    if not visible:
        return
    like = visible[int(rng.integers(len(visible)))]
    for phrase, alike in (
        (like.shape, [o.shape == like.shape for o in spec.objects]),
        (f"{like.colour} object", [o.colour == like.colour for o in spec.objects]),
    ):
        yield Query(phrase, Kind.GENERAL, np.isin(labels, 1 + np.flatnonzero(alike)))


def _absent(
    spec: SceneSpec, labels: npt.NDArray[np.uint8], rng: np.random.Generator
) -> Iterator[Query]:
    there = {(o.colour, o.shape) for o in spec.objects}
    nowhere = np.zeros(labels.shape, bool)
    visible = [o for i, o in enumerate(spec.objects) if (labels == i + 1).any()]
    if not visible:
        return
    like: ObjectSpec = visible[int(rng.integers(len(visible)))]
    pools: dict[Kind, list[tuple[str | None, str]]] = {
        Kind.SAME_COLOUR: [(like.colour, s) for s in SHAPES],
        Kind.SAME_SHAPE: [(c, like.shape) for c in COLOURS],
        Kind.OTHER: [(c, s) for c in COLOURS for s in SHAPES],
    }
    for kind, pool in pools.items():
        # What was never trained is asked for in its own split.
        free = [p for p in pool if p not in there and p not in HELD_OUT_PAIRS]
        if free:
            colour, shape = free[int(rng.integers(len(free)))]
            yield Query(f"{colour} {shape}", kind, nowhere)
