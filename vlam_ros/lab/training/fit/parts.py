"""Parts of a training loop: optimizer, schedule, average, state file and logs."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlam_ros.errors import LearningError
from vlam_ros.resources import write_file

_log = logging.getLogger(__name__)

FLOOR = 0.02
"""Share of the peak rate that is left at the end."""
BALANCE_PACE = 10.0
"""Rate of a learned balance, relative to the model's. Adam moves a number by about the rate a step:
at the model's a log-variance, whose place is the logarithm of a loss, would not get there."""
LOG = "log.jsonl"


def adamw(
    parameters: Iterable[Tensor], weight_decay: float, balance: Iterable[Tensor]
) -> torch.optim.AdamW:
    """AdamW that decays weights, but neither biases nor norms nor other vectors.

    Groups have their `pace`, which is what `set_rate` multiplies each step's rate with; `balance`
    is what balances losses, as far as that is learned.
    """
    values = list(parameters)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in values if p.ndim > 1], "pace": 1.0},
        {"params": [p for p in values if p.ndim <= 1], "pace": 1.0, "weight_decay": 0.0},
        {"params": list(balance), "pace": BALANCE_PACE, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=weight_decay)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["pace"]


def cosine_rate(peak: float, step: int, steps: int, warmup: int) -> float:
    """Warm-up, then half a cosine to 2 % of the peak (SGDR, Loshchilov and Hutter 2017)."""
    warm = min(1.0, (step + 1) / max(1, warmup))
    return peak * warm * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * (step / steps))))


@torch.no_grad()
def follow(averages: Sequence[Tensor], values: Sequence[Tensor], decay: float, step: int) -> None:
    """Move an exponential moving average towards the values that step `step` has left, in place."""
    # Early on the average would drag the untrained weights along.
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(averages), list(values), 1 - decay)


def to_device(batch: Any, device: torch.device) -> Any:
    """A frozen dataclass with all its tensors on a device, those of dataclasses in it too."""
    moved = {
        name: value.to(device) if isinstance(value, Tensor) else to_device(value, device)
        for name, value in vars(batch).items()
        if isinstance(value, Tensor) or dataclasses.is_dataclass(value)
    }
    return dataclasses.replace(batch, **moved)


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state file; a process that is killed meanwhile leaves the last one as it was."""
    temporary = path.with_suffix(".part")
    torch.save(dict(state), temporary)
    temporary.replace(path)


def read_state(path: Path) -> dict[str, Any]:
    """Read a state file onto the CPU; LearningError if it is damaged."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    # A damaged file makes torch.load raise almost anything.
    except Exception as error:
        raise LearningError(
            f"cannot read the training's state {path}: {error}; delete it to begin anew"
        ) from error
    return state


class Log:
    """`log.jsonl` of a run: a JSON object a line, each with its `step`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG

    def add(self, record: Mapping[str, Any]) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """All records; a last line that a killed process has left unfinished is none."""
        if not self._path.exists():
            return []
        *lines, _ = self._path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines]

    def rewind(self, step: int) -> None:
        """Drop what was logged after a step, for it will be done again."""
        kept = [record for record in self.records() if record["step"] <= step]
        write_file(self._path, "".join(json.dumps(record) + "\n" for record in kept).encode())


class TensorBoardLog:
    """Curves for `tensorboard --logdir FOLDER`; without the package nothing is written."""

    def __init__(self, folder: Path, step: int) -> None:
        """Go on from a step; what a stopped run has written of later ones is hidden."""
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            _log.warning("no TensorBoard files (%s): pip install tensorboard", error)
            return
        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, step: int, group: str, values: Mapping[str, float]) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
