"""The weighted sum of loss terms."""

import math
from collections.abc import Callable

import pytest
import torch

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.fit.weighing import combined_loss

ONE, TWO = torch.tensor(1.0), torch.tensor(2.0)


def test_terms_are_weighted_and_added() -> None:
    assert combined_loss({"a": ONE, "b": TWO}, {"a": 0.5, "b": 3.0}).item() == 6.5


def test_gradients_are_weighted_as_the_terms() -> None:
    values = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    losses = {"a": values[0], "b": values[1], "c": values[2]}
    combined_loss(losses, {"a": 0.5, "b": 1.0, "c": 0.0}).backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.5, 1.0, 0.0]


def test_a_term_of_no_weight_does_no_harm() -> None:
    broken = torch.tensor(math.nan)
    assert combined_loss({"a": ONE, "b": broken}, {"a": 1.0, "b": 0.0}).item() == 1.0
    assert combined_loss({"a": ONE, "b": broken}, {"a": 1.0, "b": 0.1}).isnan()


def test_a_step_need_not_have_every_term() -> None:
    assert combined_loss({"a": ONE}, {"a": 1.0, "b": 1.0}).item() == 1.0


def test_terms_in_half_precision_are_added_in_float32() -> None:
    """256 + 1 and 256 · 1.001 are 256 in bfloat16."""
    losses = {"a": torch.tensor(256.0).bfloat16(), "b": torch.tensor(1.0).bfloat16()}
    assert combined_loss(losses, {"a": 1.0, "b": 1.0}).item() == 257.0
    assert combined_loss(losses, {"a": 1.001, "b": 0.0}).item() == pytest.approx(256.256)
    assert combined_loss({"a": ONE.double()}, {"a": 0.1}).dtype == torch.float64


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: combined_loss({}, {"a": 1.0}), "at least one loss is needed, got none"),
        (lambda: combined_loss({"a": ONE}, {"b": 1.0}), r"'a' has no weight: there are \['b'\]"),
        (lambda: combined_loss({"a": ONE[None]}, {"a": 1.0}), r"'a' must be a scalar.*\[1\]"),
        (lambda: combined_loss({"a": ONE}, {"a": -1.0}), "'a' must be finite and not negative"),
        (lambda: combined_loss({"a": ONE}, {"a": math.nan}), "'a' must be finite.*got nan"),
        (lambda: combined_loss({"a": ONE}, {"a": math.inf}), "'a' must be finite"),
    ],
)
def test_wrong_weights_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(LearningError, match=message):
        call()
