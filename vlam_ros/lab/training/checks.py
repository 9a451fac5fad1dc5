"""What all objectives share: shapes and values are checked, sums are made in float32 at least."""

from __future__ import annotations

import torch
from torch import Tensor

from vlam_ros.errors import LearningError

IGNORE = -100
"""Label of what is left out, as in PyTorch's cross-entropy."""


def widened(tensor: Tensor) -> Tensor:
    """The tensor in float32; in float64 if it was in float64."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def dot_products(rows: Tensor, columns: Tensor) -> Tensor:
    """float[N,D] and float[M,D] to float[N,M], in float32 at least.

    Inside `torch.autocast` a matrix product would be made in bfloat16, whose rounding of cosines a
    logit scale of 100 turns into errors beyond 0.1 in the logits.
    """
    with torch.autocast(rows.device.type, enabled=False):
        return widened(rows) @ widened(columns).t()


def check_shapes(**tensors: tuple[Tensor, str]) -> None:
    """Compare shapes with patterns such as "N D", "... H 3" (a leading "..." is any shape).

    A letter stands for the same size wherever it occurs, "..." for the same shape; LearningError
    names the tensor that does not fit.
    """
    sizes: dict[str, tuple[int, ...]] = {}
    for name, (tensor, pattern) in tensors.items():
        letters, shape = pattern.split(), tuple(tensor.shape)
        leading = len(shape) - len(letters) + 1 if letters[0] == "..." else 1
        parts = [shape[:leading], *((size,) for size in shape[leading:])]
        known = [(int(x),) if x.isdigit() else sizes.setdefault(x, p) for x, p in
                 zip(letters, parts, strict=False)]  # fmt: skip
        if leading < 0 or len(parts) != len(letters) or parts != known:
            given = "".join(f", {x} = {list(s) if x == '...' else s[0]}" for x, s in sizes.items())
            raise LearningError(
                f"{name} must be [{', '.join(letters)}]{given}, got {list(shape)}: check its shape"
            )


def check_bool(name: str, tensor: Tensor) -> None:
    """LearningError unless the tensor is one of booleans; 0 and 1 would select rows 0 and 1."""
    if tensor.dtype != torch.bool:
        raise LearningError(f"{name} must be of bool, got {tensor.dtype}: convert it with .bool()")


def check_labels(name: str, labels: Tensor, classes: int) -> None:
    """LearningError unless labels are int64, each in 0..classes − 1 or IGNORE."""
    if labels.dtype != torch.int64:
        raise LearningError(f"{name} must be of int64, got {labels.dtype}: convert with .long()")
    wrong = labels[(labels != IGNORE) & ((labels < 0) | (labels >= classes))]
    if len(wrong):
        raise LearningError(
            f"{name} must be in 0..{classes - 1}, or {IGNORE} to be left out, got {wrong[0].item()}"
        )


def check_scale(scale: Tensor | float) -> None:
    """LearningError unless the inverse temperature is one positive number."""
    if isinstance(scale, Tensor) and scale.numel() != 1:
        raise LearningError(f"the scale must be one number, got shape {list(scale.shape)}")
    if scale <= 0:
        raise LearningError(
            f"the scale, 1 / temperature, must be positive, got {float(scale):g}: "
            "a learned one is exp(parameter), see logit_scale"
        )
