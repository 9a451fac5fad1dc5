"""Losses against closed forms and slow loops."""

import math

import pytest
import torch

from vlam_ros.learning.objectives import (
    mask_loss,
    region_word_loss,
    rejection_loss,
    unicl_loss,
)


def test_unicl_with_one_positive_is_cross_entropy() -> None:
    logits = torch.randn(5, 7, generator=torch.manual_seed(0))
    rows = torch.tensor([0, 3, 6, 2, 2])
    positives = torch.nn.functional.one_hot(rows, 7).bool()
    expected = torch.nn.functional.cross_entropy(logits, rows)
    assert unicl_loss(logits, positives).item() == pytest.approx(expected.item(), abs=1e-6)


def test_unicl_averages_over_the_positives_of_a_row() -> None:
    logits = torch.tensor([[math.log(1.0), math.log(2.0), math.log(5.0)]])
    positives = torch.tensor([[True, False, True]])
    expected = -(math.log(1 / 8) + math.log(5 / 8)) / 2
    assert unicl_loss(logits, positives).item() == pytest.approx(expected, abs=1e-6)


def test_unicl_leaves_rows_without_positive_out() -> None:
    logits = torch.randn(2, 3, generator=torch.manual_seed(1))
    positives = torch.tensor([[True, False, False], [False, False, False]])
    alone = unicl_loss(logits[:1], positives[:1])
    assert unicl_loss(logits, positives).item() == pytest.approx(alone.item(), abs=1e-6)
    assert unicl_loss(logits, torch.zeros(2, 3, dtype=torch.bool)).item() == 0.0


def test_mask_loss_of_the_truth_is_nothing_and_of_its_opposite_is_large() -> None:
    masks = torch.zeros(2, 8, 8)
    masks[0, :4] = 1
    sure = 40 * masks - 20
    assert mask_loss(sure, masks).item() < 1e-3
    assert mask_loss(-sure, masks).item() > 50


def test_dice_of_half_a_mask_is_one_third() -> None:
    masks = torch.zeros(1, 8, 8)
    masks[0, :4] = 1
    logits = torch.full((1, 8, 8), -20.0)
    logits[0, :2] = 20.0
    # 5 x cross-entropy of a quarter of the pixels at 20, and 1 - (2 x 16 + 1) / (16 + 32 + 1).
    assert mask_loss(logits, masks).item() == pytest.approx(5 * 20 / 4 + 16 / 49, abs=1e-3)


def test_an_absent_phrase_has_no_dice() -> None:
    logits = torch.full((1, 8, 8), -20.0)
    assert mask_loss(logits, torch.zeros(1, 8, 8)).item() < 1e-6


def test_region_word_loss_equals_a_loop_over_patches() -> None:
    generator = torch.manual_seed(2)
    patches, words = torch.randn(6, 4, generator=generator), torch.randn(3, 4, generator=generator)
    labels = torch.tensor([0, 1, -100, 1, 2, 1])
    loss = region_word_loss(patches, words, labels, torch.tensor(10.0))
    counts = [2, 3, 1]  # bincount takes the left-out patch for the first word
    total = weight_sum = 0.0
    for patch, label in zip(patches, labels.tolist(), strict=True):
        if label >= 0:
            cosine = torch.nn.functional.cosine_similarity(patch[None], words)
            weight = (counts[label] + 1) ** -0.5
            total -= weight * torch.log_softmax(10 * cosine, 0)[label].item()
            weight_sum += weight
    assert loss.item() == pytest.approx(total / weight_sum, abs=1e-5)


def test_rejection_costs_only_what_exceeds_the_limit() -> None:
    similarity = torch.tensor([[0.1, 0.5], [0.3, -0.9]])
    assert rejection_loss(similarity, 0.3).item() == pytest.approx(0.2**2 / 2, abs=1e-7)


@pytest.mark.parametrize("bad", [torch.bfloat16, torch.float16])
def test_losses_are_computed_in_float32(bad: torch.dtype) -> None:
    logits = torch.randn(4, 5).to(bad)
    assert unicl_loss(logits, torch.eye(4, 5).bool()).dtype == torch.float32
    assert mask_loss(logits[None], torch.ones(1, 4, 5)).dtype == torch.float32


def test_gradients() -> None:
    """In float64 the losses are differentiated as autograd says; float32 rounds too much."""
    logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    positives = torch.tensor([[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]).bool()
    assert torch.autograd.gradcheck(
        lambda x: unicl_loss(x, positives), logits, eps=1e-2, atol=2e-2, rtol=2e-2
    )
