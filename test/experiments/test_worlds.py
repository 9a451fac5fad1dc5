"""What a wider world is worth: each has what the one before has, at the same budget."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import worlds as module
from worlds import FIGURES, GENERATORS, PAIRS, WORLDS, examine, worlds

from vlam_ros.lab.training.recipe import Recipe
from vlam_ros.perception.clipseg import EMBEDDED, Calibration
from vlam_ros.resources import resource_path


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return Recipe.load(resource_path("config/embedded_2.yaml"))


def test_each_world_has_what_the_one_before_has_and_as_many_images() -> None:
    for world in WORLDS.values():
        assert sum(world.images(3000).values()) == 3000
    for before, after in pairwise(WORLDS.values()):
        assert set(before.shares) <= set(after.shares)
        assert (before.shares, before.photographed) != (after.shares, after.photographed)
    assert [world.photographed for world in WORLDS.values()] == [False, True, True, True]


def test_a_world_is_trained_in_once_and_the_others_are_told(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def train(*arguments: Any) -> Path:
        trained.append(arguments[3])
        return tmp_path

    value = iter(range(9))

    def look(model: str | Path, images: int) -> dict[str, dict[str, float]]:
        figures = dict.fromkeys(FIGURES, next(value) / 10) | {"false alarms": float("nan")}
        return dict.fromkeys((*GENERATORS, PAIRS), figures)

    monkeypatch.setattr(module, "_trained", train)
    monkeypatch.setattr(module, "examine", look)
    first = worlds(recipe, tmp_path, only=["camera"]).to_markdown()
    assert trained == ["camera"]
    assert "| the start | 0.00 / 0.00 / – |" in first
    both = worlds(recipe, tmp_path, only=["rooms", "camera"]).to_markdown()
    assert trained == ["camera", "rooms"]
    lines = [line.split(" | ")[:2] for line in both.splitlines() if " / – " in line]
    assert lines == [
        ["| the start", "0.00 / 0.00 / –"],
        ["| own rooms", "0.20 / 0.20 / –"],
        ["| + lens, exposure, noise, JPEG", "0.10 / 0.10 / –"],
    ]


def test_a_checkpoint_is_measured_on_every_generator_that_is_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The household needs assets that are not everywhere.
    monkeypatch.setattr(module, "GENERATORS", ("rooms",))
    figures = examine("embedded", 3)
    assert set(figures) == {"rooms", PAIRS}
    assert figures["rooms"]["IoU"] > 0.7
    assert 0 <= figures["rooms"]["false alarms"] <= 1


def test_thresholds_that_nobody_chose_do_not_make_a_checkpoint_look_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GENERATORS", ("rooms",))
    copy = tmp_path / "model"
    shutil.copytree(EMBEDDED, copy)
    known = Calibration.load(EMBEDDED)
    replace(known, tolerance=0.0, crop_rejection=0.0, crop_threshold=1.0, familiarity=None).save(
        copy
    )
    assert examine(copy, 3)["rooms"]["IoU"] == examine("embedded", 3)["rooms"]["IoU"]


def test_checkpoints_are_measured_side_by_side(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = dict.fromkeys((*GENERATORS, PAIRS), dict.fromkeys(FIGURES, 0.5))
    asked: list[tuple[str, int]] = []

    def look(model: str, images: int) -> dict[str, dict[str, float]]:
        asked.append((model, images))
        return figures

    monkeypatch.setattr(module, "examine", look)
    assert module.main(["--models", "one", "two", "--scenes", "7"]) == 0
    assert asked == [("one", 7), ("two", 7)]
    assert "| two | 0.50 / 0.50 / 0.50 |" in capsys.readouterr().out
