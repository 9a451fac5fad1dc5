"""Matching of images, texts, regions and words against closed forms and loops."""

import math

import pytest
import torch
from torch import Generator

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.embedded_losses import absence_loss
from vlam_ros.lab.training.objectives import (
    IGNORE,
    draw_hard_negatives,
    itm_loss,
    region_word_loss,
    rwm_loss,
)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_itm_equals_a_loop_over_pairs() -> None:
    logits, matched = [0.3, -1.2, 2.0], [True, False, False]
    total = 0.0
    for x, p in zip(logits, matched, strict=True):
        share = 1 / (1 + math.exp(-x))
        total -= math.log(share if p else 1 - share)
    loss = itm_loss(torch.tensor(logits), torch.tensor(matched))
    assert loss.item() == pytest.approx(total / 3, abs=1e-6)


def test_itm_of_sure_answers_is_nothing_or_their_logit() -> None:
    sure = torch.tensor([1e4, -1e4])
    assert itm_loss(sure, torch.tensor([True, False])).item() == 0.0
    assert itm_loss(sure, torch.tensor([False, True])).item() == pytest.approx(1e4)
    assert itm_loss(sure[:0], torch.zeros(0).bool()).item() == 0.0


def test_hard_negatives_are_drawn_by_their_likeness() -> None:
    """exp(0), exp(1), exp(2) against each other; the positive, most alike of all, never."""
    count = 20_000
    logits = torch.tensor([[500.0, 0.0, 1.0, 2.0]]).expand(count, -1)
    positives = torch.tensor([[True, False, False, False]]).expand(count, -1)
    images, texts = draw_hard_negatives(logits, positives, seeded())
    assert images.equal(torch.arange(count))
    shares = torch.bincount(texts, minlength=4) / count
    total = 1 + math.e + math.e**2
    expected = [0.0, 1 / total, math.e / total, math.e**2 / total]
    assert shares.tolist() == pytest.approx(expected, abs=5 * math.sqrt(0.25 / count))


def test_images_without_negatives_are_left_out() -> None:
    positives = torch.tensor([[True, True], [True, False], [False, True]])
    images, texts = draw_hard_negatives(torch.zeros(3, 2), positives, seeded())
    assert (images.tolist(), texts.tolist()) == ([1, 2], [1, 0])
    alone = draw_hard_negatives(torch.zeros(1, 1), torch.ones(1, 1).bool(), seeded())
    assert [len(indices) for indices in alone] == [0, 0]


def test_a_seed_draws_the_same_negatives() -> None:
    logits, positives = torch.zeros(30, 30), torch.eye(30).bool()
    one, two, other = (draw_hard_negatives(logits, positives, seeded(s))[1] for s in (1, 1, 2))
    assert one.equal(two)
    assert not one.equal(other)
    assert not (one == torch.arange(30)).any()


def test_negatives_are_drawn_whatever_a_bad_step_left() -> None:
    logits = torch.tensor([[math.nan] * 3, [-math.inf] * 3, [math.inf, -math.inf, math.inf]])
    images, texts = draw_hard_negatives(logits, torch.eye(3).bool(), seeded())
    assert images.tolist() == [0, 1, 2]
    assert not (texts == images).any()
    assert texts[2].item() == 0


def test_rwm_of_the_truth_is_nothing_and_of_its_opposite_is_large() -> None:
    masks = torch.zeros(2, 8, 8)
    masks[0, :4] = 1
    sure = 40 * masks - 20
    assert rwm_loss(sure, masks).item() < 1e-3
    assert rwm_loss(-sure, masks).item() > 50


