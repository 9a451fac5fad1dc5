"""The ablation: a run is done once, and a difference within the spread is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ablation as module
import pytest
import torch
from ablation import (
    FIGURES,
    VARIANTS,
    AblationReport,
    Run,
    ablation,
    difference,
    examine,
    shortened,
)
from small_recipe import shrunk

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.recipe import Recipe
from vlam_ros.lab.training.scenes import load_splits, render_split
from vlam_ros.perception.clipseg import load_checkpoint
from vlam_ros.resources import resource_path

SCENES = 4


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """The shipped one with towers of one tenth, and two steps of it."""
    shipped = Recipe.load(module.RECIPE)
    stages = tuple(replace(s, steps=1, crops=4, scenes=2) for s in shipped.stages[1:3])
    return replace(
        shipped, model=shrunk(shipped.model), stages=stages, images={"rooms": SCENES}, warmup=1
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    for split in ("train", "validation"):
        render_split(folder, "rooms", split, SCENES, 160)
    return folder


@pytest.fixture(autouse=True)
def _few_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CROPS", 128)


def test_a_shortened_recipe_keeps_its_stages() -> None:
    shipped = Recipe.load(resource_path("config/embedded.yaml"))
    short = shortened(shipped, 860)
    assert [stage.name for stage in short.stages] == [stage.name for stage in shipped.stages]
    assert [stage.steps for stage in short.stages] == [80, 100, 20, 160, 300, 200]
    assert short.warmup == 20
    assert [stage.steps for stage in shortened(shipped, 1).stages] == [1] * 6
    assert shipped.digest != short.digest


def test_a_run_is_done_once_and_the_others_are_told(
    recipe: Recipe, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {
        "seeds": 1, "validation": SCENES, "threads": torch.get_num_threads(),
    }  # fmt: skip
    first = ablation(recipe, cache, only=["contrastive"], **options)
    assert [(run.variant, run.seed) for run in first.runs] == [("contrastive", 0)]
    kept = json.loads((cache / "ablation" / "contrastive-0" / "figures.json").read_text())
    assert set(kept["figures"]) == set(FIGURES)
    # Nothing has trained the decoder, which begins where nothing is found.
    assert kept["figures"]["iou"] == kept["figures"]["false_alarms"] == 0.0
    assert 0 < kept["figures"]["skills"] <= 1
    both = ablation(recipe, cache, only=["uncertainty"], **options)
    assert [run.variant for run in both.runs] == ["contrastive", "uncertainty"]
    assert both.runs[0] == first.runs[0]
    monkeypatch.setattr(module, "_run", lambda *_: pytest.fail("it was done already"))
    again = ablation(recipe, cache, only=["contrastive", "uncertainty"], **options)
    assert again == both
    with pytest.raises(LearningError, match=r"contrastive-0 has a run of recipe .*: delete it"):
        ablation(replace(recipe, warmup=2), cache, only=["contrastive"], **options)
    with pytest.raises(LearningError, match=rf"of recipe \w+ on {SCENES} scenes, not of .* on 3:"):
        ablation(recipe, cache, **{**options, "validation": 3})


def test_an_unknown_variant_and_a_recipe_without_a_term_are_refused(
    recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(LearningError, match=r"variants are contrastive, .*, got captions"):
        ablation(recipe, tmp_path, only=["captions"])
    lacking = replace(recipe, loss_weights={**recipe.loss_weights, "captions": 0.0})
    with pytest.raises(LearningError, match=r"'\+ generative' needs a weight above 0 of captions"):
        ablation(lacking, tmp_path, only=["contrastive"])
    assert not any(tmp_path.iterdir())


def test_each_variant_has_the_terms_of_the_one_before_and_its_own_seed(recipe: Recipe) -> None:
    recipes = [variant.recipe(recipe, 2) for variant in VARIANTS.values()]
    assert all(own.seed == recipe.seed + 2 for own in recipes)
    terms = [own.terms for own in recipes]
    assert terms[0] == {"contrast", "skills"}
    assert terms[0] < terms[1] < terms[2] == terms[3] == set(module.COMPARED)
    assert [own.balance for own in recipes] == ["weights"] * 3 + ["uncertainty"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([0.50, 0.54, 0.52], [0.55, 0.57, 0.56], "none"),  # 0.04 apart, and 0.04 wide
        ([0.50, 0.54, 0.52], [0.56, 0.58, 0.57], "+0.050"),
        ([0.56, 0.58, 0.57], [0.50, 0.54, 0.52], "-0.050"),
        ([0.50, 0.50, 0.50], [0.40, 0.60, 0.62], "none"),  # the wider of the two counts
        ([0.0, 0.0], [0.0, 0.0], "none"),
        ([0.5], [0.9, 0.9], "–"),
        ([float("nan")] * 2, [0.9, 0.9], "none"),
    ],
)
def test_a_difference_within_the_spread_is_none(
    before: list[float], after: list[float], told: str
) -> None:
    assert difference(before, after) == told


def test_the_tables_tell_means_spreads_and_differences() -> None:
    def runs(variant: str, values: list[float]) -> list[Run]:
        return [Run(variant, seed, "", 4, 2.0, dict.fromkeys(FIGURES, value))
                for seed, value in enumerate(values)]  # fmt: skip

    done = (*runs("contrastive", [0.50, 0.52, 0.54]), *runs("generative", [0.70, 0.72, 0.74]))
    lines = AblationReport((), runs=done).to_markdown().splitlines()
    assert "| contrastive only | 3 | 2.0" + " | 0.520 ± 0.020" * 6 + " |" in lines
    assert "| + generative, to contrastive only" + " | +0.200" * 6 + " |" in lines


def test_the_shipped_model_passes_the_evaluation_set(cache: Path) -> None:
    figures = examine(
        load_checkpoint("embedded", "cpu", "float32"),
        load_splits(cache, {"rooms": SCENES}, "validation", 160),
    )
    # It never saw the blur and the noise that a camera adds to these images.
    assert figures["pairs"] > 0.85
    assert figures["nouns"] > 0.85
    assert figures["colours"] > 0.95
    assert figures["iou"] > 0.4
    assert 0 < figures["false_alarms"] < 1
    assert figures["skills"] > 0.95


def test_the_recipe_is_of_a_small_embedded_model_with_all_terms() -> None:
    shipped = Recipe.load(resource_path("config/embedded.yaml"))
    recipe = Recipe.load(module.RECIPE)
    for name in ("image_size", "crop_size", "patch", "text_length", "vocabulary"):
        assert getattr(recipe.model, name) == getattr(shipped.model, name)
    assert recipe.terms == set(module.COMPARED)


def test_the_options_reach_the_study_and_its_tables_are_shown_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []

    def study(*args: Any, **named: Any) -> AblationReport:
        seen.append((args, named))
        run = Run("alignment", 0, "", 9, 1.0, dict.fromkeys(FIGURES, 0.5))
        return AblationReport((), runs=(run,))

    monkeypatch.setattr(module, "ablation", study)
    figures = tmp_path / "figures.json"
    options = "--steps 34 --seeds 2 --scenes 3 --threads 1 --only alignment"
    arguments = [*options.split(), "--cache", str(tmp_path), "--json", str(figures)]
    assert module.main(arguments) == 0
    ((recipe, cache), named) = seen[0]
    assert recipe == shortened(Recipe.load(module.RECIPE), 34)
    assert cache == tmp_path
    assert named == {"seeds": 2, "only": ["alignment"], "validation": 3, "threads": 1}
    assert "| + alignment | 1 | 1.0 | 0.500 " in capsys.readouterr().out
    assert figures.exists()
