"""Photographs move no robot, and another renderer's images become familiar by a calibration."""

from __future__ import annotations

import numpy as np
import pytest
from familiarity import auroc, other_scenes, photographs, scenes, statistics

from vlam_ros.configuration import Settings
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.perception.familiarity import Density
from vlam_ros.pipeline import Pipeline
from vlam_ros.types import (
    Attitude,
    Camera,
    InstructionRequest,
    Observation,
    Outcome,
    Uint8Array,
    optical_rotation,
)

PHOTOGRAPHS = photographs()
MOUNTS = ((0.6, 0.45), (1.2, 0.3), (0.3, 0.1))
"""Height in m and tilt in rad of the camera."""
ASKED = ("red cup", "orange ball", "black ball", "blue box", "white plate", "green cone")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.from_settings(Settings.load())


@pytest.fixture(scope="module")
def density(pipeline: Pipeline) -> Density:
    calibration = pipeline.grounder.calibration
    assert calibration is not None
    assert calibration.familiarity is not None
    return calibration.familiarity.image


def seen(image: Uint8Array, height: float, tilt: float) -> Observation:
    rows, columns = image.shape[:2]
    mount = optical_rotation(tilt), np.array([0.1, 0.0, height])
    camera = Camera.ideal(columns, rows, columns * 0.96, *mount)
    return Observation(1, 1, image, camera, attitude=Attitude(1, 0.0, 0.0))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_no_photograph_moves_a_robot(pipeline: Pipeline, name: str) -> None:
    asked = [(f"turn to the {thing}", MOUNTS[0]) for thing in ASKED]
    asked += [("go to the red cup", mount) for mount in MOUNTS[1:]]
    for text, mount in asked:
        pipeline.reset()
        decision = pipeline.step(seen(PHOTOGRAPHS[name], *mount), InstructionRequest(text, 1, 1))
        assert decision.verdict.outcome is Outcome.HOLD, decision.verdict


def test_photographs_are_farther_than_scenes_of_its_own(
    pipeline: Pipeline, density: Density
) -> None:
    own = density.distances(statistics(pipeline.grounder, scenes("test", 40)))
    photographed = density.distances(statistics(pipeline.grounder, PHOTOGRAPHS.values()))
    assert np.mean(own > 1) <= 0.05
    assert auroc(own, photographed) >= 0.99


def test_another_renderer_becomes_familiar() -> None:
    grounder = ClipsegGrounder.from_pretrained("embedded")
    seen = statistics(grounder, other_scenes(0, 40))
    known, shown = Density.fit(seen[:30]), statistics(grounder, PHOTOGRAPHS.values())
    assert np.count_nonzero(known.distances(seen[30:]) > 1) <= 2
    assert auroc(known.distances(seen[30:]), known.distances(shown)) >= 0.9
