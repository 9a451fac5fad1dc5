"""`vlam evaluate few-shot`: every combination becomes a trial, and a missed gate the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlam_ros.cli.main import main
from vlam_ros.lab.evaluation.few_shot import Trial
from vlam_ros.lab.evaluation.report import Metric, Report


@pytest.mark.parametrize(("gained", "code"), [(0.4, 0), (0.3, 1)])
def test_trials_are_all_combinations_by_images_first(
    gained: float,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[Any] = []

    def few_shot(*args: Any, **named: Any) -> Report:
        seen.append((args, named))
        return Report((Metric("IoU gained", gained, 2, 0.35),))

    monkeypatch.setattr("vlam_ros.lab.evaluation.few_shot.few_shot", few_shot)
    options = "--methods lora full --images 5 10 --seeds 2 --steps 7 --scenes 3 --threads 1"
    options += " --crops 1 3 --plot front.png"
    figures = tmp_path / "figures.json"
    assert main(["evaluate", "few-shot", *options.split(), "--folder", str(tmp_path),
                 "--json", str(figures)]) == code  # fmt: skip
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
