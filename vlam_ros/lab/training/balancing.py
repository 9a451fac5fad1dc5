"""Multi-task balancing: loss terms by given or learned weights, and what PCGrad leaves of
gradients.

How far gradients work against each other is measured by group of parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Generator, Tensor, nn

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.checks import widened

TASK = "task."
"""What names of the task's parameters begin with; those of a learned balance come behind them."""


class UncertaintyWeighting(nn.Module):
    """Weights that the tasks' own uncertainty decides (Kendall et al. 2018).

    L = Σₖ ½ (exp(−sₖ) · Lₖ + sₖ), sₖ = log σₖ² learned. For a loss that stays at Lₖ > 0 the best
    sₖ is log Lₖ: every task then weighs as much as any other, whatever its unit. (The paper's form
    for classification, exp(−s) L + ½ s, ends at the same weights.) Give the parameter to the
    optimizer without weight decay, which would pull all σ towards 1; losses must not be negative.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        if not names or len(set(names)) != len(names):
            raise LearningError(f"tasks need different names, got {list(names)}")
        self.names = tuple(names)
        self.log_variances = nn.Parameter(torch.zeros(len(names)))

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the losses, float[] each; a step need not have every task.

        Raises:
            LearningError: there is no loss, or one of a task that is not balanced.
        """
        _check_losses(losses)
        unknown = sorted(set(losses) - set(self.names))
        if unknown:
            raise LearningError(f"tasks {unknown} are not balanced: there are {list(self.names)}")
        present = widened(self.log_variances)[[self.names.index(name) for name in losses]]
        values = torch.stack([widened(loss) for loss in losses.values()])
        return (values * (-present).exp() + present).sum() / 2

    def weights(self) -> dict[str, float]:
        values = (0.5 * (-self.log_variances.detach()).exp()).tolist()
        return dict(zip(self.names, values, strict=True))


def task_gradients(losses: Mapping[str, Tensor], parameters: Sequence[Tensor]) -> Tensor:
    """The gradient of each loss by all parameters, float32[T,P], 0 where there is none.

    The graph is kept; `.grad` of the parameters is not touched.

    Raises:
        LearningError: there is no loss or no parameter, or a loss has no gradient at all.
    """
    _check_losses(losses)
    if not parameters:
        raise LearningError("gradients need at least one parameter, got none")
    rows = []
    for name, loss in losses.items():
        if not loss.requires_grad:
            raise LearningError(f"loss '{name}' has no gradient: was it detached?")
        gradients = torch.autograd.grad(
            loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        rows.append(torch.cat([gradient.flatten().float() for gradient in gradients]))
    return torch.stack(rows)


def gradient_cosines(
    losses: Mapping[str, Tensor], groups: Mapping[str, Sequence[Tensor]]
) -> dict[str, float]:
    """How far each two tasks agree on each group of parameters: −1 against, 1 the same way.

    Returns:
        "group/first/second" to the cosine of their gradients, as a line of the log; pairs of which
        either has no gradient in the group are left out.

    Raises:
        LearningError: as `task_gradients`.
    """
    sizes = [sum(p.numel() for p in group) for group in groups.values()]
    gradients = task_gradients(losses, [p for group in groups.values() for p in group])
    cosines = {}
    for group, part in zip(groups, gradients.split(sizes, dim=1), strict=True):
        norms = torch.linalg.vector_norm(part, dim=1)
        for (i, first), (j, second) in combinations(enumerate(losses), 2):
            if norms[i] > 0 and norms[j] > 0:
                # Divided first: the product of two small norms is 0 in float32.
                cosine = torch.dot(part[i] / norms[i], part[j] / norms[j])
                cosines[f"{group}/{first}/{second}"] = cosine.item()
    return cosines


def project_conflicts(gradients: Tensor, generator: Generator) -> Tensor:
    """The sum of gradients, of each what works against another taken out (PCGrad, Yu et al. 2020).

    gᵢ ← gᵢ − (gᵢ·gⱼ / ‖gⱼ‖²) gⱼ for each other task j with gᵢ·gⱼ < 0, in random order, where gⱼ is
    as it was: float[T,P] of `task_gradients` to float[P] for `add_gradients`.
    """
    if gradients.ndim != 2:
        raise LearningError(f"gradients must be [T, P], got {list(gradients.shape)}")
    norms = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
    directions = gradients / norms.where(norms > 0, 1)
    projected = gradients.clone()
    for i in range(len(projected)):
        order = torch.randperm(len(gradients), generator=generator, device=generator.device)
        for j in order[order != i].tolist():
            against = torch.dot(projected[i], directions[j]).clamp(max=0)
            projected[i] -= against * directions[j]
    return projected.sum(0)


def add_gradients(parameters: Sequence[Tensor], gradient: Tensor) -> None:
    """Add a gradient float[P] to `.grad` of the parameters, in the order it was taken in.

    Raises:
        LearningError: there are not as many numbers.
    """
    sizes = [p.numel() for p in parameters]
    if gradient.shape != (sum(sizes),):
        raise LearningError(
            f"a gradient of {sum(sizes)} numbers is expected, got {list(gradient.shape)}"
        )
    for parameter, part in zip(parameters, gradient.split(sizes), strict=True):
        # A copy: clipping works in place, and the gradient is the caller's.
        own = part.view_as(parameter).to(parameter.dtype, copy=True)
        parameter.grad = own if parameter.grad is None else parameter.grad + own


Weights = Mapping[str, float] | UncertaintyWeighting


def combined_loss(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """L = Σₖ λₖ · Lₖ, in float32 at least.

    A term of weight 0 is left out, so that one that is not finite does no harm. Weights without
    a loss are allowed: not every step has every term.

    Raises:
        LearningError: there is no term, one has no weight, is not a scalar, or a weight is not in
            0..inf.
    """
    _check_losses(losses)
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
        losses: dict[str, Tensor] = self.task(batch)
        return self.total(losses), losses

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        if isinstance(self.weights, UncertaintyWeighting):
            return self.weights(losses)
        return combined_loss(losses, self.weights)

    def operated(
        self,
        losses: Mapping[str, Tensor],
        values: Mapping[str, Tensor],
        order: Generator,
    ) -> Tensor:
        """The gradient float[P] that PCGrad leaves of the weighed terms.

        `values` are what trains, by the names of this module's parameters and in their order. A
        learned balance gets their plain sum: no term is against another there, and its gradients
        would pass for a common direction of them all.
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
        return self.weights.weights() if isinstance(self.weights, UncertaintyWeighting) else {}


def _check_losses(losses: Mapping[str, Tensor]) -> None:
    """LearningError unless there is a loss, and each is a scalar."""
    if not losses:
        raise LearningError("at least one loss is needed, got none")
    for name, loss in losses.items():
        if loss.ndim:
            raise LearningError(f"loss '{name}' must be a scalar, got shape {list(loss.shape)}")
