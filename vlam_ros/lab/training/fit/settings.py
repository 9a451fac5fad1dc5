"""How long, how fast and on what a model is trained."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

import torch

from vlam_ros.errors import LearningError

DTYPES = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Stepwise:
    """`values[i]` from step `starts[i]` on, the first of which is 0.

    Raises:
        LearningError: starts do not rise from 0, are not as many as values, or a value is not in
            0..inf.
    """

    starts: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = list(self.starts) == sorted(set(self.starts))
        if self.starts[:1] != (0,) or not rising or len(self.starts) != len(self.values):
            raise LearningError(
                "a stepwise schedule needs rising starts from 0 on and as many values, "
                f"got starts {self.starts} and values {self.values}"
            )
        for start, value in zip(self.starts, self.values, strict=True):
            if not 0 <= value < math.inf:
                raise LearningError(f"from step {start} on: must be in 0..inf, got {value:g}")

    def __call__(self, step: int) -> float:
        return self.values[bisect_right(self.starts, max(0, step)) - 1]


@dataclass(frozen=True)
class FitSettings:
    """Settings of a run. LearningError if a value is out of range.

    Attributes:
        steps: of the optimizer.
        rate: peak of AdamW's learning rate, or that of each stage.
        warmup: steps in which the rate rises.
        weight_decay: of weights; biases, norms and other vectors have none.
        clip: largest norm of the gradient.
        accumulate: batches whose gradients are averaged in a step.
        average: decay of the moving average of the weights, which is validated and kept; 0 keeps
            the weights themselves.
        validate_every: steps between two validations; the last step is always validated.
        keep_last: whether the last weights are kept, and not those with the best first figure of a
            validation; where that hardly differs, its best is an accident.
        patience: validations in a row without a better figure after which a run ends early; 0
            never.
        save_every: steps between two states that a stopped run can go on from.
        cosines_every: steps between two measurements of how far the loss terms' gradients agree; 0
            never. Each costs a backward pass for each term.
        surgery: whether what of a term's gradient works against another's is taken out of it
            (PCGrad). Every step then has a backward pass for each term.
        seed: of everything that is drawn while training.
        device: "auto" (the GPU if there is one), "cpu" or "cuda".
        dtype: of matrix products, "float32", "bfloat16" (autocast), or "auto": bfloat16 on a GPU.
    """

    steps: int
    rate: float | Stepwise = 1e-3
    warmup: int = 10
    weight_decay: float = 0.01
    clip: float = 1.0
    accumulate: int = 1
    average: float = 0.98
    validate_every: int = 50
    keep_last: bool = False
    patience: int = 0
    save_every: int = 50
    cosines_every: int = 0
    surgery: bool = False
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "accumulate", "validate_every", "save_every"):
            self._check(name, "at least 1", getattr(self, name) >= 1)
        for name in ("warmup", "patience", "cosines_every", "weight_decay", "seed"):
            self._check(name, "0 or more", getattr(self, name) >= 0)
        lowest = min(self.rate.values) if isinstance(self.rate, Stepwise) else self.rate
        self._check("rate", "above 0", lowest > 0)
        self._check("clip", "above 0", self.clip > 0)
        self._check("average", "in 0..1, below 1", 0 <= self.average < 1)
        self._check("device", "auto, cpu or cuda", self.device in ("auto", "cpu", "cuda"))
        self._check("dtype", ", ".join(DTYPES), self.dtype in DTYPES)

    def peak(self, step: int) -> float:
        return self.rate(step) if isinstance(self.rate, Stepwise) else self.rate

    def _check(self, name: str, expected: str, holds: bool) -> None:
        if not holds:
            raise LearningError(f"{name} must be {expected}, got {getattr(self, name)!r}")


def fastest_dtype() -> str:
    """The dtype "bfloat16" where also the CPU calculates in it, or else "auto"."""
    # A step takes 16 times as long where a CPU only imitates bfloat16.
    return "bfloat16" if torch.cpu.get_capabilities().get("avx512_bf16") else "auto"
