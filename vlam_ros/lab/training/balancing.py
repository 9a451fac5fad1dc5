"""Multi-task balancing: weights that are learned, and gradients that work against each other.

Conflicts are measured by group of parameters, and can be projected out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Generator, Tensor, nn

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.objectives.checks import check_losses, widened


class UncertaintyWeighting(nn.Module):
    """Weights that the tasks' own uncertainty decides (Kendall et al. 2018).

    L = Σₖ ½ (exp(−sₖ) · Lₖ + sₖ), sₖ = log σₖ² learned. For a loss that stays at Lₖ > 0 the best
    sₖ is log Lₖ: every task then weighs as much as any other, whatever its unit. (The paper's form
    for classification, exp(−s) L + ½ s, ends at the same weights.) Give the parameter to the
    optimizer without weight decay, which would pull all σ towards 1; losses must not be negative.

    Args:
        names: the tasks.
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
        check_losses(losses)
        unknown = sorted(set(losses) - set(self.names))
        if unknown:
            raise LearningError(f"tasks {unknown} are not balanced: there are {list(self.names)}")
        present = widened(self.log_variances)[[self.names.index(name) for name in losses]]
        values = torch.stack([widened(loss) for loss in losses.values()])
        return (values * (-present).exp() + present).sum() / 2

    def weights(self) -> dict[str, float]:
        """½ exp(−s) of each task, for the log."""
        values = (0.5 * (-self.log_variances.detach()).exp()).tolist()
        return dict(zip(self.names, values, strict=True))


def task_gradients(losses: Mapping[str, Tensor], parameters: Sequence[Tensor]) -> Tensor:
    """The gradient of each loss by all parameters, float32[T,P], 0 where there is none.

    The graph is kept; `.grad` of the parameters is not touched.

    Raises:
        LearningError: there is no loss or no parameter, or a loss has no gradient at all.
    """
    check_losses(losses)
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

    Args:
        losses: float[] of each task.
        groups: parameters by name of the group, such as a tower.

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
    as it was. Without conflicts the plain sum.

    Args:
        gradients: float[T,P], of `task_gradients`.
        generator: where the order comes from.

    Returns:
        float[P], for `set_gradients`.

    Raises:
        LearningError: the gradients are not a matrix.
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


def set_gradients(parameters: Sequence[Tensor], gradient: Tensor) -> None:
    """Write a gradient float[P] into `.grad` of the parameters, in the order it was taken in.

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
        parameter.grad = part.view_as(parameter).to(parameter.dtype, copy=True)
