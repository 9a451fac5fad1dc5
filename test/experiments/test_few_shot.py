"""Few-shot study: a trial is run once, and figures stand where they belong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import few_shot as module
import numpy as np
import pytest
from coco_images import small_dataset
from few_shot import BASE, Outcome, Trial, extra_questions, few_of, few_shot, lowest_threshold
from pareto import pareto_front

from vlam_ros.errors import LearningError
from vlam_ros.lab.evaluation.grounding import Candidate, QueryResult
from vlam_ros.lab.evaluation.queries import QueryKind
from vlam_ros.lab.evaluation.report import Metric, Report
from vlam_ros.lab.simulation.extra_objects import EXTRA_SHAPES
from vlam_ros.lab.simulation.world import World
from vlam_ros.lab.training.data.dataset import Dataset

SMALL: dict[str, Any] = {
    "steps": 2, "scenes": 3, "replayed": 3, "split": "validation", "threads": 1, "progress": False,
}  # fmt: skip


UNTUNED = Outcome(Trial(BASE, 0, 0), 0.0, 0.0, 0.0, 0.0, 0.8, 0.9, 0.1, 0.7, 0, 0.0, 0)


def _without_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_data", lambda *_: (None, None))
    monkeypatch.setattr(module.EvaluationSet, "drawn", lambda *_: None)


def test_new_objects_are_asked_for_by_noun_and_another_one_besides() -> None:
    with World(extra=True) as world:
        for number, question in enumerate(extra_questions(world, "validation", 7)):
            there, away = question.queries
            assert there.phrase == EXTRA_SHAPES[number % 5]
            assert (there.kind, away.kind) == (QueryKind.PRESENT, QueryKind.OTHER)
            assert away.phrase in set(EXTRA_SHAPES) - {there.phrase}
            assert there.truth.any()
            assert not away.truth.any()


def test_a_trial_is_run_once_and_goes_into_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    report = few_shot([Trial("bitfit", 1, 0)], tmp_path, **SMALL)
    assert report.rows == ()  # no gate is for this one
    (table,) = report.tables
    assert [row[0] for row in table.rows] == ["none", "bitfit"]
    assert table.rows[1][1:4] == ("1", "1", "16,641")
    outcome = json.loads((tmp_path / "bitfit-1-0" / "outcome.json").read_text())["outcome"]
    assert (outcome["steps"], outcome["parameters"]) == (2, 16641)
    assert outcome["minutes"] > 0
    assert (tmp_path / "bitfit-1-0" / "adapter.safetensors").exists()
    base = json.loads((tmp_path / "none-0-0" / "outcome.json").read_text())["outcome"]
    # Words that it never read: nothing is found, and what it knows it knows.
    assert base["iou"] < 0.05
    assert base["old_iou"] > 0.6
    monkeypatch.setattr(module, "_run", lambda *_: pytest.fail("it was done already"))
    assert few_shot([Trial("bitfit", 1, 0)], tmp_path, **SMALL).tables == report.tables
    with pytest.raises(LearningError, match="take another folder"):
        few_shot([Trial("bitfit", 1, 0)], tmp_path, **{**SMALL, "steps": 3})
    with pytest.raises(LearningError, match="there are 1 images of each object"):
        few_shot([Trial("bitfit", 2, 0)], tmp_path, **SMALL)
    trials = [Trial("bitfit", 1, 0), Trial("lora", 1, 0)]
    with pytest.raises(LearningError, match="weights of one method and one number of images"):
        few_shot(trials, tmp_path, **SMALL, plot=tmp_path / "front.png")
    # Ordinary scenes do not name what is new.
    assert not set(EXTRA_SHAPES) & set(Dataset(tmp_path / "old", "train").phrases)


def test_the_gates_are_means_over_the_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = {
        seed: replace(UNTUNED, trial=Trial("lora", 10, seed), iou=0.3 + 0.1 * seed,
                      old_iou=0.79 - 0.02 * seed, parameters=9, minutes=4.0)
        for seed in range(2)
    }  # fmt: skip
    _without_images(monkeypatch)
    monkeypatch.setattr(
        module, "_run", lambda t, *_: UNTUNED if t.method == BASE else learned[t.seed]
    )
    report = few_shot([Trial("lora", 10, seed) for seed in range(2)], tmp_path, **SMALL)
    assert [(row.value, row.passed) for row in report.rows] == [
        (pytest.approx(0.35), True), (pytest.approx(0.02), False), (4.0, True)
    ]  # fmt: skip
    assert not report.passed
    assert "0.350 ± 0.050" in report.to_markdown()
    assert "-0.020 ± 0.010" in report.to_markdown()


def test_a_sweep_is_told_apart_by_weight_and_leaves_its_front(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By the weight: what is confirmed of the new, and the IoU of the old; of 4 both are worse.
    worth = {1.0: (0.3, 0.79), 2.0: (0.5, 0.77), 4.0: (0.4, 0.76)}

    def run(trial: Trial, *_: object) -> Outcome:
        sure, old = worth.get(trial.crops, (0.0, 0.0))
        learned = replace(UNTUNED, trial=trial, sure=sure + 0.1 * trial.seed, old_iou=old)
        return UNTUNED if trial.method == BASE else learned

    _without_images(monkeypatch)
    monkeypatch.setattr(module, "_run", run)
    trials = [Trial("lora", 10, seed, weight) for weight in worth for seed in range(2)]
    report = few_shot(trials, tmp_path, **SMALL, plot=tmp_path / "front.png")
    assert {path.parent.name for path in tmp_path.glob("*/outcome.json")} >= {
        "lora-10-0", "lora-10-1-crops2", "lora-10-0-crops4"
    }  # fmt: skip
    rows = [row for row in report.tables[0].rows if row[0] == "lora"]
    assert [(row[2], row[8]) for row in rows] == [
        ("1", "0.350 ± 0.050"), ("2", "0.550 ± 0.050"), ("4", "0.450 ± 0.050")
    ]  # fmt: skip
    # The gates are of the weight that tuning has unless it is told another.
    assert [row.cases for row in report.rows] == [2, 2, 2]
    points = module.sweep([UNTUNED, *(run(trial) for trial in trials)])
    assert [dict(p.weights) for p in pareto_front(points)] == [{"crops": 2.0}, {"crops": 1.0}]
    assert points[0].losses == pytest.approx({module.MISSED: 0.65, module.FORGOTTEN: 0.01})
    assert cv2.imread(str(tmp_path / "front.png")) is not None


@pytest.mark.parametrize(
    ("scores", "allowed", "confirmed"),
    [
        ([0.9, 0.5, 0.7, None], 0.25, 1),
        ([0.9, 0.5, 0.7, None], 0.0, 0),
        ([0.5, 0.5, 0.5, 0.5], 0.25, 0),
        ([], 0.25, 0),
    ],
)
def test_the_lowest_threshold_confirms_no_more_of_what_is_absent_than_allowed(
    scores: list[float | None], allowed: float, confirmed: int
) -> None:
    mask = np.zeros((2, 2), bool)
    absent = [
        QueryResult("ring", QueryKind.OTHER, mask, () if s is None else (Candidate(0.0, s, mask),))
        for s in scores
    ]
    threshold = lowest_threshold(absent, allowed)
    assert sum(answer.found(threshold) for answer in absent) == confirmed
    # A hair lower one would confirm another.
    lower = np.nextafter(threshold, 0)
    assert not absent or sum(answer.found(lower) for answer in absent) > allowed * len(absent)


@pytest.mark.parametrize(("gained", "code"), [(0.4, 0), (0.3, 1)])
def test_trials_are_all_combinations_by_images_first_and_a_missed_gate_is_code_1(
    gained: float,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[Any] = []

    def study(*args: Any, **named: Any) -> Report:
        seen.append((args, named))
        return Report((Metric("IoU gained", gained, 2, 0.35),))

    monkeypatch.setattr(module, "few_shot", study)
    options = "--methods lora full --images 5 10 --seeds 2 --steps 7 --scenes 3 --threads 1"
    options += " --crops 1 3 --plot front.png"
    figures = tmp_path / "figures.json"
    arguments = [*options.split(), "--folder", str(tmp_path), "--json", str(figures)]
    assert module.main(arguments) == code
    ((trials, folder), named) = seen[0]
    assert trials == [
        Trial(method, images, seed, weight)
        for images in (5, 10)
        for method in ("lora", "full")
        for weight in (1.0, 3.0)
        for seed in (0, 1)
    ]
    assert folder == tmp_path
    settings = {"model": "embedded", "steps": 7, "scenes": 3, "threads": 1}
    assert named == {**settings, "plot": Path("front.png")}
    assert "IoU gained" in capsys.readouterr().out
    assert figures.exists()


def test_a_few_of_each_are_the_first_that_show_it(tmp_path: Path) -> None:
    dataset = Dataset(small_dataset(tmp_path), "train")
    assert [p.file for p in few_of(dataset, 1).images] == ["p0.png", "p1.png"]
    assert [p.file for p in few_of(dataset, 2, ["box"]).images] == ["p1.png", "p3.png"]
    assert few_of(dataset, 2, ["cup"]).phrases == ("box", "cup")
    assert len(dataset.images) == 6
    with pytest.raises(LearningError, match="4 times, got 3 of 'box'"):
        few_of(dataset, 4)
