"""Training objectives of vision-language learning, as pure functions on tensors.

All are computed in float32 whatever comes in, and return a scalar to be minimised.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def unicl_loss(logits: Tensor, positives: Tensor) -> Tensor:
    """Contrastive loss with any number of positives a row (UniCL, Yang et al. 2022).

    L = −1/B · Σᵢ 1/|P(i)| · Σ_{k ∈ P(i)} log softmax(logits[i])ₖ; rows without a positive count
    as nothing.

    Args:
        logits: float[B,T], similarities times the logit scale.
        positives: bool[B,T], P(i).
    """
    log_probability = functional.log_softmax(logits.float(), dim=-1)
    count = positives.sum(-1)
    per_row = -(log_probability * positives).sum(-1) / count.clamp(min=1)
    return per_row.sum() / (count > 0).sum().clamp(min=1)


def mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Mask-level region-word matching: binary cross-entropy plus Dice (Milletari et al. 2016).

    Args:
        logits: float[N,h,w], one per (picture, phrase).
        masks: float[N,h,w] in {0, 1}, empty where the phrase is absent.
    """
    logits, masks = logits.float(), masks.float()
    # An absent phrase has no overlap to speak of: there the cross-entropy alone decides.
    present = (masks.amax((-2, -1)) > 0).float()
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, masks)
    probability = logits.sigmoid()
    overlap = (probability * masks).sum((-2, -1))
    total = probability.sum((-2, -1)) + masks.sum((-2, -1))
    dice = 1 - (2 * overlap + 1) / (total + 1)
    return 5 * cross_entropy + (dice * present).sum() / present.sum().clamp(min=1)


def region_word_loss(patches: Tensor, words: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    """Patch-level region-word alignment: each patch against the vocabulary, by cosine.

    Args:
        patches: float[N,D], projected patch tokens, any norm.
        words: float[V,D], text embeddings, any norm.
        labels: int64[N], index of the word that a patch shows, −100 to leave it out.
        scale: float[], inverse temperature.
    """
    similarity = (
        functional.normalize(patches.float(), dim=-1)
        @ functional.normalize(words.float(), dim=-1).t()
    )
    # Most patches are floor; the square root keeps the rare words from drowning.
    counts = torch.bincount(labels.clamp(min=0), minlength=len(words)).float()
    weights = (counts + 1).rsqrt()
    return functional.cross_entropy(scale * similarity, labels, weight=weights)


def rejection_loss(similarity: Tensor, limit: float) -> Tensor:
    """Keep texts without meaning away from those with: squared excess of cosines over a limit."""
    return (similarity.float() - limit).clamp(min=0).square().sum(-1).mean()
