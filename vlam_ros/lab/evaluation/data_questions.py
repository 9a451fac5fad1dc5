"""What a model is asked about the images of a data set, and what is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest

import numpy as np

from vlam_ros.lab.evaluation.queries import Query, QueryKind, Question
from vlam_ros.lab.training.data import Dataset, Labelled
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.perception.competitors import entry_in
from vlam_ros.types import Camera, Observation, optical_rotation

ABSENT_NAMES, ABSENT_NEGATIVES = 3, 1
"""Phrases asked of an image that are not in it: names in the data set, and hard
negatives of what is."""


def data_questions(
    datasets: Sequence[Dataset], negatives: HardNegatives, count: int
) -> Iterator[Question]:
    """About the first images of data sets that take turns, each read when it is its turn.

    Each image is asked for all that is there, and for names and hard negatives of it that cannot be
    true of any of it.

    Args:
        datasets: with masks.
        negatives: which phrases cannot be true of a thing.
        count: images at most, of all together.
    """
    parts = (_asked(dataset, negatives) for dataset in datasets)
    in_turn = chain.from_iterable(zip_longest(*parts))
    return islice((question for question in in_turn if question), count)


def _asked(dataset: Dataset, negatives: HardNegatives) -> Iterator[Question]:
    for index, labelled in enumerate(dataset):
        height, width = labelled.image.shape[:2]
        # Where things are in the room is not asked: any camera will do.
        camera = Camera.ideal(width, height, width, optical_rotation(0.0), np.zeros(3))
        observation = Observation(stamp=index, now=index, image=labelled.image, camera=camera)
        nowhere = np.zeros((height, width), bool)
        queries = [
            Query(phrase, QueryKind.PRESENT, mask) for phrase, mask in labelled.masks.items()
        ]
        absent = _absent(labelled, dataset.phrases, negatives, np.random.default_rng(index))
        queries += [Query(phrase, QueryKind.OTHER, nowhere) for phrase in absent]
        yield Question(observation, tuple(queries))


def _absent(
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
