"""What a model is asked about scenes and images it never saw, and the truth of each answer.

A third of the absent phrases share the colour of an object that is there, a third its shape. The
scene's own objects decide what is asked and what is true, never what competes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain, islice, zip_longest

import numpy as np

from vlam_ros.lab.simulation.scene import (
    COLOURS,
    HELD_OUT_PAIRS,
    SHAPES,
    ObjectSpec,
    SceneSpec,
    scene_of_seed,
)
from vlam_ros.lab.simulation.world import World
from vlam_ros.lab.training.data.dataset import Dataset, Labelled
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.perception.competitors import entry_in
from vlam_ros.types import BoolArray, Camera, Observation, Uint8Array, optical_rotation

ABSENT_NAMES, ABSENT_NEGATIVES = 3, 1
"""Phrases asked of an image that are not in it: names in the data set, and hard
negatives of what is."""


class QueryKind(Enum):
    """What a query asks for, as the reports name it."""

    PRESENT = "present"
    GENERAL = "present, bare noun or colour"
    SAME_COLOUR = "absent, same colour, other shape"
    SAME_SHAPE = "absent, same shape, other colour"
    OTHER = "absent, anything else"
    ABSENT_GENERAL = "absent, bare noun or colour"
    NAMED = "said to be there, nobody knows where"


ABSENT = (QueryKind.SAME_COLOUR, QueryKind.SAME_SHAPE, QueryKind.OTHER)
"""By which thresholds are chosen; ABSENT_GENERAL is measured only."""
LABELLED = (QueryKind.PRESENT, QueryKind.GENERAL)


@dataclass(frozen=True)
class Query:
    """A phrase, and bool[H,W] where what it names is in the rendered image."""

    phrase: str
    kind: QueryKind
    truth: BoolArray


@dataclass(frozen=True)
class Question:
    """An image as the pipeline gets it, and what is asked about it; `nouns` compete for it, those
    of the settings if there are none.
    """

    observation: Observation
    queries: tuple[Query, ...]
    nouns: tuple[str, ...] = ()


def questions(world: World, split: str, count: int, start: int = 0) -> Iterator[Question]:
    """The first `count` scenes of a split, from number `start` on, asked for all that is there, for
    the noun and the colour of one of the objects, and for three absent things.

    Of the split "composition" only the colour-shape pairs never trained are asked for.
    """
    for index in range(start, count):
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
            visible = [o for i, o in enumerate(spec.objects) if (rendering.labels == i + 1).any()]
            if visible:
                queries += _absent(spec, rendering.labels, visible, rng)
                queries += _general(spec, rendering.labels, visible, rng)
        yield Question(observation, tuple(queries))


def _present(spec: SceneSpec, labels: Uint8Array) -> Iterator[Query]:
    for phrase in dict.fromkeys(o.phrase for o in spec.objects):
        named = [i + 1 for i, o in enumerate(spec.objects) if o.phrase == phrase]
        yield Query(phrase, QueryKind.PRESENT, np.isin(labels, named))


def _general(
    spec: SceneSpec, labels: Uint8Array, visible: Sequence[ObjectSpec], rng: np.random.Generator
) -> Iterator[Query]:
    like = visible[int(rng.integers(len(visible)))]
    for phrase, alike in (
        (like.shape, [o.shape == like.shape for o in spec.objects]),
        (f"{like.colour} object", [o.colour == like.colour for o in spec.objects]),
    ):
        yield Query(phrase, QueryKind.GENERAL, np.isin(labels, 1 + np.flatnonzero(alike)))


def _absent(
    spec: SceneSpec, labels: Uint8Array, visible: Sequence[ObjectSpec], rng: np.random.Generator
) -> Iterator[Query]:
    there = {(o.colour, o.shape) for o in spec.objects}
    nowhere = np.zeros(labels.shape, bool)
    like = visible[int(rng.integers(len(visible)))]
    pools: dict[QueryKind, list[tuple[str | None, str]]] = {
        QueryKind.SAME_COLOUR: [(like.colour, s) for s in SHAPES],
        QueryKind.SAME_SHAPE: [(c, like.shape) for c in COLOURS],
        QueryKind.OTHER: [(c, s) for c in COLOURS for s in SHAPES],
    }
    for kind, pool in pools.items():
        # What was never trained is asked for in its own split.
        free = [p for p in pool if p not in there and p not in HELD_OUT_PAIRS]
        if free:
            colour, shape = free[int(rng.integers(len(free)))]
            yield Query(f"{colour} {shape}", kind, nowhere)


def data_questions(
    datasets: Sequence[Dataset], negatives: HardNegatives, count: int, start: int = 0
) -> Iterator[Question]:
    """About the first `count` images of data sets that take turns, each read when it is its turn,
    from number `start` on.

    Each image is asked for all that is there, and for names and hard negatives of it that cannot be
    true of any of it.
    """
    parts = (_asked_of(dataset, negatives) for dataset in datasets)
    in_turn = chain.from_iterable(zip_longest(*parts))
    return islice((question for question in in_turn if question), start, max(start, count))


def _asked_of(dataset: Dataset, negatives: HardNegatives) -> Iterator[Question]:
    for index, labelled in enumerate(dataset):
        height, width = labelled.image.shape[:2]
        # Where things are in the room is not asked: any camera will do.
        camera = Camera.ideal(width, height, width, optical_rotation(0.0), np.zeros(3))
        observation = Observation(stamp=index, now=index, image=labelled.image, camera=camera)
        nowhere = np.zeros((height, width), bool)
        queries = [
            Query(phrase, QueryKind.PRESENT, mask) for phrase, mask in labelled.masks.items()
        ]
        absent = _absent_names(labelled, dataset.phrases, negatives, np.random.default_rng(index))
        queries += [Query(phrase, QueryKind.OTHER, nowhere) for phrase in absent]
        yield Question(observation, tuple(queries))


def _absent_names(
    labelled: Labelled, names: Sequence[str], negatives: HardNegatives, rng: np.random.Generator
) -> list[str]:
    pool = negatives.absent([names for names, _ in labelled.named()], names)
    away = [phrase for phrase in pool if phrase not in labelled.masks]
    # By noun: one that few phrases name, as a new one is, is asked as often as any other.
    by_noun: dict[str, list[str]] = {}
    for phrase in away:
        if phrase in names:
            by_noun.setdefault(entry_in(phrase, negatives.nouns), []).append(phrase)
    nouns = rng.permutation(list(by_noun))[:ABSENT_NAMES]
    chosen = [str(rng.choice(by_noun[noun])) for noun in nouns]
    others = [phrase for phrase in away if phrase not in names]
    return [*chosen, *(others[i] for i in rng.permutation(len(others))[:ABSENT_NEGATIVES])]
