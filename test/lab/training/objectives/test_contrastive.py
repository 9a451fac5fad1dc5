"""Contrastive objectives against loops over pairs, and the figures of a worked example."""

import math

import pytest
import torch
from torch import Tensor

from vlam_ros.lab.training.objectives import (
    clip_loss,
    image_to_text_losses,
    info_nce,
    logit_scale,
    rejection_loss,
    same_label,
    symmetric_unicl_loss,
    text_to_image_losses,
    unicl_loss,
)

IMAGES = torch.tensor([[0.8, 0.6], [0.6, 0.8]])
TEXTS = torch.tensor([[0.7, 0.7], [0.7, -0.7]])


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def log_share(scores: list[float], chosen: int) -> float:
    return scores[chosen] - math.log(sum(math.exp(score) for score in scores))


def scores(rows: Tensor, columns: Tensor, scale: float) -> list[list[float]]:
    return [
        [
            scale * sum(a * b for a, b in zip(row, column, strict=True))
            for column in columns.tolist()
        ]
        for row in rows.tolist()
    ]


def test_the_worked_example() -> None:
    """τ = 0.07; the similarities are 0.98, 0.14 and 0.98, −0.14."""
    forth = image_to_text_losses(IMAGES, TEXTS, 1 / 0.07).tolist()
    back = text_to_image_losses(IMAGES, TEXTS, 1 / 0.07).tolist()
    # 0.84 / 0.07 = 12, 1.12 / 0.07 = 16, 0 and 0.28 / 0.07 = 4 between right and wrong.
    expected = [math.log1p(math.exp(-12)), 16.0, math.log(2), 4 + math.log1p(math.exp(-4))]
    assert [*forth, *back] == pytest.approx(expected, abs=2e-6)
    assert forth[0] == pytest.approx(6e-6, abs=0.5e-6)
    assert back[1] == pytest.approx(4.018, abs=0.5e-3)
    assert clip_loss(IMAGES, TEXTS, 1 / 0.07).item() == pytest.approx(5.178, abs=0.5e-3)


def test_clip_equals_a_loop_over_pairs() -> None:
    images, texts = drawn(4, 3), drawn(4, 3, seed=1)
    forth, back = scores(images, texts, 2.0), scores(texts, images, 2.0)
    terms = [-log_share(table[i], i) for table in (forth, back) for i in range(4)]
    assert clip_loss(images, texts, 2.0).item() == pytest.approx(sum(terms) / 8, abs=1e-12)


def test_clip_is_symmetric_and_without_alternatives_nothing() -> None:
    images, texts = drawn(4, 3), drawn(4, 3, seed=1)
    expected = clip_loss(texts, images, 2.0).item()
    assert clip_loss(images, texts, 2.0).item() == pytest.approx(expected, abs=1e-12)
    assert clip_loss(images[:1], texts[:1], 2.0).item() == 0.0


def test_where_all_are_alike_the_loss_is_the_logarithm_of_their_number() -> None:
    same = torch.ones(5, 3)
    assert clip_loss(same, same, 7.0).item() == pytest.approx(math.log(5), abs=1e-6)
    assert info_nce(same, same, 7.0).item() == pytest.approx(math.log(9), abs=1e-6)


def test_info_nce_equals_a_loop_over_all_other_views() -> None:
    first, second = drawn(3, 4), drawn(3, 4, seed=1)
    table = scores(torch.cat([first, second]), torch.cat([first, second]), 1.5)
    total = 0.0
    for i, row in enumerate(table):
        others = [j for j in range(6) if j != i]
        total -= log_share([row[j] for j in others], others.index((i + 3) % 6))
    assert info_nce(first, second, 1.5).item() == pytest.approx(total / 6, abs=1e-12)
    assert info_nce(second, first, 1.5).item() == pytest.approx(total / 6, abs=1e-12)
    assert info_nce(first[:1], second[:1], 1.5).item() == 0.0


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


def test_symmetric_unicl_equals_a_loop_and_clip_where_no_label_repeats() -> None:
    images, texts, labels = drawn(4, 3), drawn(4, 3, seed=1), [1, 0, 1, 2]
    total = 0.0
    for table in (scores(images, texts, 2.0), scores(texts, images, 2.0)):
        for i, row in enumerate(table):
            mates = [k for k in range(4) if labels[k] == labels[i]]
            total -= sum(log_share(row, k) for k in mates) / len(mates)
    loss = symmetric_unicl_loss(images, texts, torch.tensor(labels), 2.0)
    assert loss.item() == pytest.approx(total / 8, abs=1e-12)
    apart = symmetric_unicl_loss(images, texts, torch.arange(4), 2.0).item()
    assert apart == pytest.approx(clip_loss(images, texts, 2.0).item(), abs=1e-12)


def test_labels_say_what_belongs_together() -> None:
    expected = [[True, False, True], [False, False, False]]
    assert same_label(torch.tensor([4, 5]), torch.tensor([4, 6, 4])).tolist() == expected


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
    images = torch.nn.functional.normalize(torch.eye(4) + 2, dim=-1)
    parameter = torch.tensor(math.log(1 / 0.07), requires_grad=True)
    optimizer = torch.optim.Adam([parameter], lr=0.05)
    for texts, expected in [(images, 100.0), (images[[0, 1, 3, 2]], 21 * math.log(3))]:
        for _ in range(300):
            optimizer.zero_grad()
            clip_loss(images, texts, logit_scale(parameter)).backward()
            optimizer.step()
        assert logit_scale(parameter).item() == pytest.approx(expected, rel=1e-3)


def test_rejection_costs_only_what_exceeds_the_limit() -> None:
    similarity = torch.tensor([[0.1, 0.5], [0.3, -0.9]])
    assert rejection_loss(similarity, 0.3).item() == pytest.approx(0.2**2 / 2, abs=1e-7)
    assert rejection_loss(similarity[:0], 0.3).item() == 0.0
