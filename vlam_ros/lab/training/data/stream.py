"""Batches of a data set for learning from few images, without end.

A step's batch is a function of the seed and the step: a run that goes on at step n sees what an
unbroken one would have seen, with any number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.batches import augmented, object_point
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.index import Image
from vlam_ros.lab.training.examples import Batch, asked
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.lab.training.scenes import resample, resize
from vlam_ros.types.arrays import BoolArray, Uint8Array

KEPT = 256
"""Images that are kept in memory at the model's size; of the others each is read again."""


class _SizedImage(NamedTuple):
    """An image uint8[S,S,3], its masks bool[S,S] by phrase, and the names of each thing in it."""

    image: Uint8Array
    masks: dict[str, BoolArray]
    things: list[tuple[str, ...]]


class BatchStream:
    """Augmented batches of a data set's images, every image as often as any other."""

    def __init__(
        self,
        dataset: Dataset,
        size: int,
        images: int = 8,
        absent: int = 2,
        seed: int = 0,
        present: int = 4,
        wanted: Sequence[str] = (),
        negatives: HardNegatives | None = None,
    ) -> None:
        """Draw from a data set.

        Args:
            size: side of the model's images, in pixels; those of the data set are squeezed
                into a square as the model's processor does.
            absent: phrases asked of each image that are not in it, drawn from the data set's
                and from the hard negatives of what is in it.
            present: phrases asked of each image that are in it; no fewer than are `wanted`.
            wanted: phrases that are always asked of images that they are in.
            negatives: what else is asked, and what may be said to be absent; without them all
                that an image has no mask of.

        Raises:
            LearningError: there are no images, or a number is out of range.
        """
        if not len(dataset):
            raise LearningError(f"{dataset.folder} has no images for {dataset.split}")
        if min(size, images, present) < 1 or absent < 0:
            raise LearningError(
                "size, images and present must be at least 1, absent at least 0, "
                f"got {size}, {images}, {present} and {absent}"
            )
        self._dataset, self._size = dataset, size
        self._count, self._present, self._absent = images, present, absent
        self._wanted, self._negatives = frozenset(wanted), negatives
        self._seed = seed
        self._known: dict[str, _SizedImage | None] = {}

    def batch(self, step: int) -> Batch:
        """The batch of a step; LearningError if no image can be read."""
        rng = np.random.default_rng([self._seed, 0, step])
        return self._batch([self._image(step * self._count + i) for i in range(self._count)], rng)

    def _image(self, number: int) -> _SizedImage:
        """The image with this number, of all passes, or the next in its pass that can be read."""
        images = self._dataset.images
        turn, place = divmod(number, len(images))
        for i in range(len(images)):
            own = turn * len(images) + (place + i) % len(images)
            small = self._small(images[place_in_turn(self._seed, own, len(images))])
            if small is not None:
                return small
        raise LearningError(
            f"no image for {self._dataset.split} can be read: see `vlam data check` of "
            f"{self._dataset.folder}"
        )

    def _small(self, image: Image) -> _SizedImage | None:
        if image.file in self._known:
            return self._known[image.file]
        labelled, small = self._dataset.read_or_note(image), None
        if labelled is not None:
            masks = {
                p: resample(mask, (self._size, self._size)) for p, mask in labelled.masks.items()
            }
            things = [names for names, _ in labelled.named()]
            small = _SizedImage(resize(labelled.image, self._size), masks, things)
        if len(self._known) < KEPT or small is None:
            self._known[image.file] = small
        return small

    def _asked(self, image: _SizedImage, rng: Generator) -> list[str]:
        there = list(image.masks)
        first = [p for p in there if p in self._wanted]
        more = [p for p in there if p not in self._wanted]
        drawn = rng.permutation(len(more))[: max(0, self._present - len(first))]
        phrases = self._dataset.phrases
        absent = self._negatives.absent(image.things, phrases) if self._negatives else phrases
        others = [p for p in absent if p not in image.masks]
        away = rng.permutation(len(others))[: self._absent]
        return [*first, *(more[i] for i in drawn), *(others[i] for i in away)]

    def _batch(self, frames: list[_SizedImage], rng: Generator) -> Batch:
        prompts = [(n, p) for n, small in enumerate(frames) for p in self._asked(small, rng)]
        # As many layers as the fullest image has masks, for all are cut alike.
        depth = max(1, *(len(small.masks) for small in frames))
        layers = np.zeros((len(frames), depth, self._size, self._size), np.float32)
        for number, small in enumerate(frames):
            for layer, mask in enumerate(small.masks.values()):
                layers[number, layer] = mask
        pixels = torch.from_numpy(np.stack([small.image for small in frames]))
        count = len(frames)
        zoom = np.where(rng.random(count) < 0.5, 1.0, rng.uniform(0.4, 1.0, count))
        # Each window shows something of what is asked for, a small thing as often as a large one.
        points = [
            object_point(layers[number, int(rng.integers(max(1, len(small.masks))))], rng)
            for number, small in enumerate(frames)
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
            cut[number, list(frames[number].masks).index(phrase)] > 0.5
            if phrase in frames[number].masks
            else nothing
            for number, phrase in prompts
        ]
        return asked(
            images,
            [phrase for _, phrase in prompts],
            torch.tensor([number for number, _ in prompts], dtype=torch.long),
            torch.stack(answers) if answers else nothing[None][:0],
        )


def place_in_turn(seed: int, number: int, count: int, *kind: int) -> int:
    """Which of `count` things comes as the number-th: all once a pass, in an order of its own."""
    turn, place = divmod(number, count)
    return int(np.random.default_rng([seed, 1, *kind, turn]).permutation(count)[place])
