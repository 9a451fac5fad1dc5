"""Batches for tuning: what is there, what is not, and what makes no sense."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn_shapes import PHRASES, DrawnShapes, drawn_image

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.data.dataset import Labelled
from vlam_ros.lab.training.examples import Batch, asked, joined, whole


def test_a_phrase_is_true_of_the_images_it_has_a_mask_in() -> None:
    masks = torch.zeros(4, 8, 8, dtype=torch.bool)
    masks[0, 2:4] = masks[3, :3] = True
    batch = asked(torch.zeros(2, 3, 8, 8), ("cup", "box", "cup", "box"), torch.tensor([0, 0, 1, 1]),
                  masks)  # fmt: skip
    assert batch.phrases == ("cup", "box")
    assert batch.asked.tolist() == [0, 1, 0, 1]
    assert batch.positives.tolist() == [[True, False], [False, True]]
    assert batch.masks.flatten(1).sum(1).tolist() == [16, 0, 0, 24]


def test_two_batches_joined_ask_the_same_of_the_same_images() -> None:
    one = DrawnShapes(phrases=("star", "ball")).batch(0)
    two = DrawnShapes(phrases=("box", "star"), images=3, first=20).batch(1)
    both = joined(one, two)
    assert both.phrases == ("star", "ball", "box")
    assert torch.equal(both.pixels, torch.cat([one.pixels, two.pixels]))
    assert both.positives[:2, :2].equal(one.positives)
    assert not both.positives[:2, 2].any()
    assert both.positives[2:][:, [2, 0]].equal(two.positives)
    questions = [
        (part.phrases[phrase], part.pixels[image].sum().item(), mask.sum().item())
        for part in (one, two, both)
        for phrase, image, mask in zip(part.asked, part.images, part.masks, strict=True)
    ]
    half = len(questions) // 2
    assert questions[:half] == questions[half:]


def test_whole_images_are_asked_for_everything() -> None:
    image, labels = drawn_image(0, 96)  # without a star
    (batch,) = whole([Labelled(image, labels)], PHRASES, 48)
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
     ({"images": torch.full((8,), -1)}, r"images must be in 0..1, got -1..-1"),
     ({"masks": torch.zeros(7, 64, 64)}, "masks must be"),
     ({"positives": torch.ones(2, 4)}, "positives must be of bool")],
)  # fmt: skip
def test_a_batch_that_does_not_fit_together_is_refused(
    change: dict[str, object], wrong: str
) -> None:
    batch: Batch = DrawnShapes().batch(0)
    with pytest.raises(LearningError, match=wrong):
        replace(batch, **change)
