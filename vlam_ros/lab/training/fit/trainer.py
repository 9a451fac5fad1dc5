"""A small trainer for any model and any losses. It can be killed at any time and goes on exactly.

Source of what is drawn: batches by their number, dropout by (seed, step). So the state of a run is
its step, its weights and the optimizer's moments.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from vlam_ros.errors import LearningError
from vlam_ros.lab.report.table import number
from vlam_ros.lab.training.balancing import (
    TASK,
    WeightedTask,
    Weights,
    add_gradients,
    gradient_cosines,
)
from vlam_ros.lab.training.fit.parts import (
    Log,
    TensorBoardLog,
    adamw,
    cosine_rate,
    follow,
    read_state,
    set_rate,
    to_device,
    write_state,
)
from vlam_ros.lab.training.fit.processes import processes
from vlam_ros.lab.training.fit.settings import FitSettings

B_co = TypeVar("B_co", covariant=True)

STATE = "state.pt"
FAILURES = 10
"""Steps in a row without a finite gradient after which a run has diverged."""


class BatchSource(Protocol[B_co]):
    """Where batches come from: frozen dataclasses that a task takes."""

    def batch(self, step: int) -> B_co:
        """The batch of a number from 0 on: the same whenever it is asked for, by any process."""


@dataclass(frozen=True)
class FitResult:
    """How a run ended: its steps, the step whose weights are kept, what validation said of the
    first weights and of those (empty without validation), seconds over all its sessions, and
    whether this process, of all of the run, is the one that writes files.
    """

    steps: int
    best_step: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    seconds: float
    writes: bool


class Fit:
    """Trains what of a task has `requires_grad`, and leaves its averaged weights in it, the best or
    the last.
    """

    def __init__(
        self,
        task: nn.Module,
        source: BatchSource[Any],
        weights: Weights,
        settings: FitSettings,
        folder: Path,
        validate: Callable[[], Mapping[str, float]] | None = None,
        groups: Mapping[str, Sequence[Tensor]] | None = None,
        about: str = "",
    ) -> None:
        """Begin, or go on with what is in the folder.

        Args:
            task: its call takes a batch and gives the loss terms, float[] each by name.
            weights: λ of each term, or their balance.
            folder: of the state, the log and TensorBoard's files.
            validate: figures of the task as it is, the first of which decides: larger is better.
            groups: parameters by name of the group, for the gradients' cosines; all are one group
                if it is left out.
            about: what is trained on what; a folder with another run's state is refused.

        Raises:
            LearningError: nothing trains, the device cannot be had, surgery is asked of several
                processes, or the folder has a state of another run or a damaged one.
        """
        self.settings, self.folder, self.step = settings, folder, 0
        self.stopped = False
        self._source, self._validate = source, validate
        self._processes = processes(settings.device)
        if settings.surgery and self._processes.count > 1:
            raise LearningError("gradient surgery is for one process: start it without torchrun")
        device = self._processes.device
        module = WeightedTask(task, weights).to(device)
        self._values = {n: p for n, p in module.named_parameters() if p.requires_grad}
        if not self._values:
            raise LearningError("nothing of the model trains: set requires_grad, or apply a method")
        own = [p for name, p in self._values.items() if name.startswith(TASK)]
        balance = [p for name, p in self._values.items() if not name.startswith(TASK)]
        optimizer = adamw(own, settings.weight_decay, balance)
        self._plain = module
        self._module, self._optimizer = self._processes.wrap(module, optimizer)
        self._averages = {n: p.detach().clone() for n, p in self._values.items()}
        self._groups = groups or {"all": [*own, *balance]}
        self._history: list[dict[str, float]] = []
        self._best: dict[str, Any] = {}
        self._seconds, self._failures = 0.0, 0
        self._autocast = settings.dtype == "bfloat16" or (
            settings.dtype == "auto" and device.type == "cuda"
        )
        run = {**dataclasses.asdict(settings), "about": about, "processes": self._processes.count}
        del run["device"], run["dtype"]
        self._run: dict[str, Any] = run
        folder.mkdir(parents=True, exist_ok=True)
        begun = (folder / STATE).exists()
        if begun:
            self._resume()
        self._log = Log(folder)
        if self.writes:
            self._log.rewind(self.step if begun else -1)

    @property
    def done(self) -> bool:
        return self.stopped or self.step >= self.settings.steps

    @property
    def writes(self) -> bool:
        return self._processes.rank == 0

    def averages(self) -> dict[str, Tensor]:
        """The moving averages as they are, by the names of the task's parameters that train."""
        return {
            name.removeprefix(TASK): value
            for name, value in self._averages.items()
            if name.startswith(TASK)
        }

    def run(self, until: int | None = None) -> FitResult:
        """Train to step `until`, or to the end, where the task gets the weights that are kept.

        Raises:
            LearningError: the losses stay infinite or not a number.
        """
        end = min(until or self.settings.steps, self.settings.steps)
        board = TensorBoardLog(self.folder, self.step) if self.writes else None
        bar = tqdm(total=self.settings.steps, initial=self.step, disable=not self.writes)
        try:
            if not self._history:
                self._measure(board)
            while self.step < end and not self.stopped:
                self._advance(board, bar, end)
        finally:
            bar.close()
            if board is not None:
                board.close()
        if self.done:
            # The last averages where nothing was validated.
            self._plain.eval()
            self._put(self._best["weights"] if self._best else self._averages)
        best = self._best.get("step", self.step)
        figures = {int(f["step"]): {n: v for n, v in f.items() if n != "step"}
                   for f in self._history}  # fmt: skip
        before, after = figures.get(0, {}), figures.get(best, {})
        return FitResult(self.step, best, before, after, self._seconds, self.writes)

    def _advance(self, board: TensorBoardLog | None, bar: Any, end: int) -> None:
        started = time.monotonic()
        settings = self.settings
        due = settings.cosines_every and self.step % settings.cosines_every == 0
        cosines = self._cosines() if due and self.writes else {}
        losses, rate = self._train(), self._optimizer.param_groups[0]["lr"]
        self.step += 1
        self._seconds += time.monotonic() - started
        bar.update()
        bar.set_postfix({name: number(value) for name, value in losses.items()})
        groups = {"loss": losses, "cosine": cosines, "weight": self._plain.learned_weights()}
        self._report(board, {**groups, "rate": {"rate": rate}})
        if self.step % settings.validate_every == 0 or self.step == settings.steps:
            self._measure(board)
        if self.writes and (self.step % settings.save_every == 0 or self.step == end or self.done):
            self._save()

    def _train(self) -> dict[str, float]:
        self._plain.train()
        settings, count = self.settings, self._processes.count
        peak = settings.peak(self.step)
        set_rate(self._optimizer, cosine_rate(peak, self.step, settings.steps, settings.warmup))
        self._optimizer.zero_grad(set_to_none=True)
        sums: dict[str, list[Tensor]] = {}
        for part in range(settings.accumulate):
            number = (self.step * settings.accumulate + part) * count + self._processes.rank
            last = part + 1 == settings.accumulate
            with nullcontext() if last else self._processes.partly(self._module):
                losses = self._backward(number)
            for name, loss in losses.items():
                sums.setdefault(name, []).append(loss.detach())
        norm = nn.utils.clip_grad_norm_(self._values.values(), settings.clip)
        if torch.isfinite(norm):
            self._failures = 0
            self._optimizer.step()
            values = list(self._values.values())
            follow(list(self._averages.values()), values, settings.average, self.step)
        else:
            # One overflow would poison the weights for good.
            self._failures += 1
            if self._failures == FAILURES:
                raise LearningError(
                    f"the gradient was not finite {FAILURES} steps in a row up to step {self.step}:"
                    f" lower the rate, {peak:g}, or look at the data"
                )
        return {name: torch.stack(parts).mean().item() for name, parts in sums.items()}

    def _backward(self, number: int) -> dict[str, Tensor]:
        total, losses = self._forward(self._module, number)
        if self.settings.surgery:
            order = torch.Generator(self._processes.device).manual_seed(number)
            gradient = self._plain.operated(losses, self._values, order)
            add_gradients(list(self._values.values()), gradient / self.settings.accumulate)
        else:
            self._processes.backward(total / self.settings.accumulate)
        return losses

    def _forward(self, module: nn.Module, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = to_device(self._source.batch(number), self._processes.device)
        # What is drawn in the model depends on the number alone, not on what was drawn before.
        seeds = np.random.SeedSequence([self.settings.seed, number])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        with torch.autocast(self._processes.device.type, torch.bfloat16, enabled=self._autocast):
            total, losses = module(batch)
        return total, losses

    def _cosines(self) -> dict[str, float]:
        number = self.step * self.settings.accumulate * self._processes.count
        self._plain.train()
        _, losses = self._forward(self._plain, number)
        return gradient_cosines({n: x for n, x in losses.items() if x.requires_grad}, self._groups)

    @torch.no_grad()
    def _measure(self, board: TensorBoardLog | None) -> None:
        if self._validate is None:
            return
        started = time.monotonic()
        mine = {name: value.detach().clone() for name, value in self._values.items()}
        self._put(self._averages)
        self._plain.eval()
        figures = dict(self._validate())
        self._put(mine)
        self._history.append({"step": self.step, **figures})
        figure = next(iter(figures.values()))
        best = self._best.get("figure", math.nan)
        # Where there was no case there is no best: the last weights are kept.
        if figure > best or math.isnan(best) or self.settings.keep_last:
            weights = {name: value.clone() for name, value in self._averages.items()}
            self._best = {"figure": figure, "step": self.step, "since": 0, "weights": weights}
        else:
            self._best["since"] += 1
            self.stopped = 0 < self.settings.patience <= self._best["since"]
        self._seconds += time.monotonic() - started
        self._report(board, {"validation": figures})

    @torch.no_grad()
    def _put(self, weights: Mapping[str, Tensor]) -> None:
        for name, value in self._values.items():
            value.copy_(weights[name])

    def _report(
        self, board: TensorBoardLog | None, groups: Mapping[str, Mapping[str, float]]
    ) -> None:
        if board is None:
            return
        self._log.add(
            {"step": self.step, "seconds": round(self._seconds, 2)}
            | {group: values for group, values in groups.items() if values}
        )
        for group, values in groups.items():
            board.add(self.step, group, values)

    def _save(self) -> None:
        state = {
            "run": self._run,
            "step": self.step,
            "stopped": self.stopped,
            "seconds": self._seconds,
            "failures": self._failures,
            "values": {name: value.detach() for name, value in self._values.items()},
            "averages": self._averages,
            "optimizer": self._optimizer.state_dict(),
            "history": self._history,
            "best": self._best,
        }
        write_state(self.folder / STATE, state)

    def _resume(self) -> None:
        state = read_state(self.folder / STATE)
        run = state.get("run", {})
        if wrong := [name for name, value in self._run.items() if run.get(name) != value]:
            raise LearningError(
                f"{self.folder} has a run with another {wrong[0]}, "
                f"{run.get(wrong[0])!r} instead of {self._run[wrong[0]]!r}: go on with "
                "the same, or take another folder"
            )
        shapes = {name: value.shape for name, value in self._values.items()}
        if shapes != {name: value.shape for name, value in state["values"].items()}:
            raise LearningError(
                f"{self.folder} has a run of a model with other parameters: take another folder"
            )
        self.step, self.stopped = state["step"], state["stopped"]
        self._seconds, self._failures = state["seconds"], state["failures"]
        self._put(state["values"])
        device = self._processes.device
        self._averages = {name: value.to(device) for name, value in state["averages"].items()}
        self._optimizer.load_state_dict(state["optimizer"])
        self._history, self._best = state["history"], state["best"]
        if self._best:
            kept = {name: value.to(device) for name, value in self._best["weights"].items()}
            self._best["weights"] = kept
