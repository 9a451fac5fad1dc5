"""Batches for tuning: what is there, what is not, and what makes no sense."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from drawn_shapes import PHRASES, DrawnShapes, picture

from vlam_ros.errors import LearningError
from vlam_ros.learning.examples import Batch, Drawn, asked, whole


def test_a_phrase_is_true_of_the_pictures_it_has_a_mask_in() -> None:
    masks = torch.zeros(4, 8, 8, dtype=torch.bool)
    masks[0, 2:4] = masks[3, :3] = True
    batch = asked(torch.zeros(2, 3, 8, 8), ("cup", "box", "cup", "box"), torch.tensor([0, 0, 1, 1]),
                  masks)  # fmt: skip
    assert batch.phrases == ("cup", "box")
    assert batch.asked.tolist() == [0, 1, 0, 1]
    assert batch.positives.tolist() == [[True, False], [False, True]]
    assert batch.masks.flatten(1).sum(1).tolist() == [16, 0, 0, 24]


def test_what_a_stream_draws_is_a_batch() -> None:
    @dataclass(frozen=True)
    class Prompted:
        images: torch.Tensor
        prompts: tuple[str, ...]
        which: torch.Tensor
        masks: torch.Tensor

    class Stream:
        def draw(self, step: int) -> Prompted:
            pixels = torch.full((1, 3, 8, 8), step / 10)
            return Prompted(pixels, ("cup",), torch.tensor([0]), torch.ones(1, 8, 8).bool())

    batch = Drawn(Stream()).batch(7)
    assert batch.pixels.mean().item() == pytest.approx(0.7)
    assert batch.positives.tolist() == [[True]]


def test_whole_pictures_are_asked_for_everything() -> None:
    image, labels = picture(0, 96)  # without a star
    (batch,) = whole([(image, labels)], PHRASES, 48)
    assert batch.pixels.shape == (1, 3, 48, 48)
    assert batch.positives[0].tolist() == [phrase in dict(labels) for phrase in PHRASES]
    own = dict(labels)["box"]
    row = PHRASES.index("box")
    assert batch.masks[row].mean().item() == pytest.approx(np.mean(own), abs=0.01)
    assert batch.masks[PHRASES.index("star")].sum() == 0


@pytest.mark.parametrize(
    ("change", "wrong"),
    [({"phrases": ("a", "a", "b", "c")}, "needs 4 different phrases"),
     ({"asked": torch.tensor([0, 1, 2, 4, 0, 1, 2, 3])}, r"asked must be in 0..3, got 0..4"),
     ({"pictures": torch.full((8,), -1)}, r"pictures must be in 0..1, got -1..-1"),
     ({"masks": torch.zeros(7, 64, 64)}, "masks must be"),
     ({"positives": torch.ones(2, 4)}, "positives must be of bool")],
)  # fmt: skip
def test_a_batch_that_does_not_fit_together_is_refused(
    change: dict[str, object], wrong: str
) -> None:
    batch: Batch = DrawnShapes().batch(0)
    with pytest.raises(LearningError, match=wrong):
        replace(batch, **change)
