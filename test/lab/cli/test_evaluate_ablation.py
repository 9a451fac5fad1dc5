"""`vlam evaluate ablation`: the options reach the study, and its tables are shown and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlam_ros.cli.main import main
from vlam_ros.lab.evaluation.ablation import AblationReport, Run
from vlam_ros.lab.training.recipe import Recipe
from vlam_ros.resources import resource_path


def test_the_options_reach_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []

    def ablation(*args: Any, **named: Any) -> AblationReport:
        seen.append((args, named))
        names = ("pairs", "nouns", "colours", "iou", "false_alarms", "skills")
        return AblationReport(
            (), runs=(Run("alignment", 0, "", 9, 1.0, dict.fromkeys(names, 0.5)),)
        )

    monkeypatch.setattr("vlam_ros.lab.evaluation.ablation.ablation", ablation)
    figures = tmp_path / "figures.json"
    options = "--steps 34 --seeds 2 --scenes 3 --threads 1 --only alignment"
    assert main(["evaluate", "ablation", *options.split(), "--cache", str(tmp_path),
                 "--json", str(figures)]) == 0  # fmt: skip
    ((recipe, cache), named) = seen[0]
    assert recipe == Recipe.load(resource_path("config/ablation.yaml")).shortened(34)
    assert cache == tmp_path
    assert named == {"seeds": 2, "only": ["alignment"], "validation": 3, "threads": 1}
    assert "| + alignment | 1 | 1.0 | 0.500 " in capsys.readouterr().out
    assert figures.exists()
