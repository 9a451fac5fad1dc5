"""Training objectives of vision-language learning, as pure functions on tensors.

All are computed in float32 at least, whatever comes in, also inside `torch.autocast`, and return a
scalar to be minimised unless they say otherwise: 0 where there is nothing to judge. What is not
finite comes out as it is, so that a trainer can leave the step out. Wrong shapes, dtypes and labels
raise LearningError, and so do shares, scales and temperatures out of range.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.checks import (
    IGNORE,
    check_bool,
    check_labels,
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
    """The learned inverse temperature exp(min(s, ln 100)) of s float[] (CLIP, Radford et al. 2021).

    CLIP begins with s = ln(1 / 0.07). A plain clamp has no gradient beyond the limit, and a
    parameter that one step has carried there stays for ever. Here a gradient that leads back
    passes.
    """
    return _AtMost.apply(widened(log_scale), LOG_SCALE_LIMIT).exp()


def unicl_loss(logits: Tensor, positives: Tensor) -> Tensor:
    """Contrast with any number of positives a row (UniCL, Yang et al. 2022; SupCon, Khosla 2020).

    L = −1/B · Σᵢ 1/|P(i)| · Σ_{k ∈ P(i)} log softmax(logits[i])ₖ, where B counts the rows that
    have a positive.

    Args:
        logits: float[B,T], similarities times the logit scale; −inf takes a candidate out.
        positives: bool[B,T], P(i).
    """
    check_shapes(logits=(logits, "B T"), positives=(positives, "B T"))
    check_bool("positives", positives)
    known = positives.any(-1)
    log_probability = functional.log_softmax(widened(logits)[known], dim=-1)
    chosen = positives[known]
    per_row = -log_probability.masked_fill(~chosen, 0).sum(-1) / chosen.sum(-1)
    return per_row.sum() / max(1, len(per_row))


def rejection_loss(similarity: Tensor, limit: float) -> Tensor:
    """Keep texts without meaning away from those with: L = 1/N · Σᵢ Σⱼ max(0, cosineᵢⱼ − limit)² of
    cosines float[N,M].
    """
    check_shapes(similarity=(similarity, "N M"))
    excess = (widened(similarity) - limit).clamp(min=0)
    return excess.square().sum() / max(1, len(similarity))


SKILL_TEMPERATURE = 0.07
"""Temperature of the instruction-skill contrast."""
UNKNOWN_LIMIT = 0.3
"""Cosine that an instruction without meaning may have with any that has one."""
REJECTION = 10.0
"""Weight of cosines beyond UNKNOWN_LIMIT."""


def skill_contrast(instructions: Tensor, labels: Tensor) -> Tensor:
    """Instructions of a skill against those of the others, and none of them like one of no skill.

    `unicl_loss` of the cosines among instructions that mean a skill, all others of the same skill
    being positives, plus REJECTION times the `rejection_loss` of those that mean none.

    Args:
        instructions: float[N,D], text embeddings, not normalised.
        labels: int64[N], their skills; -1 where one means none.
    """
    check_shapes(instructions=(instructions, "N D"), labels=(labels, "N"))
    directions = functional.normalize(instructions.float(), dim=-1)
    known, unknown = directions[labels >= 0], directions[labels < 0]
    cosine = dot_products(known, known)
    itself = torch.eye(len(known), dtype=torch.bool, device=known.device)
    same = labels[labels >= 0]
    positives = (same[:, None] == same[None]) & ~itself
    contrast = unicl_loss((cosine / SKILL_TEMPERATURE).masked_fill(itself, -1e4), positives)
    return contrast + REJECTION * rejection_loss(dot_products(unknown, known), UNKNOWN_LIMIT)


def drift(texts: Tensor, known: Tensor) -> Tensor:
    """How far texts float[N,D] have moved from where they were known, relative to their size."""
    check_shapes(texts=(texts, "N D"), known=(known, "N D"))
    if not len(known):
        raise LearningError("nothing can be held where it is without a text")
    return (texts.float() - known.float()).square().mean() / known.float().square().mean()


def itm_loss(logits: Tensor, matched: Tensor) -> Tensor:
    """Image-text matching: binary cross-entropy of "this text belongs to this image".

    L = −1/N · Σᵢ (pᵢ log σ(xᵢ) + (1 − pᵢ) log(1 − σ(xᵢ))). Source: ALBEF (Li et al. 2021, 3.2).

    Args:
        logits: float[N], one per (image, text).
        matched: bool[N]; for those that are not, draw texts by `draw_hard_negatives`.
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

    Args:
        logits: float[B,T], the similarities of the contrast times the logit scale. What is not
            finite is drawn as if it were the largest or the smallest number, NaN as 0.
        positives: bool[B,T], the texts that do belong to each image.
        generator: where the draws come from.

    Returns:
        (images, texts), int64[K] each: one pair for each image that has a negative at all.
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
    Milletari et al. 2016); cross-entropy over all pixels of all phrases.

    Args:
        logits: float[N,h,w], one per (image, phrase).
        masks: bool or float in 0..1 [N,h,w], empty where the phrase is absent.
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
    patches: Tensor,
    words: Tensor,
    labels: Tensor,
    scale: Tensor | float,
    excluded: Tensor | None = None,
) -> Tensor:
    """Region-word matching of patches: each against the vocabulary, by cosine, rare words first.

    L = Σᵢ w[yᵢ] · −log softmax(scale · cos(patchᵢ, words))[yᵢ] / Σᵢ w[yᵢ], where w[v] =
    1 / √(1 + patches that show word v).

    Args:
        patches: float[N,D], projected patch tokens, any norm.
        words: float[V,D], text embeddings, any norm.
        labels: int64[N], index of the word that a patch shows, IGNORE to leave it out.
        scale: float[] > 0, inverse temperature.
        excluded: bool[N,V], words that are not held against a patch: they may be true of it too.
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
    logits = scale * cosine
    if excluded is not None:
        check_shapes(excluded=(excluded, "N V"), labels=(shown, "N"), words=(words, "V D"))
        logits = logits.masked_fill(excluded[shown], -torch.inf)
    total = functional.cross_entropy(logits, labels, weight=weights, reduction="sum")
    return total / weights[labels].sum() if len(labels) else total


def feature_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Directions of features: L = 1/N · Σᵢ ‖sᵢ/‖sᵢ‖ − tᵢ/‖tᵢ‖‖² = 1/N · Σᵢ 2 (1 − cos(sᵢ, tᵢ)).

    FitNets (Romero et al. 2015) with features of unit length, for CLIP compares directions: those
    of the student, in the teacher's space, and of the teacher, which is a constant; float[N,D].
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
        teacher: float[B,T], those of the teacher, which are constants.
        temperature: τ > 0; the higher, the more the unlikely texts count.
    """
    check_shapes(student=(student, "B T"), teacher=(teacher, "B T"))
    _check_temperature(temperature)
    own = functional.log_softmax(widened(student) / temperature, dim=-1)
    other = functional.log_softmax(widened(teacher.detach()) / temperature, dim=-1)
    divergence = functional.kl_div(own, other, reduction="sum", log_target=True)
    return temperature**2 * divergence / max(1, len(own))


