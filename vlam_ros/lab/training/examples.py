"""What tuning and distillation are given: images, phrases, and where each phrase is seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.checks import check_bool, check_shapes
from vlam_ros.lab.training.data.dataset import Labelled
from vlam_ros.lab.training.fit import BatchSource


@dataclass(frozen=True)
class Batch:
    """B images, T phrases, and the masks of P pairs of an image and a phrase.

    Attributes:
        pixels: float[B,3,S,S] RGB in 0..1, not normalised: teacher and student may differ in that.
        phrases: T different ones.
        positives: bool[B,T], whether a phrase is true of something in an image.
        images: int64[P], the image that a pair asks about.
        asked: int64[P], the phrase that it asks for.
        masks: float[P,h,w] in 0..1, empty where the phrase is absent; of any size.

    Raises:
        LearningError: shapes differ, an index is out of range, or a phrase comes twice.
    """

    pixels: Tensor
    phrases: tuple[str, ...]
    positives: Tensor
    images: Tensor
    asked: Tensor
    masks: Tensor

    def __post_init__(self) -> None:
        check_shapes(
            pixels=(self.pixels, "B 3 S S"),
            positives=(self.positives, "B T"),
            images=(self.images, "P"),
            asked=(self.asked, "P"),
            masks=(self.masks, "P h w"),
        )
        check_bool("positives", self.positives)
        count = self.positives.shape[1]
        if len(self.phrases) != count or len(set(self.phrases)) != count:
            raise LearningError(
                f"a batch needs {count} different phrases, as its positives have columns, "
                f"got {len(self.phrases)}, {len(set(self.phrases))} of them different"
            )
        for name, rows, limit in (
            ("images", self.images, len(self.pixels)),
            ("asked", self.asked, count),
        ):
            if len(rows) and not ((rows >= 0) & (rows < limit)).all():
                raise LearningError(
                    f"{name} must be in 0..{limit - 1}, got {rows.min()}..{rows.max()}"
                )


Batches: TypeAlias = BatchSource[Batch]


def asked(images: Tensor, prompts: Sequence[str], which: Tensor, masks: Tensor) -> Batch:
    """A batch of images float[B,3,S,S] in 0..1, by P prompts that are asked of them.

    Args:
        prompts: P phrases; one may come for several images.
        which: int64[P], the image that each is asked of.
        masks: bool[P,h,w], the answers, empty where there is no such thing.
    """
    phrases = tuple(dict.fromkeys(prompts))
    rows = torch.tensor([phrases.index(prompt) for prompt in prompts], dtype=torch.long)
    positives = torch.zeros(len(images), len(phrases), dtype=torch.bool)
    there = masks.flatten(1).any(1)
    positives[which[there], rows[there]] = True
    return Batch(images, phrases, positives, which, rows, masks.float())


def joined(first: Batch, second: Batch) -> Batch:
    """Both in one, the first one's images before the second's; sizes must be the same."""
    phrases = tuple(dict.fromkeys((*first.phrases, *second.phrases)))
    device = first.pixels.device
    positives = torch.zeros(
        len(first.pixels) + len(second.pixels), len(phrases), dtype=torch.bool, device=device
    )
    asked, row = [], 0
    for batch in (first, second):
        columns = torch.tensor([phrases.index(p) for p in batch.phrases], device=device)
        positives[row : row + len(batch.pixels), columns] = batch.positives
        asked.append(columns[batch.asked])
        row += len(batch.pixels)
    return Batch(
        torch.cat([first.pixels, second.pixels]),
        phrases,
        positives,
        torch.cat([first.images, len(first.pixels) + second.images]),
        torch.cat(asked),
        torch.cat([first.masks, second.masks]),
    )


def whole(images: Iterable[Labelled], phrases: Sequence[str], size: int) -> Iterator[Batch]:
    """A batch of each image, made square, that asks for all phrases."""
    for each in images:
        image, known = each.image, each.masks
        nothing = np.zeros(image.shape[:2], bool)
        masks = np.stack([known.get(phrase, nothing) for phrase in phrases])
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255
        shape = (size, size)
        yield asked(
            functional.interpolate(pixels, shape, mode="bilinear", antialias=True),
            phrases,
            torch.zeros(len(phrases), dtype=torch.long),
            functional.interpolate(torch.from_numpy(masks)[None].float(), shape, mode="nearest")[0],
        )
