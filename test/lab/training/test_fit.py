"""The trainer: it goes on exactly after a SIGKILL, keeps the best weights, and says what it did."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fitted
import pytest
import torch
from fitted import SETTINGS, Line, Points, Regression, fit
from torch import Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.balancing import UncertaintyWeighting
from vlam_ros.lab.training.fit import Log, Stepwise
from vlam_ros.lab.training.fit.parts import (
    BALANCE_PACE,
    cosine_rate,
    follow,
    read_state,
    write_state,
)

PROGRAM = Path(fitted.__file__)
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]


def weights(task: Regression) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in task.parameters()]


def distance(some: list[Tensor], others: list[Tensor]) -> float:
    return max((a - b).abs().max().item() for a, b in zip(some, others, strict=True))


def steps_of(folder: Path, group: str) -> list[int]:
    return [record["step"] for record in Log(folder).records() if group in record]


# As in the child processes.
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def unbroken(tmp_path: Path) -> tuple[list[Tensor], dict[str, Any]]:
    """What an unbroken run leaves: the task's weights, and the state file."""
    task = Regression()
    fit(tmp_path / "unbroken", task).run()
    return weights(task), read_state(tmp_path / "unbroken" / "state.pt")


def test_a_run_that_was_killed_ends_bit_for_bit_where_an_unbroken_one_does(
    unbroken: tuple[list[Tensor], dict[str, Any]], tmp_path: Path
) -> None:
    expected, state = unbroken
    folder = tmp_path / "killed"
    # Batch 15 is the second of step 7; the last state is of step 6.
    child = run_program([sys.executable], folder, "15")
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert steps_of(folder, "loss") == [1, 2, 3, 4, 5, 6, 7]
    task, source = Regression(), Line()
    torch.manual_seed(99)
    resumed = fit(folder, task, source)
    assert resumed.step == 6
    result = resumed.run()
    assert source.asked == list(range(12, 24))
    assert distance(weights(task), expected) == 0.0
    again = read_state(folder / "state.pt")
    for name in ("values", "averages"):
        assert distance(list(again[name].values()), list(state[name].values())) == 0.0
    assert again["history"] == state["history"]
    # What was logged after the state and done again is there once.
    assert steps_of(folder, "loss") == list(range(1, 13))
    assert steps_of(folder, "validation") == [0, 4, 8, 12]
    assert result.before == {"closeness": state["history"][0]["closeness"]}


def test_a_run_that_is_done_is_not_done_again(
    unbroken: tuple[list[Tensor], dict[str, Any]], tmp_path: Path
) -> None:
    task, source = Regression(), Line()
    result = fit(tmp_path / "unbroken", task, source).run()
    assert source.asked == []
    assert distance(weights(task), unbroken[0]) == 0.0
    assert result.steps == 12
    assert result.seconds == unbroken[1]["seconds"]


def test_a_kill_while_the_state_is_written_leaves_the_last_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.pt"
    write_state(path, {"step": 3})

    def half(state: Any, file: Path) -> None:
        file.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        write_state(path, {"step": 6})
    assert read_state(path) == {"step": 3}
    path.write_bytes(b"half of it")
    with pytest.raises(LearningError, match=r"cannot read the training's state .*state\.pt"):
        read_state(path)


def test_a_line_of_the_log_that_a_kill_cut_off_is_dropped(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for step in range(4):
        log.add({"step": step})
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"step": 4, "lo')
    log.rewind(2)
    log.add({"step": 3})
    assert [record["step"] for record in log.records()] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [({"settings": replace(SETTINGS, rate=0.1)}, "another rate, 0.05 instead of 0.1"),
     ({"about": "cups"}, "another about, '' instead of 'cups'")],
)  # fmt: skip
def test_a_folder_with_another_run_is_refused(
    change: dict[str, Any], wrong: str, tmp_path: Path
) -> None:
    fit(tmp_path, Regression()).run(until=1)
    with pytest.raises(LearningError, match=wrong):
        fit(tmp_path, Regression(), **change)


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    class Pairs(Line):
        def batch(self, step: int) -> Points:
            parts = [super(Pairs, self).batch(2 * step + i) for i in (0, 1)]
            return Points(torch.cat([p.x for p in parts]), torch.cat([p.y for p in parts]))

    one, two = Regression(dropout=0.0), Regression(dropout=0.0)
    settings = replace(SETTINGS, steps=3, clip=1e9)
    fit(tmp_path / "two", two, settings=settings).run()
    fit(tmp_path / "one", one, Pairs(), settings=replace(settings, accumulate=1)).run()
    assert distance(weights(one), weights(two)) < 1e-5
    # AdamW hardly depends on the gradient's size; its first moment does.
    moments = [
        [value["exp_avg"] for value in read_state(path)["optimizer"]["state"].values()]
        for path in (tmp_path / "one" / "state.pt", tmp_path / "two" / "state.pt")
    ]
    assert distance(*moments) < 1e-5
    assert max(moment.abs().max() for moment in moments[0]) > 0.01


