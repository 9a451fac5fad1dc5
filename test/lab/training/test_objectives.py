"""What holds for every objective: gradients, precision, extreme values, the order of the batch."""

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.training import objectives
from vlam_ros.lab.training.embedded_losses import absence_loss
from vlam_ros.lab.training.objectives import IGNORE


class Case(NamedTuple):
    """An objective with arguments; numbers and those named in `shared` belong to no sample."""

    function: Callable[..., Tensor]
    arguments: list[Tensor]
    shared: tuple[int, ...] = ()

    def scaled(self, factor: float, dtype: torch.dtype) -> list[Tensor]:
        return [
            (a * factor if a.ndim else a).to(dtype) if a.is_floating_point() else a
            for a in self.arguments
        ]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


MASKED = torch.tensor([[True, False, True, False, True], [False, False, True, False, False]])
TOKENS = torch.tensor([[0, 3, 1, 2], [0, 2, 2, 1], [0, 1, 2, 0]])
KEPT = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]).bool()
HIDDEN = torch.tensor([[IGNORE, 3, IGNORE], [1, 1, IGNORE]])
POSITIVES = torch.tensor([[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]).bool()
MASKS = (drawn(3, 4, 4, seed=9) > 0) & torch.tensor([1, 0, 1]).bool()[:, None, None]

CASES = {
    "unicl": Case(objectives.unicl_loss, [drawn(3, 4), POSITIVES]),
    "rejection": Case(lambda x: objectives.rejection_loss(x, 0.3), [drawn(4, 3)]),
    "mim": Case(objectives.mim_loss, [drawn(2, 5, 3), drawn(2, 5, 3, seed=1), MASKED]),
    "mlm": Case(objectives.mlm_loss, [drawn(2, 3, 4), HIDDEN]),
    "itg": Case(objectives.itg_loss, [drawn(3, 4, 5), TOKENS, KEPT]),
    "itm": Case(objectives.itm_loss, [drawn(4), torch.tensor([1, 0, 0, 1]).bool()]),
    "rwm": Case(objectives.rwm_loss, [drawn(3, 4, 4), MASKS]),
    "absence": Case(absence_loss, [drawn(3, 4, 4), MASKS]),
    "region_word": Case(
        lambda patches, labels, words: objectives.region_word_loss(patches, words, labels, 3.0),
        [drawn(5, 3), torch.tensor([1, IGNORE, 1, 0, 2]), drawn(4, 3)],
        shared=(2,),
    ),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
each_half = pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])


@each_case
def test_gradients_are_those_of_finite_differences(case: Case) -> None:
    arguments = [a.clone().requires_grad_(a.is_floating_point()) for a in case.arguments]
    assert case.function(*arguments).dtype == torch.float64
    assert torch.autograd.gradcheck(case.function, arguments)


@each_case
@each_half
def test_half_precision_comes_in_and_float32_comes_out(case: Case, half: torch.dtype) -> None:
    rounded = case.scaled(1, half)
    exact = [a.float() if a.is_floating_point() else a for a in rounded]
    loss = case.function(*rounded)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(case.function(*exact).item(), rel=1e-6)