def test_rwm_equals_a_loop_over_phrases_and_pixels() -> None:
    logits = torch.randn(3, 2, 2, generator=seeded())
    masks = torch.tensor([[[1, 0], [1, 1]], [[0, 0], [0, 0]], [[0, 0], [0, 1]]]).bool()
    entropy, dice = 0.0, []
    for x, m in zip(logits.flatten(1).tolist(), masks.flatten(1).tolist(), strict=True):
        p = [1 / (1 + math.exp(-v)) for v in x]
        entropy -= sum(math.log(a if b else 1 - a) for a, b in zip(p, m, strict=True))
        if any(m):
            overlap = sum(a for a, b in zip(p, m, strict=True) if b)
            dice.append(1 - (2 * overlap + 1) / (sum(p) + sum(m) + 1))
    expected = 5 * entropy / 12 + sum(dice) / 2
    assert rwm_loss(logits, masks).item() == pytest.approx(expected, abs=1e-5)
    assert rwm_loss(logits, masks.float()).item() == pytest.approx(expected, abs=1e-5)


def test_dice_of_half_a_mask_is_one_third() -> None:
    masks = torch.zeros(1, 8, 8)
    masks[0, :4] = 1
    logits = torch.full((1, 8, 8), -20.0)
    logits[0, :2] = 20.0
    # 5 x cross-entropy of a quarter of the pixels at 20, and 1 - (2 x 16 + 1) / (16 + 32 + 1).
    assert rwm_loss(logits, masks).item() == pytest.approx(5 * 20 / 4 + 16 / 49, abs=1e-3)


def test_an_absent_phrase_has_no_dice() -> None:
    logits = torch.full((1, 8, 8), -20.0)
    assert rwm_loss(logits, torch.zeros(1, 8, 8)).item() < 1e-6
    assert rwm_loss(logits[:0], torch.zeros(0, 8, 8)).item() == 0.0


def test_a_false_alarm_costs_the_more_the_larger_it_is_and_what_is_there_nothing() -> None:
    masks = torch.zeros(3, 16, 16)
    masks[0] = 1
    logits = torch.full((3, 16, 16), -20.0)
    logits[0] = 5.0
    assert absence_loss(logits, masks).item() < 1e-4
    logits[1, :2, :10] = 20.0
    assert absence_loss(logits, masks).item() == pytest.approx(0.25, abs=1e-4)  # of two absent ones
    logits[1] = 20.0
    assert absence_loss(logits, masks).item() == pytest.approx(0.5 * 256 / 276, abs=1e-4)
    assert absence_loss(logits[:1], masks[:1]).item() == 0.0


def test_region_word_loss_equals_a_loop_over_patches() -> None:
    generator = seeded(2)
    patches, words = torch.randn(6, 4, generator=generator), torch.randn(3, 4, generator=generator)
    labels = torch.tensor([0, 1, IGNORE, 1, 2, 1])
    loss = region_word_loss(patches, words, labels, torch.tensor(10.0))
    counts = [1, 3, 1]
    total = weight_sum = 0.0
    for patch, label in zip(patches, labels.tolist(), strict=True):
        if label >= 0:
            cosine = torch.nn.functional.cosine_similarity(patch[None], words)
            weight = (counts[label] + 1) ** -0.5
            total -= weight * torch.log_softmax(10 * cosine, 0)[label].item()
            weight_sum += weight
    assert loss.item() == pytest.approx(total / weight_sum, abs=1e-5)


def test_patches_without_label_change_nothing() -> None:
    generator = seeded(2)
    patches, words = torch.randn(6, 4, generator=generator), torch.randn(3, 4, generator=generator)
    labels = torch.tensor([0, 1, 1, IGNORE, IGNORE, IGNORE])
    with_them = region_word_loss(patches, words, labels, 10.0).item()
    assert region_word_loss(patches[:3], words, labels[:3], 10.0).item() == with_them
    assert region_word_loss(patches, words, torch.full((6,), IGNORE), 10.0).item() == 0.0


def test_shapes_of_negatives_are_checked() -> None:
    with pytest.raises(LearningError, match=r"positives must be \[B, T\], B = 3, T = 3"):
        draw_hard_negatives(torch.zeros(3, 3), torch.eye(2).bool(), seeded())
    with pytest.raises(LearningError, match=r"positives must be of bool"):
        draw_hard_negatives(torch.zeros(3, 3), torch.eye(3), seeded())
