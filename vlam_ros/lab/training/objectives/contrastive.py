"""Contrastive objectives: what belongs together is closer than what does not."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vlam_ros.lab.training.objectives.checks import check_bool, check_shapes, widened

LOG_SCALE_LIMIT = math.log(100)
"""CLIP's limit of the learned parameter: logits are cosines times 100 at most."""


class _AtMost(torch.autograd.Function):
    """min(value, limit); beyond the limit only a gradient that leads back has an effect."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, limit: float) -> Tensor:
        ctx.save_for_backward(value)
        ctx.limit = limit
        return value.clamp(max=limit)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (value,), (gradient,) = ctx.saved_tensors, gradients
        return gradient.masked_fill((value >= ctx.limit) & (gradient < 0), 0), None


def logit_scale(log_scale: Tensor) -> Tensor:
    """The learned inverse temperature exp(min(s, ln 100)) (CLIP, Radford et al. 2021, 2.5).

    A plain clamp has no gradient beyond the limit, and a parameter that one step has carried there
    stays for ever. Here a gradient that leads back passes, so that the parameter need not be
    clamped after each step as CLIP's is.

    Args:
        log_scale: float[], the parameter s; CLIP begins with ln(1 / 0.07).
    """
    limited: Tensor = _AtMost.apply(widened(log_scale), LOG_SCALE_LIMIT)
    return limited.exp()


def unicl_loss(logits: Tensor, positives: Tensor) -> Tensor:
    """Contrast with any number of positives a row (UniCL, Yang et al. 2022; SupCon, Khosla 2020).

    L = −1/B · Σᵢ 1/|P(i)| · Σ_{k ∈ P(i)} log softmax(logits[i])ₖ, where B counts the rows that
    have a positive; where none has, 0.

    Args:
        logits: float[B,T], similarities times the logit scale; −inf takes a candidate out.
        positives: bool[B,T], P(i).

    Raises:
        LearningError: shapes differ, or positives are not bool.
    """
    check_shapes(logits=(logits, "B T"), positives=(positives, "B T"))
    check_bool("positives", positives)
    known = positives.any(-1)
    log_probability = functional.log_softmax(widened(logits)[known], dim=-1)
    chosen = positives[known]
    per_row = -log_probability.masked_fill(~chosen, 0).sum(-1) / chosen.sum(-1)
    return per_row.sum() / max(1, len(per_row))


def rejection_loss(similarity: Tensor, limit: float) -> Tensor:
    """Keep texts without meaning away from those with: squared excess of cosines over a limit.

    L = 1/N · Σᵢ Σⱼ max(0, similarityᵢⱼ − limit)².

    Args:
        similarity: float[N,M], cosines.
        limit: the cosine that costs nothing.

    Raises:
        LearningError: the similarity is not a matrix.
    """
    check_shapes(similarity=(similarity, "N M"))
    excess = (widened(similarity) - limit).clamp(min=0)
    return excess.square().sum() / max(1, len(similarity))
