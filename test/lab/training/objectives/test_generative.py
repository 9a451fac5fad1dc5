"""Generative objectives against loops, and how much of what the masks hide."""

import math

import pytest
import torch
from torch import Generator, Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.objectives import (
    IGNORE,
    itg_loss,
    mask_patches,
    mask_tokens,
    mim_loss,
    mlm_loss,
    patch_pixels,
)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def log_share(scores: list[float], chosen: int) -> float:
    return scores[chosen] - math.log(sum(math.exp(score) for score in scores))


def test_mim_equals_a_loop_over_the_hidden_patches() -> None:
    predictions, patches = drawn(2, 5, 3), drawn(2, 5, 3, seed=1)
    hidden = [(0, 1), (0, 4), (1, 0)]
    masked = torch.zeros(2, 5, dtype=torch.bool)
    total = 0.0
    for b, n in hidden:
        masked[b, n] = True
        total += sum((predictions[b, n, d] - patches[b, n, d]).item() ** 2 for d in range(3)) / 3
    assert mim_loss(predictions, patches, masked).item() == pytest.approx(total / 3, abs=1e-12)


def test_only_hidden_patches_and_tokens_have_a_gradient() -> None:
    predictions, masked = (
        drawn(1, 4, 2).requires_grad_(),
        torch.tensor([[True, False, True, False]]),
    )
    mim_loss(predictions, torch.zeros(1, 4, 2), masked).backward()
    assert predictions.grad is not None
    assert predictions.grad.ne(0).all(-1).equal(masked)
    logits = drawn(1, 4, 3).requires_grad_()
    mlm_loss(logits, torch.tensor([[IGNORE, 0, 2, IGNORE]])).backward()
    assert logits.grad is not None
    assert logits.grad.ne(0).all(-1).tolist() == [[False, True, True, False]]


def test_where_nothing_is_hidden_nothing_is_lost() -> None:
    predictions, logits = drawn(2, 5, 3).requires_grad_(), drawn(2, 4, 6).requires_grad_()
    seen, read = torch.zeros(2, 5, dtype=torch.bool), torch.full((2, 4), IGNORE)
    losses = [
        mim_loss(predictions, drawn(2, 5, 3), seen),
        mlm_loss(logits, read),
        itg_loss(logits, torch.zeros(2, 4, dtype=torch.int64), torch.zeros(2, 4).bool()),
        itg_loss(logits[:, :1], torch.zeros(2, 1, dtype=torch.int64), torch.ones(2, 1).bool()),
    ]
    assert [loss.item() for loss in losses] == [0.0] * 4
    torch.stack(losses).sum().backward()
    assert predictions.grad is not None
    assert logits.grad is not None
    assert not predictions.grad.any()
    assert not logits.grad.any()


def test_mlm_equals_a_loop_over_the_hidden_tokens() -> None:
    logits, targets = drawn(2, 3, 4), [[IGNORE, 3, 0], [2, IGNORE, IGNORE]]
    terms = [-log_share(logits[b, i].tolist(), targets[b][i]) for b, i in [(0, 1), (0, 2), (1, 0)]]
    assert mlm_loss(logits, torch.tensor(targets)).item() == pytest.approx(
        sum(terms) / 3, abs=1e-12
    )


def test_mlm_of_equal_logits_is_the_logarithm_of_the_vocabulary() -> None:
    loss = mlm_loss(torch.full((3, 50), 6e4, dtype=torch.float16), torch.tensor([0, 49, 7]))
    assert loss.item() == pytest.approx(math.log(50), abs=1e-6)


def test_itg_predicts_the_next_token_and_no_padding() -> None:
    logits, tokens = drawn(2, 4, 5), [[1, 2, 3, 4], [1, 4, 0, 0]]
    kept = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]).bool()
    # After 1, 2, 3 in the first text; after 1 in the second, which ends with 4.
    steps = [(0, 0), (0, 1), (0, 2), (1, 0)]
    terms = [-log_share(logits[b, i].tolist(), tokens[b][i + 1]) for b, i in steps]
    loss = itg_loss(logits, torch.tensor(tokens), kept)
    assert loss.item() == pytest.approx(sum(terms) / 4, abs=1e-12)


