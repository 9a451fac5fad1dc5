"""The weighted sum of several objectives, and weights that change while training goes on."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.objectives.checks import check_losses, widened

Schedule = Callable[[int], float]
"""A weight by step of training: Linear, Cosine or Stepwise; a constant is a plain number."""


def combined_loss(
    losses: Mapping[str, Tensor], weights: Mapping[str, float | Schedule], step: int = 0
) -> Tensor:
    """L = Σₖ λₖ(step) · Lₖ, in float32 at least.

    A term of weight 0 is left out, so that one that is not finite does no harm. Weights without
    a loss are allowed: not every step has every term.

    Args:
        losses: float[] of each term.
        weights: λ of each term, a number or a schedule.
        step: number of the training step, from 0.

    Raises:
        LearningError: there is no term, one has no weight, is not a scalar, or a weight is not in
            0..inf.
    """
    check_losses(losses)
    total = torch.zeros((), device=next(iter(losses.values())).device)
    for name, loss in losses.items():
        if name not in weights:
            raise LearningError(f"loss '{name}' has no weight: there are {sorted(weights)}")
        given = weights[name]
        weight = given(step) if callable(given) else given
        _check_weight(name, weight)
        if weight:
            total = total + weight * widened(loss)
    return total


@dataclass(frozen=True)
class Linear:
    """From `start` at step 0 to `end` at step `steps`, in equal steps; then `end`.

    Raises:
        LearningError: a weight is not in 0..inf, or there is no step.
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        _check_weight("start", self.start)
        _check_weight("end", self.end)
        if self.steps < 1:
            raise LearningError(f"a schedule needs at least one step, got {self.steps}")

    def __call__(self, step: int) -> float:
        """The weight at a step."""
        progress = min(max(step / self.steps, 0.0), 1.0)
        return self.start + (self.end - self.start) * self._share(progress)

    def _share(self, progress: float) -> float:
        return progress


@dataclass(frozen=True)
class Cosine(Linear):
    """As `Linear`, along half a cosine: slow at both ends."""

    def _share(self, progress: float) -> float:
        return (1 - math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class Stepwise:
    """`values[i]` from step `starts[i]` on, the first of which is 0.

    Raises:
        LearningError: starts do not rise from 0, are not as many as values, or a weight is not in
            0..inf.
    """

    starts: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = list(self.starts) == sorted(set(self.starts))
        if self.starts[:1] != (0,) or not rising or len(self.starts) != len(self.values):
            raise LearningError(
                "a stepwise schedule needs rising starts from 0 on and as many values, "
                f"got starts {self.starts} and values {self.values}"
            )
        for start, value in zip(self.starts, self.values, strict=True):
            _check_weight(f"from step {start} on", value)

    def __call__(self, step: int) -> float:
        """The weight at a step."""
        return self.values[bisect_right(self.starts, max(0, step)) - 1]


def _check_weight(name: str, weight: float) -> None:
    if not 0 <= weight < math.inf:
        raise LearningError(f"weight '{name}' must be finite and not negative, got {weight:g}")
