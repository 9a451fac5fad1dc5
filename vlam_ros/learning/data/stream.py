"""Batches of a data set for learning from few pictures, without end.

A step's batch is a function of the seed and the step: a run that goes on at step n sees what an
unbroken one would have seen, with any number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from vlam_ros.errors import LearningError
from vlam_ros.learning.batches import augmented, object_point
from vlam_ros.learning.data.dataset import Dataset
from vlam_ros.learning.data.index import Picture
from vlam_ros.learning.scenes import resize
from vlam_ros.types.arrays import BoolArray, Uint8Array

KEPT = 256
"""Pictures that are kept in memory at the model's size; of the others each is read again."""


@dataclass(frozen=True)
class Batch:
    """Pictures and what is asked of them.

    `images` float[B,3,S,S] in 0..1; of prompt p, `prompts[p]` is the phrase, `which[p]` (int64[P])
    the picture that it is asked of and `masks[p]` (bool[P,S,S]) the answer, all False where there
    is no such thing.
    """

    images: Tensor
    prompts: tuple[str, ...]
    which: Tensor
    masks: Tensor


class BatchStream(IterableDataset[Batch]):
    """Augmented batches of a data set's pictures, every picture as often as any other.

    In a DataLoader say `batch_size=None`: what it yields are batches.
    """

    def __init__(
        self,
        dataset: Dataset,
        size: int,
        pictures: int = 8,
        absent: int = 2,
        seed: int = 0,
        start: int = 0,
    ) -> None:
        """Draw from a data set.

        Args:
            dataset: the pictures.
            size: side of the model's pictures, in pixels; those of the data set are squeezed
                into a square as the model's processor does.
            pictures: of a batch.
            absent: phrases asked of each picture that are not in it, drawn from the data set's;
                those that are in it are all asked.
            seed: of all that is drawn.
            start: the first step.

        Raises:
            LearningError: there are no pictures, or a number is out of range.
        """
        if not len(dataset):
            raise LearningError(f"{dataset.folder} has no pictures for {dataset.split}")
        if size < 1 or pictures < 1 or absent < 0 or start < 0:
            raise LearningError(
                "size and pictures must be at least 1, absent and start at least 0, "
                f"got {size}, {pictures}, {absent} and {start}"
            )
        self._dataset, self._size = dataset, size
        self._count, self._absent = pictures, absent
        self._seed, self._start = seed, start
        self._known: dict[str, tuple[Uint8Array, dict[str, BoolArray]] | None] = {}

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        # A DataLoader takes from its workers in turn.
        first, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        step = self._start + first
        while True:
            yield self.draw(step)
            step += stride

    def draw(self, step: int) -> Batch:
        """The batch of a step.

        Raises:
            LearningError: none of its pictures can be read.
        """
        rng = np.random.default_rng([self._seed, 0, step])
        chosen = [self._small(self._picture(step * self._count + i)) for i in range(self._count)]
        readable = [small for small in chosen if small is not None]
        if not readable:
            raise LearningError(
                f"no picture of step {step} can be read: see `vlam data check` of "
                f"{self._dataset.folder}"
            )
        return self._batch(readable, rng)

    def _picture(self, number: int) -> Picture:
        """The picture with this number, of all passes through the data set."""
        pictures = self._dataset.pictures
        turn, place = divmod(number, len(pictures))
        order = np.random.default_rng([self._seed, 1, turn]).permutation(len(pictures))
        return pictures[order[place]]

    def _small(self, picture: Picture) -> tuple[Uint8Array, dict[str, BoolArray]] | None:
        """A picture uint8[S,S,3] and its masks bool[S,S], or None if it cannot be read."""
        if picture.file in self._known:
            return self._known[picture.file]
        labelled, small = self._dataset.read_or_note(picture), None
        if labelled is not None:
            masks = {phrase: _squeezed(mask, self._size) for phrase, mask in labelled.masks}
            small = resize(labelled.image, self._size), masks
        if len(self._known) < KEPT or small is None:
            self._known[picture.file] = small
        return small

    def _batch(
        self, pictures: list[tuple[Uint8Array, dict[str, BoolArray]]], rng: Generator
    ) -> Batch:
        asked: list[tuple[int, str]] = []
        for number, (_, masks) in enumerate(pictures):
            others = [p for p in self._dataset.phrases if p not in masks]
            drawn = rng.permutation(len(others))[: self._absent]
            asked += [(number, p) for p in (*masks, *(others[i] for i in drawn))]
        # As many layers as the fullest picture has masks, for all are cut alike.
        depth = max(1, *(len(masks) for _, masks in pictures))
        layers = np.zeros((len(pictures), depth, self._size, self._size), np.float32)
        for number, (_, masks) in enumerate(pictures):
            for layer, mask in enumerate(masks.values()):
                layers[number, layer] = mask
        pixels = torch.from_numpy(np.stack([image for image, _ in pictures]))
        count = len(pictures)
        zoom = np.where(rng.random(count) < 0.5, 1.0, rng.uniform(0.4, 1.0, count))
        # Each window shows something of what is asked for, a small thing as often as a large one.
        points = [
            object_point(layers[number, int(rng.integers(max(1, len(masks))))], rng)
            for number, (_, masks) in enumerate(pictures)
        ]
        centre = np.array(points).T + rng.uniform(-0.8, 0.8, (2, count)) * zoom
        shift = np.clip(centre, zoom - 1, 1 - zoom)
        images, cut = augmented(
            pixels.permute(0, 3, 1, 2).float() / 255,
            torch.from_numpy(layers),
            rng,
            zoom,
            shift,
            self._size,
        )
        nothing = torch.zeros(self._size, self._size, dtype=torch.bool)
        answers = [
            cut[number, list(pictures[number][1]).index(phrase)] > 0.5
            if phrase in pictures[number][1]
            else nothing
            for number, phrase in asked
        ]
        return Batch(
            images,
            tuple(phrase for _, phrase in asked),
            torch.tensor([number for number, _ in asked], dtype=torch.long),
            torch.stack(answers) if answers else nothing[None][:0],
        )


def _squeezed(mask: BoolArray, size: int) -> BoolArray:
    """bool[H,W] → bool[size,size] by the value at the middle of each new pixel."""
    rows, columns = (((np.arange(size) + 0.5) * n / size).astype(int) for n in mask.shape)
    return mask[rows][:, columns]
