"""Distillation against closed forms: what equals the teacher costs nothing, the rest what it is."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.objectives import (
    feature_distillation,
    logit_distillation,
    mask_distillation,
)

ALL = {
    feature_distillation: (5, 4),
    logit_distillation: (5, 4),
    mask_distillation: (2, 3, 4),
}


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("loss", ALL, ids=lambda f: f.__name__)
def test_the_teacher_itself_has_nothing_to_learn(loss: Callable[..., Tensor]) -> None:
    teacher = drawn(*ALL[loss])
    student = teacher.clone().requires_grad_()
    value = loss(student, teacher)
    value.backward()
    assert value.item() == pytest.approx(0.0, abs=1e-12)
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-12


@pytest.mark.parametrize("loss", ALL, ids=lambda f: f.__name__)
def test_gradients_are_right_and_the_teacher_gets_none(loss: Callable[..., Tensor]) -> None:
    teacher = drawn(*ALL[loss], seed=1).requires_grad_()
    student = drawn(*ALL[loss]).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), (student,))
    loss(student, teacher).backward()
    assert teacher.grad is None


@pytest.mark.parametrize("loss", ALL, ids=lambda f: f.__name__)
def test_float16_is_summed_in_float32_and_shapes_must_agree(loss: Callable[..., Tensor]) -> None:
    shape = ALL[loss]
    # Squares of 300 overflow in float16.
    value = loss((300 * drawn(*shape)).half(), (300 * drawn(*shape, seed=1)).half())
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    with pytest.raises(LearningError, match="teacher must be"):
        loss(drawn(*shape), drawn(*shape[:-1], 7))


def test_features_at_right_angles_cost_two_and_opposite_ones_four() -> None:
    student = torch.tensor([[3.0, 0.0], [2.0, 0.0], [0.5, 0.0]])
    teacher = torch.tensor([[0.1, 0.0], [0.0, 9.0], [-4.0, 0.0]])
    for row, expected in enumerate((0.0, 2.0, 4.0)):
        assert feature_distillation(student[[row]], teacher[[row]]).item() == pytest.approx(
            expected, abs=1e-6
        )
    assert feature_distillation(student, teacher).item() == pytest.approx(2.0)
    assert feature_distillation(student[:0], teacher[:0]).item() == 0.0


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_logits_cost_the_divergence_of_softened_softmaxes(temperature: float) -> None:
    student, teacher = drawn(3, 4), drawn(3, 4, seed=1)
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        p = [math.exp(x / temperature) for x in t]
        q = [math.exp(x / temperature) for x in s]
        p, q = [x / sum(p) for x in p], [x / sum(q) for x in q]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    expected = temperature**2 * total / 3
    assert logit_distillation(student, teacher, temperature).item() == pytest.approx(expected)


def test_at_high_temperature_logits_cost_half_the_squared_difference_per_text() -> None:
    # Hinton et al. 2015, 2.1: for logits of zero mean the gradient tends to (s − t) / T.
    student, teacher = (x - x.mean(-1, keepdim=True) for x in (drawn(6, 4), drawn(6, 4, seed=1)))
    limit = ((student - teacher).square().sum(-1) / (2 * 4)).mean().item()
    assert logit_distillation(student, teacher, 1e4).item() == pytest.approx(limit, rel=1e-3)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_masks_are_logits_of_there_and_not_there(temperature: float) -> None:
    student, teacher = drawn(2, 3, 4), drawn(2, 3, 4, seed=1)
    two = [torch.stack([x.flatten(), torch.zeros(24)], 1).double() for x in (student, teacher)]
    expected = logit_distillation(*two, temperature)
    torch.testing.assert_close(mask_distillation(student, teacher, temperature), expected)
    assert mask_distillation(student[:0], teacher[:0]).item() == 0.0


@pytest.mark.parametrize("loss", [logit_distillation, mask_distillation], ids=lambda f: f.__name__)
def test_the_temperature_is_positive(loss: Callable[..., Tensor]) -> None:
    with pytest.raises(LearningError, match="temperature must be above 0, got 0"):
        loss(drawn(*ALL[loss]), drawn(*ALL[loss]), 0.0)