def test_the_best_weights_are_kept_and_patience_ends_a_run(tmp_path: Path) -> None:
    figures = iter([0.1, 0.5, 0.4, 0.3, 0.9])
    seen: list[list[Tensor]] = []

    class Judged(Regression):
        def figures(self) -> dict[str, float]:
            assert not self.training
            seen.append(weights(self))
            return {"figure": next(figures)}

    task = Judged()
    settings = replace(SETTINGS, validate_every=2, patience=2)
    run = fit(tmp_path, task, settings=settings)
    result = run.run()
    assert (result.steps, result.best_step) == (6, 2)
    assert (result.before, result.after) == ({"figure": 0.1}, {"figure": 0.5})
    assert distance(weights(task), seen[1]) == 0.0
    assert distance(weights(task), seen[3]) > 1e-3
    again = Judged()
    assert fit(tmp_path, again, settings=settings).run().steps == 6
    assert distance(weights(again), seen[1]) == 0.0


@pytest.mark.parametrize(
    ("told", "keep_last"), [((math.nan,) * 4, False), ((0.9, 0.5, 0.4, 0.3), True)]
)
def test_the_last_weights_are_kept_where_figures_decide_nothing(
    tmp_path: Path, told: tuple[float, ...], keep_last: bool
) -> None:
    figures = iter(told)

    class Judged(Regression):
        def figures(self) -> dict[str, float]:
            return {"closeness": next(figures)}

    task = Judged()
    settings = replace(SETTINGS, patience=1, keep_last=keep_last)
    result = fit(tmp_path, task, settings=settings).run()
    assert (result.steps, result.best_step) == (12, 12)
    assert distance(weights(task), weights(Regression())) > 0.1


def test_the_average_is_validated_and_the_weights_go_on(tmp_path: Path) -> None:
    ways = []
    for every in (1, 12):
        task = Regression()
        fit(tmp_path / str(every), task, settings=replace(SETTINGS, validate_every=every)).run()
        ways.append(read_state(tmp_path / str(every) / "state.pt")["values"])
    assert distance(list(ways[0].values()), list(ways[1].values())) == 0.0
    averages = [torch.zeros(1)]
    for step in range(3):
        follow(averages, [torch.ones(1)], 0.5, step)
    # Decays (1 + step) / (10 + step) while they are below 0.5.
    assert averages[0].item() == pytest.approx(1 - (1 / 10) * (2 / 11) * (3 / 12))


def test_the_rate_rises_and_falls_to_two_percent() -> None:
    rates = [cosine_rate(1.0, step, 100, 10) for step in range(101)]
    assert rates[0] == pytest.approx(0.1, rel=1e-2)
    assert max(rates) == rates[9] == pytest.approx(0.98, abs=0.01)
    assert rates[50] == pytest.approx(0.02 + 0.49)
    assert rates[100] == pytest.approx(0.02)


def test_stages_have_their_own_peak_of_the_rate_also_in_a_resumed_run(tmp_path: Path) -> None:
    settings = replace(SETTINGS, rate=Stepwise((0, 5), (0.05, 0.01)))
    one, two = Regression(), Regression()
    fit(tmp_path / "one", one, settings=settings).run()
    fit(tmp_path / "two", Regression(), settings=settings).run(until=4)
    fit(tmp_path / "two", two, settings=settings).run()
    assert distance(weights(one), weights(two)) == 0.0
    records = [r for r in Log(tmp_path / "two").records() if "rate" in r]
    peaks = [record["rate"]["rate"] / cosine_rate(1.0, step, 12, 2)
             for step, record in enumerate(records)]  # fmt: skip
    assert peaks == pytest.approx(5 * [0.05] + 7 * [0.01])
    other = replace(settings, rate=Stepwise((0, 5), (0.05, 0.02)))
    with pytest.raises(LearningError, match=r"another rate, .*0\.01.* instead of .*0\.02"):
        fit(tmp_path / "two", Regression(), settings=other)


def test_frozen_weights_stay_and_a_model_without_any_others_is_refused(tmp_path: Path) -> None:
    task = Regression()
    fit(tmp_path, task).run()
    assert task.frozen.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(LearningError, match="nothing of the model trains"):
        fit(tmp_path / "frozen", task.requires_grad_(False))


def test_losses_that_are_not_finite_leave_the_weights_and_end_the_run(tmp_path: Path) -> None:
    class Broken(Line):
        def batch(self, step: int) -> Points:
            points = super().batch(step)
            return Points(points.x, points.y * torch.nan)

    task = Regression()
    before = weights(task)
    with pytest.raises(LearningError, match="not finite 10 steps in a row up to step 9"):
        fit(tmp_path, task, Broken()).run()
    assert distance(weights(task), before) == 0.0


