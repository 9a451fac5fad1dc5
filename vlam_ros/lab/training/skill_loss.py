"""What makes instructions of a skill alike, and what holds texts where a model knows them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.objectives import rejection_loss, unicl_loss
from vlam_ros.lab.training.objectives.checks import check_shapes, dot_products

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

    Raises:
        LearningError: shapes differ.
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
    """How far texts have moved from where they were, relative to their size: float[].

    Args:
        texts: float[N,D], as a model in training embeds them.
        known: float[N,D], as they were embedded before.

    Raises:
        LearningError: shapes differ, or there is no text.
    """
    check_shapes(texts=(texts, "N D"), known=(known, "N D"))
    if not len(known):
        raise LearningError("nothing can be held where it is without a text")
    return (texts.float() - known.float()).square().mean() / known.float().square().mean()