def mask_distillation(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    """Which pixels a phrase covers: L = τ² · mean over mask logits of KL(σ(t/τ) ‖ σ(s/τ))."""
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


def mim_loss(predictions: Tensor, patches: Tensor, masked: Tensor) -> Tensor:
    """Masked image modelling: mean squared error of the hidden patches (MAE, He et al. 2022).

    L = 1/|M| · Σ_{i ∈ M} ‖predictionᵢ − patchᵢ‖² / D.

    Args:
        predictions: float[B,N,D].
        patches: float[B,N,D], what is to be predicted: of pixels by `patch_pixels`.
        masked: bool[B,N], the hidden patches M, drawn by `mask_patches`.
    """
    check_shapes(
        predictions=(predictions, "B N D"), patches=(patches, "B N D"), masked=(masked, "B N")
    )
    check_bool("masked", masked)
    error = (widened(predictions) - widened(patches)).square().mean(-1)
    return error.masked_fill(~masked, 0).sum() / masked.sum().clamp(min=1)


def mlm_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Masked language modelling: cross-entropy of the hidden tokens (BERT, Devlin et al. 2019).

    L = −1/|M| · Σ_{i ∈ M} log softmax(logitsᵢ)[targetᵢ].

    Args:
        logits: float[...,V].
        targets: int64[...], the token that was hidden, IGNORE elsewhere: made by `mask_tokens`.
    """
    check_shapes(targets=(targets, "..."), logits=(logits, "... V"))
    check_labels("targets", targets, logits.shape[-1])
    # Chosen first: all else needs no softmax over the vocabulary.
    hidden = targets != IGNORE
    total = functional.cross_entropy(widened(logits[hidden]), targets[hidden], reduction="sum")
    return total / hidden.sum().clamp(min=1)


def itg_loss(logits: Tensor, tokens: Tensor, kept: Tensor) -> Tensor:
    """Image-to-text generation: each token from the image and the tokens before it (CoCa, Yu et al.
    2022).

    L = −1/n · Σ log softmax(logits[b, l])[tokens[b, l + 1]] over the n tokens that follow another.

    Args:
        logits: float[B,L,V]; those at l may depend on tokens 0..l only.
        tokens: int64[B,L], beginning and end of the text included.
        kept: bool[B,L], false on padding: the tokenizer's attention mask (CLIP pads with the end
            of text, so it cannot be told from the tokens).
    """
    check_shapes(logits=(logits, "B L V"), tokens=(tokens, "B L"), kept=(kept, "B L"))
    check_bool("kept", kept)
    return mlm_loss(logits[:, :-1], tokens[:, 1:].masked_fill(~kept[:, 1:], IGNORE))


def patch_pixels(images: Tensor, patch: int) -> Tensor:
    """Images float[B,C,H,W] as the targets of `mim_loss`, each patch with mean 0 and variance 1.

    Returns:
        float[B,N,C·patch²]: patches by rows, of each all of the first channel first.
    """
    check_shapes(images=(images, "B C H W"))
    if patch < 1 or images.shape[2] % patch or images.shape[3] % patch:
        raise LearningError(
            f"sides of images must be multiples of the patch, got {images.shape[2]} x "
            f"{images.shape[3]} and {patch}: choose a patch that divides both"
        )
    pixels = functional.unfold(widened(images), patch, stride=patch).transpose(1, 2)
    return functional.layer_norm(pixels, pixels.shape[-1:], eps=1e-6)


def mask_patches(images: int, patches: int, ratio: float, generator: Generator) -> Tensor:
    """bool[images,patches]: of each image round(ratio · patches) random ones (MAE: 0.75)."""
    _check_share("ratio", ratio)
    order = torch.rand(images, patches, generator=generator, device=generator.device).argsort(-1)
    # A permutation holds each number once, so that the counts are exact.
    return order < round(ratio * patches)


def mask_tokens(
    tokens: Tensor,
    special: Tensor,
    mask_token: int,
    vocabulary: int,
    generator: Generator,
    rate: float = 0.15,
) -> tuple[Tensor, Tensor]:
    """Hide tokens as BERT does (Devlin et al. 2019, 3.1).

    Each is chosen with probability `rate`; of the chosen 80 % become the mask token, 10 % a random
    one, and 10 % stay, lest the model learn that what it sees is never the answer.

    Args:
        tokens: int64[...].
        special: bool[...], beginning, end and padding, which are never chosen.
        generator: where the draws come from; it draws on its own device.

    Returns:
        (inputs, targets), int64[...]: targets hold the chosen tokens, IGNORE elsewhere.
    """
    check_shapes(tokens=(tokens, "..."), special=(special, "..."))
    check_bool("special", special)
    _check_share("rate", rate)
    if not 0 <= mask_token < vocabulary:
        raise LearningError(f"the mask token must be in 0..{vocabulary - 1}, got {mask_token}")
    draws = torch.rand(2, *tokens.shape, generator=generator, device=generator.device)
    other = torch.randint(
        vocabulary, tokens.shape, generator=generator, device=generator.device
    ).to(tokens.device)
    choice, fate = draws.to(tokens.device)
    chosen = (choice < rate) & ~special
    inputs = tokens.masked_fill(chosen & (fate < 0.8), mask_token)
    inputs = torch.where(chosen & (fate >= 0.9), other, inputs)
    return inputs, tokens.masked_fill(~chosen, IGNORE)


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise LearningError(f"the {name} of what is masked must be in 0..1, got {share:g}")
