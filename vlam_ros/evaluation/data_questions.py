"""What a model is asked about the pictures of a data set, and what is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest

import numpy as np

from vlam_ros.evaluation.queries import Kind, Query, Question
from vlam_ros.learning.data import Dataset, Labelled
from vlam_ros.learning.rivals import Rivals
from vlam_ros.types import Camera, Observation, optical_rotation

ABSENT_NAMES, ABSENT_RIVALS = 2, 2
"""Phrases asked of a picture that are not in it: names in the data set, and rivals of what is."""


def data_questions(datasets: Sequence[Dataset], rivals: Rivals, count: int) -> Iterator[Question]:
    """About the first pictures of data sets that take turns, each read when it is its turn.

    Each picture is asked for all that is there, and for names and rivals of it that cannot be true
    of any of it.

    Args:
        datasets: with masks.
        rivals: which phrases cannot be true of a thing.
        count: pictures at most, of all together.
    """
    parts = (_asked(dataset, rivals) for dataset in datasets)
    in_turn = chain.from_iterable(zip_longest(*parts))
    return islice((question for question in in_turn if question), count)


def _asked(dataset: Dataset, rivals: Rivals) -> Iterator[Question]:
    for index, labelled in enumerate(dataset):
        height, width = labelled.image.shape[:2]
        # Where things are in the room is not asked: any camera will do.
        camera = Camera.ideal(width, height, width, optical_rotation(0.0), np.zeros(3))
        observation = Observation(stamp=index, now=index, image=labelled.image, camera=camera)
        nowhere = np.zeros((height, width), bool)
        queries = [Query(phrase, Kind.PRESENT, mask) for phrase, mask in labelled.masks.items()]
        absent = _absent(labelled, dataset.phrases, rivals, np.random.default_rng(index))
        queries += [Query(phrase, Kind.OTHER, nowhere) for phrase in absent]
        yield Question(observation, tuple(queries))


def _absent(
    labelled: Labelled, names: Sequence[str], rivals: Rivals, rng: np.random.Generator
) -> list[str]:
    pool = rivals.absent([names for names, _ in labelled.named()], names)
    pool = [phrase for phrase in pool if phrase not in labelled.masks]
    chosen: list[str] = []
    for some, count in (
        ([p for p in pool if p in names], ABSENT_NAMES),
        ([p for p in pool if p not in names], ABSENT_RIVALS),
    ):
        chosen += [some[i] for i in rng.permutation(len(some))[:count]]
    return chosen
