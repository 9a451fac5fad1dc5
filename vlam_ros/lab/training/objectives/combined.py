"""The weighted sum of several objectives."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.objectives.checks import check_losses, widened


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