@each_case
def test_autocast_changes_nothing(case: Case) -> None:
    """There a matrix product would be made in bfloat16."""
    arguments = case.scaled(1, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = case.function(*arguments)
    assert inside.dtype == torch.float32
    assert inside.item() == case.function(*arguments).item()


@each_case
@pytest.mark.parametrize(
    ("factor", "dtype"),
    [(2e4, torch.float16), (1e10, torch.bfloat16), (1e10, torch.float32), (0, torch.float32)],
)
def test_extreme_values_give_finite_losses_and_gradients(
    case: Case, factor: float, dtype: torch.dtype
) -> None:
    arguments = [
        a.clone().requires_grad_(a.is_floating_point()) for a in case.scaled(factor, dtype)
    ]
    loss = case.function(*arguments)
    loss.backward()
    assert loss.isfinite()
    if dtype != torch.float16:  # in which the gradients themselves may be beyond 65504
        assert all(a.grad.isfinite().all() for a in arguments if a.grad is not None)


@each_case
def test_the_order_of_the_batch_does_not_matter(case: Case) -> None:
    turned = [
        a if i in case.shared or not a.ndim else a.roll(1, 0) for i, a in enumerate(case.arguments)
    ]
    expected = case.function(*case.arguments).item()
    assert case.function(*turned).item() == pytest.approx(expected, rel=1e-9)


@each_case
def test_arguments_are_left_as_they_are(case: Case) -> None:
    arguments = [a.clone() for a in case.arguments]
    case.function(*arguments)
    assert all(torch.equal(a, b) for a, b in zip(arguments, case.arguments, strict=True))


@each_case
def test_not_a_number_stays_one(case: Case) -> None:
    """A trainer that leaves a step out where it overflowed needs the value, not an exception."""
    arguments = [
        torch.full_like(a, math.nan) if a.is_floating_point() else a for a in case.arguments
    ]
    assert case.function(*arguments).isnan()


pair, matrix, flags = torch.zeros(2, 3), torch.zeros(2, 2), torch.zeros(2, 2).bool()
numbers = torch.zeros(2, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: objectives.unicl_loss(matrix, flags[:1]), r"positives must be .*got \[1, 2\]"),
        (lambda: objectives.unicl_loss(matrix, flags.int()), r"of bool, got torch.int32.*\.bool"),
        (lambda: objectives.rejection_loss(pair[0], 0.3), r"similarity must be \[N, M\]"),
        (lambda: objectives.mim_loss(pair[None], pair[None], flags[:1, :1]), "masked must be"),
        (lambda: objectives.mim_loss(pair[None], pair[None], numbers[None]), "masked .*of bool"),
        (
            lambda: objectives.mlm_loss(pair, numbers + 3),
            r"targets must be in 0..2, or -100 to be left out, got 3",
        ),
        (lambda: objectives.mlm_loss(pair, numbers - 1), "got -1"),
        (lambda: objectives.mlm_loss(pair, numbers.int()), r"of int64, got torch.int32"),
        (lambda: objectives.mlm_loss(pair, numbers[:1]), r"logits must be \[\.\.\., V\], "),
        (lambda: objectives.mlm_loss(torch.tensor(0.0), numbers[0]), "logits must be"),
        (lambda: objectives.itg_loss(pair[None], numbers[None], flags), "kept must be"),
        (lambda: objectives.itg_loss(pair[None], numbers[None], numbers[None]), "kept .*of bool"),
        (lambda: objectives.itm_loss(pair[:, 0], flags), "matched must be"),
        (lambda: objectives.itm_loss(pair[:, 0], numbers), "matched .*of bool"),
        (lambda: objectives.rwm_loss(pair[None], flags[None]), "masks must be"),
        (
            lambda: objectives.rwm_loss(pair[None], pair[None] + 255),
            r"masks must be in 0\.\.1, got 255\.\.255: divide by 255\?",
        ),
        (lambda: objectives.region_word_loss(pair, pair, numbers + 2, 1.0), r"in 0\.\.1.*got 2"),
        (lambda: objectives.region_word_loss(pair, pair, numbers, 0.0), "positive, got 0"),
        (
            lambda: objectives.region_word_loss(pair, pair, numbers, -2.0),
            "got -2: a learned one",
        ),
        (
            lambda: objectives.region_word_loss(pair, pair, numbers, torch.ones(2)),
            r"one number, got shape \[2\]",
        ),
        (
            lambda: objectives.region_word_loss(pair, pair[:, :2], numbers, 1.0),
            r"words must be \[V, D\], N = 2, D = 3, .*got \[2, 2\]: check its shape",
        ),
    ],
)
def test_wrong_arguments_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(LearningError, match=message):
        call()