def test_patches_are_rows_of_normalised_pixels() -> None:
    image = torch.arange(2 * 4 * 6, dtype=torch.float64).reshape(1, 2, 4, 6).square()
    patches = patch_pixels(image, 2)
    assert patches.shape == (1, 6, 8)
    # The fifth patch is the middle one of the second row: rows 2, 3 and columns 2, 3.
    values = [image[0, c, y, x].item() for c in (0, 1) for y in (2, 3) for x in (2, 3)]
    mean = sum(values) / 8
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 8)
    expected = [(v - mean) / deviation for v in values]
    assert patches[0, 4].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_patch_of_one_colour_is_zero() -> None:
    assert patch_pixels(torch.full((1, 3, 4, 4), 0.7), 4).abs().max().item() < 1e-3


@pytest.mark.parametrize("patch", [0, 3, 8])
def test_patches_must_fill_the_image(patch: int) -> None:
    with pytest.raises(LearningError, match=f"multiples of the patch, got 4 x 6 and {patch}"):
        patch_pixels(torch.zeros(1, 3, 4, 6), patch)


@pytest.mark.parametrize(("ratio", "count"), [(0.0, 0), (0.75, 15), (0.33, 7), (1.0, 20)])
def test_of_every_image_the_same_number_of_patches_is_hidden(ratio: float, count: int) -> None:
    assert mask_patches(8, 20, ratio, seeded()).sum(-1).tolist() == [count] * 8


def test_every_patch_is_hidden_as_often_as_any_other() -> None:
    share = mask_patches(4000, 10, 0.3, seeded()).float().mean(0)
    assert share.tolist() == pytest.approx([0.3] * 10, abs=4 * math.sqrt(0.21 / 4000))


def test_tokens_are_hidden_as_bert_does() -> None:
    count = 200_000
    tokens = torch.full((2, count // 2), 5)
    inputs, targets = mask_tokens(tokens, torch.zeros_like(tokens).bool(), 9, 1000, seeded())
    chosen = targets != IGNORE
    assert targets[chosen].eq(5).all()
    assert inputs[~chosen].eq(5).all()
    shares = {
        "chosen": (chosen.float().mean().item(), 0.15),
        "masked": ((inputs[chosen] == 9).float().mean().item(), 0.8001),
        "kept": ((inputs[chosen] == 5).float().mean().item(), 0.1001),
    }
    for name, (share, expected) in shares.items():
        # Five standard deviations of a count among the 30,000 chosen.
        assert share == pytest.approx(expected, abs=5 * math.sqrt(0.16 / 30_000)), name
    others = inputs[chosen & (inputs != 9) & (inputs != 5)]
    assert others.min().item() < 10
    assert others.max().item() >= 990
    assert len(others.unique()) > 900


def test_special_tokens_are_never_hidden() -> None:
    tokens = torch.tensor([[0, 4, 5, 1, 1]])
    special = torch.tensor([[True, False, False, True, True]])
    inputs, targets = mask_tokens(tokens, special, 9, 10, seeded(), rate=1.0)
    assert targets.tolist() == [[IGNORE, 4, 5, IGNORE, IGNORE]]
    assert inputs[special].tolist() == [0, 1, 1]
    nothing, none = mask_tokens(tokens, special, 9, 10, seeded(), rate=0.0)
    assert nothing.equal(tokens)
    assert none.eq(IGNORE).all()


def test_a_seed_gives_the_same_masks() -> None:
    assert mask_patches(4, 9, 0.5, seeded(3)).equal(mask_patches(4, 9, 0.5, seeded(3)))
    assert not mask_patches(4, 9, 0.5, seeded(3)).equal(mask_patches(4, 9, 0.5, seeded(4)))
    tokens, special = torch.arange(60).reshape(3, 20), torch.zeros(3, 20).bool()
    one, two = (mask_tokens(tokens, special, 9, 60, seeded(3), rate=0.5) for _ in range(2))
    assert one[0].equal(two[0])
    assert one[1].equal(two[1])
    assert not one[0].equal(mask_tokens(tokens, special, 9, 60, seeded(4), rate=0.5)[0])


def test_shares_and_tokens_out_of_range_are_named() -> None:
    tokens, special = torch.zeros(1, 3, dtype=torch.int64), torch.zeros(1, 3).bool()
    with pytest.raises(LearningError, match=r"ratio .* must be in 0..1, got 75"):
        mask_patches(1, 4, 75, seeded())
    with pytest.raises(LearningError, match=r"rate .* must be in 0..1, got -0.1"):
        mask_tokens(tokens, special, 2, 5, seeded(), rate=-0.1)
    with pytest.raises(LearningError, match=r"mask token must be in 0..4, got 5"):
        mask_tokens(tokens, special, 5, 5, seeded())
    with pytest.raises(LearningError, match=r"special must be \[\.\.\.\], .*got \[1, 2\]"):
        mask_tokens(tokens, special[:, :2], 2, 5, seeded())
