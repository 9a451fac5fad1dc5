"""A regression small enough to be trained in a blink: what the trainer's tests and their child
processes train.

As a program: `python fitted.py FOLDER [STEP]` trains it, and kills itself with SIGKILL where the
batch of STEP is asked for.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vlam_ros.lab.training.fit import Fit, FitSettings

SETTINGS = FitSettings(
    steps=12, rate=0.05, warmup=2, save_every=3, validate_every=4, accumulate=2, device="cpu"
)


@dataclass(frozen=True)
class Points:
    x: Tensor
    y: Tensor


class Line:
    """y = x₁ − 2 x₂, eight points a batch."""

    def __init__(self, killed_at: int | None = None) -> None:
        self.killed_at = killed_at
        self.asked: list[int] = []

    def batch(self, step: int) -> Points:
        if step == self.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.asked.append(step)
        x = torch.randn(8, 2, generator=torch.Generator().manual_seed(step))
        return Points(x, x @ torch.tensor([[1.0], [-2.0]]))


class Regression(nn.Module):
    """With dropout, whose draws a resumed run has to repeat, and a frozen part."""

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Linear(2, 8), nn.Dropout(dropout), nn.LayerNorm(8), nn.Linear(8, 1)
        )
        self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)

    def forward(self, points: Points) -> dict[str, Tensor]:
        error = self.layers(points.x) - points.y
        return {"square": error.square().mean(), "absolute": error.abs().mean()}

    def figures(self) -> Mapping[str, float]:
        with torch.no_grad():
            return {"closeness": -self(Line().batch(1000))["square"].item()}


def fit(folder: Path, task: Regression, source: Any = None, **options: Any) -> Fit:
    settings = options.pop("settings", SETTINGS)
    weights = options.pop("weights", {"square": 1.0, "absolute": 0.1})
    return Fit(task, source or Line(), weights, settings, folder, task.figures, **options)


if __name__ == "__main__":
    torch.set_num_threads(1)
    killed_at = int(sys.argv[2]) if len(sys.argv) > 2 else None
    fit(Path(sys.argv[1]), Regression(0.0 if killed_at is None else 0.3), Line(killed_at)).run()
