"""A few rendered scenes, and a recipe small enough to train in a test."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_recipe import shrunk

from vlam_ros.lab.training.recipe import Recipe, Stage
from vlam_ros.lab.training.scenes import SceneData, load_splits, render_split
from vlam_ros.resources import resource_path

SCENES = 6


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    render_split(folder, "rooms", "train", SCENES, 160)
    return folder


@pytest.fixture(scope="session")
def data(cache: Path) -> SceneData:
    return load_splits(cache, {"rooms": SCENES}, "train", 160)


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """The shipped recipe with towers of one tenth, two crop steps and two of scenes."""
    shipped = Recipe.load(resource_path("config/embedded.yaml"))
    stages = (
        Stage("crops", steps=2, crops=4, scenes=0, window=0, prompts=0, rate=1e-3),
        Stage("scenes", steps=2, crops=2, scenes=2, window=96, prompts=4, rate=1e-3),
    )
    return replace(
        shipped, model=shrunk(shipped.model), stages=stages, images={"rooms": SCENES}, warmup=1
    )
