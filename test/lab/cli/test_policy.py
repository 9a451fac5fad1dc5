"""The commands that make, train and measure a policy tell what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from random_policy import random_policy

from vlam_ros.cli.main import main
from vlam_ros.errors import ModelError
from vlam_ros.lab.evaluation import task_runs
from vlam_ros.lab.evaluation.task_runs import policy_settings
from vlam_ros.lab.training.fit import FitResult
from vlam_ros.lab.training.policy import demonstrations, train
from vlam_ros.lab.training.policy.demonstrations import ShardKind
from vlam_ros.lab.training.policy.train import PolicyRecipe

TASKS, CONTROL, STARTS, BLIND = ShardKind


def test_demonstrations_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(demonstrations, "demonstrate", lambda *args: seen.append(args))
    assert main(["data", "demos", "--out", str(tmp_path)]) == 0
    pupil = str(random_policy(tmp_path / "pupil"))
    options = (
        f"--episodes 3 --control 0 --starts 2 --blind 4 --seed 7 --driver {pupil} "
        "--workers 1 --bags recorded"
    )
    assert main(["data", "demos", "--out", str(tmp_path), *options.split()]) == 0
    (first, second) = seen
    assert first[0] == second[0] == tmp_path
    assert first[2:] == (20_000_000, {TASKS: 20, CONTROL: 10, STARTS: 0, BLIND: 0}, 2, None)
    assert first[1].policy.kind == "skills"
    assert second[2:] == (7, {TASKS: 3, CONTROL: 0, STARTS: 2, BLIND: 4}, 1, Path("recorded"))
    assert (second[1].policy.kind, second[1].policy.name_or_path) == ("transformer", pupil)


def test_a_training_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []

    def run(*arguments: Any) -> FitResult:
        seen.append(arguments)
        return FitResult(9, 6, {}, {"score": 0.5}, 1.0, True)

    monkeypatch.setattr(train, "train_policy", run)
    command = ["train", "policy", "one", "two", "--validation", "held_out", "--out", str(tmp_path)]
    begun = ["--heads", "3", "--device", "cpu", "--start", "begun"]
    assert main([*command, "--steps", "9", "--width", "96", "--threads", "1", *begun]) == 0
    ((folders, validation, out, recipe, settings, *machine),) = seen
    assert (folders, validation) == ([Path("one"), Path("two")], [Path("held_out")])
    assert (out, machine) == (tmp_path, [1, "cpu", "begun"])
    assert recipe == PolicyRecipe(steps=9, width=96, heads=3)
    assert settings.model.name_or_path == "embedded"
    assert "the weights of step 6: score 0.500" in capsys.readouterr().out


def test_a_policy_is_measured_behind_the_gate_or_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs: list[Any] = []
    monkeypatch.setattr(task_runs, "run_all", lambda some, workers: jobs.extend(some))
    command = ["evaluate", "tasks", "--episodes", "1", "--control", "1", "--out", str(tmp_path)]
    main([*command, "--policy", "pupil", "--verify", "report"])
    assert [(job.policy, job.verify) for job in jobs] == [("pupil", "report")] * 2
    assert policy_settings("skills") == {"policy__kind": "skills"}
    pupil = str(random_policy(tmp_path / "pupil", horizon=1))
    assert policy_settings(pupil) == {
        "policy__kind": "transformer",
        "policy__name_or_path": pupil,
        "action__horizon": 1,
    }
    with pytest.raises(ModelError, match="there is no policy 'nobody'"):
        policy_settings("nobody")
    assert main([*command, "--policy", "pupil", "--ros"]) == 2
    assert "no --ros" in capsys.readouterr().err
