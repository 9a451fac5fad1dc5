"""A task and the weights of its loss terms: their sum, or what PCGrad leaves of their gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.balancing import UncertaintyWeighting, project_conflicts, task_gradients
from vlam_ros.lab.training.objectives.checks import check_losses, widened

Weights = Mapping[str, float] | UncertaintyWeighting

TASK = "task."
"""What names of the task's parameters begin with; those of a learned balance come behind them."""


def combined_loss(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """L = Σₖ λₖ · Lₖ, in float32 at least.

    A term of weight 0 is left out, so that one that is not finite does no harm. Weights without
    a loss are allowed: not every step has every term.

    Args:
        losses: float[] of each term.
        weights: λ of each term.

    Raises:
        LearningError: there is no term, one has no weight, is not a scalar, or a weight is not in
            0..inf.
    """
    check_losses(losses)
    total = torch.zeros((), device=next(iter(losses.values())).device)
    for name, loss in losses.items():
        if name not in weights:
            raise LearningError(f"loss '{name}' has no weight: there are {sorted(weights)}")
        weight = weights[name]
        if not 0 <= weight < math.inf:
            raise LearningError(f"weight '{name}' must be finite and not negative, got {weight:g}")
        if weight:
            total = total + weight * widened(loss)
    return total


class WeightedTask(nn.Module):
    """A task's loss terms and their weighted sum, in one call for whoever wraps the module."""

    def __init__(self, task: nn.Module, weights: Weights) -> None:
        super().__init__()
        self.task = task
        self.weights = weights

    def forward(self, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of a batch's terms, and the terms."""
        losses: dict[str, Tensor] = self.task(batch)
        return self.total(losses), losses

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        if isinstance(self.weights, UncertaintyWeighting):
            balanced: Tensor = self.weights(losses)
            return balanced
        return combined_loss(losses, self.weights)

    def operated(
        self,
        losses: Mapping[str, Tensor],
        values: Mapping[str, Tensor],
        order: Generator,
    ) -> Tensor:
        """The gradient float[P] that PCGrad leaves of the weighed terms.

        A learned balance gets their plain sum: no term is against another there, and its gradients
        would pass for a common direction of them all.

        Args:
            losses: float[] of each term.
            values: what trains, by the names of this module's parameters and in their order.
            order: where the order of the projections comes from.
        """
        weighed = {name: self.total({name: loss}) for name, loss in losses.items()}
        shared = sum(p.numel() for name, p in values.items() if name.startswith(TASK))
        gradients = task_gradients(
            {name: loss for name, loss in weighed.items() if loss.requires_grad},
            list(values.values()),
        )
        projected = project_conflicts(gradients[:, :shared], order)
        return torch.cat([projected, gradients[:, shared:].sum(0)])

    def learned_weights(self) -> dict[str, float]:
        """The balance's weights; nothing where they are given."""
        return self.weights.weights() if isinstance(self.weights, UncertaintyWeighting) else {}
