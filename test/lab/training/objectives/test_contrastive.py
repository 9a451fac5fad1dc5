"""Contrastive objectives against loops over pairs."""

import math

import pytest
import torch
from torch import Tensor

from vlam_ros.lab.training.objectives import (
    logit_scale,
    rejection_loss,
    unicl_loss,
)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def log_share(scores: list[float], chosen: int) -> float:
    return scores[chosen] - math.log(sum(math.exp(score) for score in scores))


def test_unicl_with_one_positive_is_cross_entropy() -> None:
    logits, rows = drawn(5, 7), torch.tensor([0, 3, 6, 2, 2])
    expected = -sum(
        log_share(row, k) for row, k in zip(logits.tolist(), rows.tolist(), strict=True)
    )
    positives = torch.nn.functional.one_hot(rows, 7).bool()
    assert unicl_loss(logits, positives).item() == pytest.approx(expected / 5, abs=1e-12)


def test_unicl_averages_over_the_positives_of_a_row() -> None:
    logits = torch.tensor([[math.log(1.0), math.log(2.0), math.log(5.0)]])
    positives = torch.tensor([[True, False, True]])
    expected = -(math.log(1 / 8) + math.log(5 / 8)) / 2
    assert unicl_loss(logits, positives).item() == pytest.approx(expected, abs=1e-6)


def test_unicl_leaves_rows_without_positive_out() -> None:
    logits = drawn(2, 3)
    positives = torch.tensor([[True, False, False], [False, False, False]])
    expected = -log_share(logits[0].tolist(), 0)
    assert unicl_loss(logits, positives).item() == pytest.approx(expected, abs=1e-12)


def test_unicl_without_any_positive_is_nothing_and_has_a_gradient() -> None:
    logits = drawn(2, 3).requires_grad_()
    loss = unicl_loss(logits, torch.zeros(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.eq(0).all()


def test_minus_infinity_takes_a_candidate_out() -> None:
    """Even all of a row's candidates, as of the only sentence compared with itself."""
    logits = torch.tensor([[1.0, -math.inf, 2.0], [-math.inf] * 3], requires_grad=True)
    positives = torch.tensor([[True, False, False], [False, False, False]])
    loss = unicl_loss(logits, positives)
    loss.backward()
    assert loss.item() == pytest.approx(math.log1p(math.e), abs=1e-6)
    share = 1 / (1 + math.exp(-1))
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx([-share, 0.0, share], abs=1e-6)
    assert logits.grad[1].tolist() == [0.0, 0.0, 0.0]


def test_the_learned_scale_is_100_at_most() -> None:
    for value, expected in [(math.log(1 / 0.07), 1 / 0.07), (math.log(100), 100), (9.0, 100)]:
        assert logit_scale(torch.tensor(value)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("beyond", [5.0, 1e4])
def test_a_scale_beyond_the_limit_comes_back_but_is_not_driven_on(beyond: float) -> None:
    parameter = torch.tensor(beyond, requires_grad=True)
    logit_scale(parameter).backward()  # a loss that falls with the scale
    assert parameter.grad is not None
    assert parameter.grad.item() == pytest.approx(100, rel=1e-5)
    parameter.grad = None
    (-logit_scale(parameter)).backward()
    assert parameter.grad.item() == 0.0


def test_the_temperature_is_learned() -> None:
    """Four pairs, cosines of 1 and 20/21.

    All right, they want it as cold as it may be. With two mixed up, half of the probability must
    be on the nearest: exp(scale / 21) = 3.
    """
    images, own = torch.nn.functional.normalize(torch.eye(4) + 2, dim=-1), torch.eye(4).bool()
    parameter = torch.tensor(math.log(1 / 0.07), requires_grad=True)
    optimizer = torch.optim.Adam([parameter], lr=0.05)
    for texts, expected in [(images, 100.0), (images[[0, 1, 3, 2]], 21 * math.log(3))]:
        for _ in range(300):
            optimizer.zero_grad()
            logits = logit_scale(parameter) * images @ texts.t()
            (unicl_loss(logits, own) + unicl_loss(logits.t(), own)).backward()
            optimizer.step()
        assert logit_scale(parameter).item() == pytest.approx(expected, rel=1e-3)


def test_rejection_costs_only_what_exceeds_the_limit() -> None:
    similarity = torch.tensor([[0.1, 0.5], [0.3, -0.9]])
    assert rejection_loss(similarity, 0.3).item() == pytest.approx(0.2**2 / 2, abs=1e-7)
    assert rejection_loss(similarity[:0], 0.3).item() == 0.0
