"""Simulated data sets: exact masks, and splits that hold what they say."""

from pathlib import Path

import numpy as np
import pytest
from few_shot import few_of

from vlam_ros.lab.simulation.extra_objects import EXTRA_SHAPES, extra_scene_of_seed
from vlam_ros.lab.simulation.world import World
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.simulated import add_simulated
from vlam_ros.lab.training.data.writer import DatasetWriter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extra")
    with DatasetWriter(folder, "a test") as writer:
        add_simulated(writer, {"train": 5, "test": 2}, extra=True, progress=False)
        add_simulated(writer, {"test": 1}, progress=False)
    return folder


def test_masks_are_those_of_the_renderer(folder: Path) -> None:
    with World(extra=True) as world:
        for index, (image, masks) in enumerate(Dataset(folder, "train")):
            spec = extra_scene_of_seed("train", index)
            world.load(spec)
            rendering = world.render()
            np.testing.assert_array_equal(image, rendering.image)
            assert masks[0][0] == EXTRA_SHAPES[index]
            np.testing.assert_array_equal(masks[0][1], rendering.labels == 1)
            named = {
                name
                for thing in spec.objects[1:]
                for name in (thing.shape, thing.phrase, f"{thing.colour} object")
            }
            assert {phrase for phrase, _ in masks[1:]} <= named
            together = np.logical_or.reduce([mask for _, mask in masks])
            np.testing.assert_array_equal(together, rendering.labels > 0)


def test_a_few_of_each_new_object_are_the_first_scenes(folder: Path) -> None:
    dataset = Dataset(folder, "train")
    assert len(few_of(dataset, 1, EXTRA_SHAPES)) == 5
    scenes = [p.scene for p in Dataset(folder, "test").images]
    assert scenes == ["extra-test-000000", "extra-test-000001", "simulated-test-000000"]


def test_rendering_again_adds_nothing(folder: Path) -> None:
    writer = DatasetWriter(folder, "a test")
    add_simulated(writer, {"train": 2}, extra=True, progress=False)
    assert writer.added == 0
    assert writer.notes.lines[0].endswith("left out (2 times)")
