"""Contrastive objectives: what belongs together is closer than what does not.

Embeddings are taken as they are: normalise them for cosines. `scale` is the inverse temperature
1 / τ, a number or the learned one of `logit_scale`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.objectives.checks import (
    check_bool,
    check_scale,
    check_shapes,
    dot_products,
    widened,
)

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


def image_to_text_losses(images: Tensor, texts: Tensor, scale: Tensor | float) -> Tensor:
    """Of each image, how badly it finds its text: Lᵢ = −log softmaxⱼ(scale · Iᵢ·Tⱼ)ᵢ.

    Args:
        images: float[N,D], embeddings.
        texts: float[N,D]; row i belongs to image i.
        scale: float[] > 0.

    Returns:
        float[N].

    Raises:
        LearningError: shapes differ, nothing is in the batch, or the scale is not positive.
    """
    check_shapes(images=(images, "N D"), texts=(texts, "N D"))
    check_scale(scale)
    if not len(images):
        raise LearningError("a contrast needs at least one pair, got an empty batch")
    logits = scale * dot_products(images, texts)
    return functional.cross_entropy(logits, _numbers(logits), reduction="none")


def text_to_image_losses(images: Tensor, texts: Tensor, scale: Tensor | float) -> Tensor:
    """Of each text, how badly it finds its image; else as `image_to_text_losses`."""
    return image_to_text_losses(texts, images, scale)


def clip_loss(images: Tensor, texts: Tensor, scale: Tensor | float) -> Tensor:
    """Symmetric contrast of N pairs: L = 1/2N · Σᵢ (Lᵢ image→text + Lᵢ text→image).

    Source: CLIP (Radford et al. 2021, figure 3). Arguments and errors as `image_to_text_losses`.
    """
    forth = image_to_text_losses(images, texts, scale)
    back = text_to_image_losses(images, texts, scale)
    return (forth.mean() + back.mean()) / 2


def info_nce(first: Tensor, second: Tensor, scale: Tensor | float) -> Tensor:
    """Contrast of two views of the same N images, each of the 2N against all others.

    L = −1/2N · Σᵢ log( exp(scale · zᵢ·z₊) / Σ_{j ≠ i} exp(scale · zᵢ·zⱼ) ), where z₊ is the other
    view of the same image. Source: InfoNCE (van den Oord et al. 2018) as in SimCLR (Chen et al.
    2020, NT-Xent). A batch of one has nothing to be told from: 0.

    Args:
        first: float[N,D], embeddings of one view.
        second: float[N,D], of the other, in the same order.
        scale: float[] > 0.

    Raises:
        LearningError: shapes differ, nothing is in the batch, or the scale is not positive.
    """
    check_shapes(first=(first, "N D"), second=(second, "N D"))
    check_scale(scale)
    if not len(first):
        raise LearningError("a contrast needs at least one pair, got an empty batch")
    views = torch.cat([first, second])
    logits = scale * dot_products(views, views)
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    partners = _numbers(logits).roll(len(first))
    return functional.cross_entropy(logits.masked_fill(itself, -math.inf), partners)


def unicl_loss(logits: Tensor, positives: Tensor) -> Tensor:
    """Contrast with any number of positives a row (UniCL, Yang et al. 2022; SupCon, Khosla 2020).

    L = −1/B · Σᵢ 1/|P(i)| · Σ_{k ∈ P(i)} log softmax(logits[i])ₖ, where B counts the rows that
    have a positive; where none has, 0.

    Args:
        logits: float[B,T], similarities times the logit scale; −inf takes a candidate out.
        positives: bool[B,T], P(i); of labels by `same_label`.

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


def symmetric_unicl_loss(
    images: Tensor, texts: Tensor, labels: Tensor, scale: Tensor | float
) -> Tensor:
    """The mean of `unicl_loss` from images to texts and back; `clip_loss` if no label repeats.

    Args:
        images: float[N,D], embeddings.
        texts: float[N,D].
        labels: int64[N]; all images and texts of a label belong together.
        scale: float[] > 0.

    Raises:
        LearningError: shapes differ, or the scale is not positive.
    """
    check_shapes(images=(images, "N D"), texts=(texts, "N D"), labels=(labels, "N"))
    check_scale(scale)
    logits, positives = scale * dot_products(images, texts), same_label(labels, labels)
    return (unicl_loss(logits, positives) + unicl_loss(logits.t(), positives)) / 2


def same_label(rows: Tensor, columns: Tensor) -> Tensor:
    """P(i) of labels: bool[B,T], whether row i and column k have the same label.

    Args:
        rows: int64[B].
        columns: int64[T].
    """
    check_shapes(rows=(rows, "B"), columns=(columns, "T"))
    return rows[:, None] == columns[None]


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


def _numbers(logits: Tensor) -> Tensor:
    return torch.arange(len(logits), device=logits.device)
