"""Crops of a data set's things, as the robot's second look cuts them: out of the whole image.

There a thing has several times the pixels that it has in the image at the model's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import cv2
import numpy as np
import torch
from numpy.random import Generator

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.batches import windows
from vlam_ros.lab.training.data.dataset import Dataset, Labelled
from vlam_ros.lab.training.data.index import Image
from vlam_ros.lab.training.data.stream import KEPT, place_in_turn
from vlam_ros.lab.training.data.variations import LOOSE, Pixels, pasted, recoloured, varied
from vlam_ros.lab.training.examples import Batch
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.lab.training.scenes import resample, resize
from vlam_ros.perception.objects import Window
from vlam_ros.types.arrays import BoolArray

CONTEXT = 0.7
"""Margin around a thing in a stored crop, share of its longer side."""
SMALLEST = 60
"""Pixels in the whole image that a thing must have."""
PASTED, RECOLOURED = 0.7, 0.6
"""Shares of the crops that are pasted before others' surroundings, and recoloured."""
CHECKED = 32
"""Crops in a batch that is looked at."""


@dataclass(frozen=True)
class Crop:
    """A thing and what is around it.

    Attributes:
        pixels: float32[c,c,3] RGB in 0..1.
        names: what is true of the thing.
        masks: bool[c,c] by phrase, what of the window is called so; that of a name of the thing
            may cover others of its kind.
        cover: bool[c,c], the thing itself.
        around: names of each other thing in the window.
    """

    pixels: Pixels
    names: tuple[str, ...]
    masks: Mapping[str, BoolArray]
    cover: BoolArray
    around: tuple[tuple[str, ...], ...]


def crops(labelled: Labelled, size: int) -> list[Crop]:
    """Those of all things in an image that are large enough, `size` pixels square."""
    found = []
    things = labelled.named()
    for names, mask in things:
        if np.count_nonzero(mask) < SMALLEST:
            continue
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        window = Window.around((x, y, x + width, y + height), CONTEXT)
        cover = _cut_mask(window, mask, size)
        parts = [
            (own, _cut_mask(window, other, size)) for own, other in things if other is not mask
        ]
        around = [(own, part) for own, part in parts if part.any()]
        image = resize(window.cut(labelled.image), size)
        named = [(name, part) for own, part in ((names, cover), *around) for name in own]
        masks = Labelled(image, named).masks
        pixels = image.astype(np.float32) / np.float32(255)
        found.append(Crop(pixels, names, masks, cover, tuple(own for own, _ in around)))
    return found


def _cut_mask(window: Window, mask: BoolArray, size: int) -> BoolArray:
    """bool[H,W] → bool[size,size]: what of the window it covers, nothing beyond the image."""
    # A window repeats the border of what it is cut from; this one is empty.
    framed = np.pad(mask.astype(np.uint8), 1)[..., None]
    part = Window(window.left + 1, window.top + 1, window.side).cut(framed)[..., 0]
    return resample(part, (size, size)) > 0