def test_terms_cosines_and_learned_weights_are_logged(tmp_path: Path) -> None:
    task = Regression()
    settings = replace(SETTINGS, cosines_every=6)
    fit(
        tmp_path, task, settings=settings, weights=UncertaintyWeighting(["square", "absolute"])
    ).run()
    assert steps_of(tmp_path, "cosine") == [1, 7]
    records = [record for record in Log(tmp_path).records() if "loss" in record]
    cosine = records[0]["cosine"]["all/square/absolute"]
    assert 0 < cosine <= 1
    assert set(records[0]["loss"]) == {"square", "absolute"}
    # The weights ½ exp(−s) rise, for the losses are below 1 in the end.
    assert records[0]["weight"] != records[-1]["weight"]
    assert list(tmp_path.glob("events.out.tfevents.*"))
    state = read_state(tmp_path / "state.pt")
    assert "weights.log_variances" in state["values"]


def test_a_learned_balance_has_a_pace_of_its_own_and_no_decay(tmp_path: Path) -> None:
    task, settings = Regression(), replace(SETTINGS, steps=2, warmup=1, weight_decay=0.5)
    balance = UncertaintyWeighting(["square", "absolute"])
    before = weights(task)
    with torch.no_grad():
        balance.log_variances[:] = 1.0
    fit(tmp_path, task, settings=settings, weights=balance).run(until=1)
    values = read_state(tmp_path / "state.pt")["values"]
    # Adam's first step is the rate, whatever the gradient: both losses ask for less.
    moved = values["weights.log_variances"] - 1.0
    assert moved.abs().tolist() == pytest.approx(2 * [BALANCE_PACE * settings.rate], rel=1e-3)
    bias = values["task.layers.3.bias"] - before[-1]
    assert bias.abs().item() == pytest.approx(settings.rate, rel=1e-3)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("balanced", [True, False])
def test_surgery_serves_a_term_whose_gradient_another_drowns(
    accumulate: int, balanced: bool, tmp_path: Path
) -> None:
    class Opposed(Regression):
        """∇a = (100, −1) and ∇b = (−10, ½) at once: down their sum, b rises along both axes."""

        def __init__(self) -> None:
            super().__init__()
            self.layers.requires_grad_(False)
            self.place = torch.nn.Parameter(torch.zeros(2))

        def forward(self, points: Points) -> dict[str, Tensor]:
            x, y = self.place
            return {"square": 100 * x - y, "absolute": y / 2 - 10 * x}

    def moved(surgery: bool) -> float:
        task = Opposed()
        settings = replace(SETTINGS, surgery=surgery, accumulate=accumulate, warmup=1, steps=1,
                           validate_every=9, average=0.0)  # fmt: skip
        balance = UncertaintyWeighting(["square", "absolute"])
        weights = balance if balanced else {"square": 1.0, "absolute": 1.0}
        fit(tmp_path / str(surgery), task, settings=settings, weights=weights).run()
        return task.place[1].item()

    assert moved(surgery=False) == pytest.approx(SETTINGS.rate, rel=1e-3)
    assert moved(surgery=True) == pytest.approx(-SETTINGS.rate, rel=1e-3)


def test_surgery_is_repeated_exactly_by_a_resumed_run(tmp_path: Path) -> None:
    settings = replace(SETTINGS, surgery=True)
    one, two = Regression(), Regression()
    fit(tmp_path / "one", one, settings=settings).run()
    fit(tmp_path / "two", Regression(), settings=settings).run(until=4)
    fit(tmp_path / "two", two, settings=settings).run()
    assert distance(weights(one), weights(two)) == 0.0


def test_measuring_cosines_changes_nothing(tmp_path: Path) -> None:
    ways = []
    for every in (0, 1):
        task = Regression()
        fit(tmp_path / str(every), task, settings=replace(SETTINGS, cosines_every=every)).run()
        ways.append(weights(task))
    assert distance(*ways) == 0.0


def test_bfloat16_is_autocast_and_the_weights_stay_float32(tmp_path: Path) -> None:
    seen = set()

    class Watched(Regression):
        def forward(self, points: Points) -> dict[str, Tensor]:
            seen.add(self.layers[0](points.x).dtype)
            return super().forward(points)

    task = Watched()
    fit(tmp_path, task, settings=replace(SETTINGS, dtype="bfloat16")).run(until=2)
    assert torch.bfloat16 in seen
    assert {parameter.dtype for parameter in task.parameters()} == {torch.float32}


@pytest.mark.timeout(120)
def test_two_processes_of_torchrun_are_as_one_that_accumulates_twice_as_much(
    tmp_path: Path,
) -> None:
    task, folder = Regression(dropout=0.0), tmp_path / "two"
    fit(tmp_path / "one", task, settings=replace(SETTINGS, accumulate=4)).run()
    child = run_program([*TORCHRUN, "2"], folder)
    assert child.returncode == 0, child.stderr
    state = read_state(folder / "state.pt")
    assert state["run"]["processes"] == 2
    kept, ours = state["best"]["weights"], dict(task.named_parameters())
    assert set(kept) == {f"task.{name}" for name in ours if name != "frozen"}
    assert max((kept[f"task.{n}"] - ours[n]).abs().max() for n in ours if n != "frozen") < 1e-5
    # One of both writes.
    assert steps_of(folder, "loss") == list(range(1, 13))


def run_program(
    launcher: Sequence[str], folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    command = [*launcher, str(PROGRAM), str(folder), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)
