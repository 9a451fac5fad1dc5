"""Distillation objectives: a student is to give what a larger teacher gives.

The teacher's tensors are taken as constants; their gradient is never computed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.objectives.checks import check_shapes, widened


def feature_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Directions of features: L = 1/N · Σᵢ ‖sᵢ/‖sᵢ‖ − tᵢ/‖tᵢ‖‖² = 1/N · Σᵢ 2 (1 − cos(sᵢ, tᵢ)).

    FitNets (Romero et al. 2015) with features of unit length, for CLIP compares directions; 0
    without features.

    Args:
        student: float[N,D], projected into the teacher's space.
        teacher: float[N,D].

    Raises:
        LearningError: shapes differ.
    """
    check_shapes(student=(student, "N D"), teacher=(teacher, "N D"))
    own = functional.normalize(widened(student), dim=-1)
    other = functional.normalize(widened(teacher.detach()), dim=-1)
    return (own - other).square().sum() / max(1, len(own))


def logit_distillation(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    """Which text an image shows: L = τ²/B · Σᵢ KL(softmax(tᵢ/τ) ‖ softmax(sᵢ/τ)).

    τ² keeps the gradient's size whatever the temperature. Source: Hinton et al. 2015, 2.

    Args:
        student: float[B,T], similarities times the student's logit scale.
        teacher: float[B,T], those of the teacher.
        temperature: τ > 0; the higher, the more the unlikely texts count.

    Raises:
        LearningError: shapes differ, or the temperature is not positive.
    """
    check_shapes(student=(student, "B T"), teacher=(teacher, "B T"))
    _check_temperature(temperature)
    own = functional.log_softmax(widened(student) / temperature, dim=-1)
    other = functional.log_softmax(widened(teacher.detach()) / temperature, dim=-1)
    divergence = functional.kl_div(own, other, reduction="sum", log_target=True)
    return temperature**2 * divergence / max(1, len(own))


def mask_distillation(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    """Which pixels a phrase covers: L = τ² · mean over all pixels of KL(σ(t/τ) ‖ σ(s/τ)).

    `logit_distillation` of two classes, there and not there; 0 without masks.

    Args:
        student: float[P,h,w], mask logits.
        teacher: float[P,h,w], those of the teacher at the same pixels.
        temperature: τ > 0.

    Raises:
        LearningError: shapes differ, or the temperature is not positive.
    """
    check_shapes(student=(student, "P h w"), teacher=(teacher, "P h w"))
    _check_temperature(temperature)
    if not student.numel():
        return widened(student).sum()
    own, other = widened(student) / temperature, widened(teacher.detach()) / temperature
    target = other.sigmoid()
    cross_entropy = functional.binary_cross_entropy_with_logits(own, target)
    with torch.no_grad():
        entropy = functional.binary_cross_entropy_with_logits(other, target)
    return temperature**2 * (cross_entropy - entropy)


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise LearningError(f"the temperature must be above 0, got {temperature:g}")