class CropStream:
    """Batches of varied crops, each phrase as often as any other: a function of seed and step.

    Of each crop one phrase is asked that is true of its thing, and one that cannot be.
    """

    def __init__(
        self,
        dataset: Dataset,
        size: int,
        count: int,
        negatives: HardNegatives,
        *,
        phrases: Sequence[str] = (),
        few: bool = False,
        before: CropStream | None = None,
        seed: int = 0,
    ) -> None:
        """Draw from a data set.

        Args:
            size: side of the crops in pixels, the checkpoint's crop size.
            negatives: what is asked that is not there.
            phrases: what crops are made of, by default all that the data set names.
            few: whether things are so few that their shapes and colours have to vary too.
            before: crops of other things, whose surroundings some of these are pasted before.

        Raises:
            LearningError: the data set names nothing, or lacks a phrase.
        """
        self.phrases = tuple(phrases) or dataset.phrases
        if not self.phrases or (missing := sorted(set(self.phrases) - set(dataset.phrases))):
            what = f"no {', '.join(missing)}" if self.phrases else "nothing"
            raise LearningError(f"{dataset.folder} names {what} in its images of {dataset.split}")
        self._dataset, self._size, self._count, self._negatives = dataset, size, count, negatives
        self._few, self._before, self._seed = few, before, seed
        self._showing = {
            phrase: [p for p in dataset.images if any(a.phrase == phrase for a in p.annotations)]
            for phrase in self.phrases
        }
        self._known: dict[str, list[Crop]] = {}

    def batch(self, step: int) -> Batch:
        """The batch of a step; LearningError if none of its things can be seen."""
        rng = np.random.default_rng([self._seed, 2, step])
        numbers = range(step * self._count, (step + 1) * self._count)
        drawn = [c for n in numbers if (c := self._draw(n, rng)) is not None]
        if not drawn:
            raise LearningError(
                f"step {step} shows nothing of {', '.join(self.phrases)}: see `vlam data check` of "
                f"{self._dataset.folder}"
            )
        changed = [self._changed(crop, rng) for crop in drawn]
        questions = self._questions(changed, rng)
        return _batch(changed, questions, lambda p, m: varied(p, m, rng, self._size, self._few))

    def _draw(self, number: int, rng: Generator) -> Crop | None:
        kind = place_in_turn(self._seed, number, len(self.phrases))
        phrase, turn = self.phrases[kind], number // len(self.phrases)
        images = self._showing[phrase]
        # An image may show it too small, or be broken.
        for i in range(len(images)):
            image = images[place_in_turn(self._seed, turn + i, len(images), kind)]
            if some := [c for c in self._crops(image) if phrase in c.names]:
                return some[int(rng.integers(len(some)))]
        self._dataset.notes.add(
            f"no crop can be cut of {phrase!r}: it is too small or its images are broken",
            once=f"crop {phrase}",
        )
        return None

    def _crops(self, image: Image) -> list[Crop]:
        if image.file in self._known:
            return self._known[image.file]
        labelled = self._dataset.read_or_note(image)
        found = crops(labelled, stored(self._size)) if labelled else []
        if len(self._known) < KEPT or not found:
            self._known[image.file] = found
        return found

    def _changed(self, crop: Crop, rng: Generator) -> Crop:
        cover = crop.cover.astype(np.float32)
        if self._few and rng.random() < RECOLOURED and not self._negatives.colour_of(crop.names):
            crop = replace(crop, pixels=recoloured(crop.pixels, cover, rng))
        if self._before is not None and rng.random() < PASTED:
            other = self._before._draw(int(rng.integers(2**31)), rng)
            if other is not None:
                crop = replace(
                    crop,
                    pixels=pasted(crop.pixels, cover, other.pixels),
                    # What the other crop shows of the same name is still seen around it.
                    masks={
                        name: crop.cover | other.masks.get(name, crop.cover) for name in crop.names
                    },
                    around=(other.names, *other.around),
                )
        return crop

    def _questions(self, drawn: Sequence[Crop], rng: Generator) -> list[tuple[int, str]]:
        asked = []
        for number, crop in enumerate(drawn):
            asked.append((number, crop.names[int(rng.integers(len(crop.names)))]))
            away = self._negatives.absent((crop.names, *crop.around), self.phrases)
            if away := [p for p in away if p not in crop.masks]:
                asked.append((number, away[int(rng.integers(len(away)))]))
        return asked


def plain_crops(
    dataset: Dataset, size: int, negatives: HardNegatives, phrases: Sequence[str]
) -> Iterator[Batch]:
    """Crops of all things called so as they are, asked for their names and one other in turn."""

    def middle(pixels: torch.Tensor, marks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        theta = torch.eye(2, 3).expand(len(pixels), 2, 3) * (1 + LOOSE) / 2
        return windows(pixels, marks, theta, size)

    every = (crop for labelled in dataset for crop in crops(labelled, stored(size)))
    called = (crop for crop in every if set(crop.names) & set(phrases))
    turn = 0
    while some := list(islice(called, CHECKED)):
        yield _batch(some, _plainly(some, phrases, negatives, turn), middle)
        turn += CHECKED


def stored(size: int) -> int:
    """Side of a stored crop that is cut to `size` pixels: most are cut closer."""
    return round(1.375 * size)


def _plainly(
    drawn: Sequence[Crop], phrases: Sequence[str], negatives: HardNegatives, turn: int
) -> list[tuple[int, str]]:
    asked = []
    for number, crop in enumerate(drawn):
        asked += [(number, name) for name in crop.names if name in phrases]
        things = (crop.names, *crop.around)
        away = negatives.false_of(things, phrases)
        if away:
            asked.append((number, away[(turn + number) % len(away)]))
    return asked


def _batch(
    drawn: Sequence[Crop],
    questions: Sequence[tuple[int, str]],
    cut: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
) -> Batch:
    per = [[p for n, p in questions if n == number] for number in range(len(drawn))]
    side = len(drawn[0].cover)
    layers = np.zeros((len(drawn), max(1, *map(len, per)), side, side), np.float32)
    for number, asked in enumerate(per):
        for layer, phrase in enumerate(asked):
            if phrase in drawn[number].masks:
                layers[number, layer] = drawn[number].masks[phrase]
    pixels = torch.from_numpy(np.stack([c.pixels for c in drawn])).permute(0, 3, 1, 2)
    pixels, marks = cut(pixels, torch.from_numpy(layers))
    phrases = tuple(
        dict.fromkeys([*(n for c in drawn for n in c.names), *(p for _, p in questions)])
    )
    positives = torch.tensor([[p in c.names for p in phrases] for c in drawn])
    rows = [(n, layer, p) for n, asked in enumerate(per) for layer, p in enumerate(asked)]
    return Batch(
        pixels,
        phrases,
        positives,
        torch.tensor([n for n, _, _ in rows], dtype=torch.long),
        torch.tensor([phrases.index(p) for _, _, p in rows], dtype=torch.long),
        torch.stack([marks[n, layer] for n, layer, _ in rows]) if rows else marks[:0, 0],
    )
