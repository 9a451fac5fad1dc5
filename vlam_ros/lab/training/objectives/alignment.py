"""Alignment objectives: whether a text, or a word, belongs to an image, or to a part of it."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.objectives.checks import (
    IGNORE,
    check_bool,
    check_labels,
    check_scale,
    check_shapes,
    dot_products,
    widened,
)


def itm_loss(logits: Tensor, matched: Tensor) -> Tensor:
    """Image-text matching: binary cross-entropy of "this text belongs to this image" (ALBEF).

    L = −1/N · Σᵢ (pᵢ log σ(xᵢ) + (1 − pᵢ) log(1 − σ(xᵢ))); 0 without pairs.
    Source: Li et al. 2021, 3.2.

    Args:
        logits: float[N], one per (image, text).
        matched: bool[N]; for those that are not, draw texts by `draw_hard_negatives`.

    Raises:
        LearningError: shapes differ, or `matched` is not bool.
    """
    check_shapes(logits=(logits, "N"), matched=(matched, "N"))
    check_bool("matched", matched)
    logits = widened(logits)
    total = functional.binary_cross_entropy_with_logits(
        logits, matched.to(logits.dtype), reduction="sum"
    )
    return total / max(1, len(logits))


@torch.no_grad()
def draw_hard_negatives(
    logits: Tensor, positives: Tensor, generator: Generator
) -> tuple[Tensor, Tensor]:
    """For each image a text that does not belong to it, the more likely the more alike (ALBEF).

    P(j | i) = exp(logitsᵢⱼ) / Σ exp(logitsᵢₖ) over the texts k that do not belong to image i.
    For images of texts, pass both matrices transposed. Source: Li et al. 2021, 3.2.

    Args:
        logits: float[B,T], the similarities of the contrast times the logit scale. What is not
            finite is drawn as if it were the largest or the smallest number, NaN as 0.
        positives: bool[B,T], the texts that do belong to each image.
        generator: where the draws come from.

    Returns:
        (images, texts), int64[K] each: one pair for each image that has a negative at all.

    Raises:
        LearningError: shapes differ, or positives are not bool.
    """
    check_shapes(logits=(logits, "B T"), positives=(positives, "B T"))
    check_bool("positives", positives)
    images = (~positives).any(-1).nonzero()[:, 0]
    if not len(images):
        return images, images
    candidates = widened(logits)[images].nan_to_num()
    # Among the negatives only: the most alike keeps its share however far the positive is ahead.
    chances = candidates.masked_fill(positives[images], -torch.inf).softmax(-1)
    texts = torch.multinomial(chances.to(generator.device), 1, generator=generator)[:, 0]
    return images, texts.to(logits.device)


def rwm_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Region-word matching of masks: 5 · binary cross-entropy + Dice. It trains CLIPSeg's decoder.

    Dice = 1 − (2 Σ p m + 1) / (Σ p + Σ m + 1), the mean over the phrases that are there (V-Net,
    Milletari et al. 2016); cross-entropy over all pixels of all phrases. 0 without phrases.

    Args:
        logits: float[N,h,w], one per (image, phrase).
        masks: bool or float in 0..1 [N,h,w], empty where the phrase is absent.

    Raises:
        LearningError: shapes differ, or masks are not in 0..1.
    """
    check_shapes(logits=(logits, "N h w"), masks=(masks, "N h w"))
    if not masks.numel():
        return widened(logits).sum()
    logits = widened(logits)
    masks = masks.to(logits.dtype)
    if masks.amin() < 0 or masks.amax() > 1:
        low, high = masks.amin().item(), masks.amax().item()
        raise LearningError(f"masks must be in 0..1, got {low:g}..{high:g}: divide by 255?")
    # An absent phrase has no overlap to speak of: there the cross-entropy alone decides.
    present = masks.amax((-2, -1)) > 0
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, masks)
    probability = logits.sigmoid()
    overlap = (probability * masks).sum((-2, -1))
    total = probability.sum((-2, -1)) + masks.sum((-2, -1))
    dice = 1 - (2 * overlap + 1) / (total + 1)
    return 5 * cross_entropy + (dice * present).sum() / present.sum().clamp(min=1)


def region_word_loss(
    patches: Tensor, words: Tensor, labels: Tensor, scale: Tensor | float
) -> Tensor:
    """Region-word matching of patches: each against the vocabulary, by cosine, rare words first.

    L = Σᵢ w[yᵢ] · −log softmax(scale · cos(patchᵢ, words))[yᵢ] / Σᵢ w[yᵢ], where w[v] =
    1 / √(1 + patches that show word v). 0 where no patch has a label.

    Args:
        patches: float[N,D], projected patch tokens, any norm.
        words: float[V,D], text embeddings, any norm.
        labels: int64[N], index of the word that a patch shows, IGNORE to leave it out.
        scale: float[] > 0, inverse temperature.

    Raises:
        LearningError: shapes differ, a label is no word, or the scale is not positive.
    """
    check_shapes(patches=(patches, "N D"), words=(words, "V D"), labels=(labels, "N"))
    check_labels("labels", labels, len(words))
    check_scale(scale)
    shown = labels != IGNORE
    labels = labels[shown]
    cosine = dot_products(
        functional.normalize(widened(patches)[shown], dim=-1),
        functional.normalize(widened(words), dim=-1),
    )
    # Most patches are floor; the square root keeps the rare words from drowning.
    weights = (torch.bincount(labels, minlength=len(words)) + 1).to(cosine.dtype).rsqrt()
    total = functional.cross_entropy(scale * cosine, labels, weight=weights, reduction="sum")
    return total / weights[labels].sum() if len(labels) else total
