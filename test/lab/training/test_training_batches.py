"""Training batches from data sets: what is new, what it is told from, and what is looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from coco_images import box, coco_image, labelled
from few_shot import few_of
from tiny_clipseg import CALIBRATION, save_tiny_checkpoint

from vlam_ros.configuration import Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.writer import DatasetWriter
from vlam_ros.lab.training.training_batches import TuningData
from vlam_ros.perception.clipseg import Checkpoint, load_checkpoint

SETTINGS = Settings.load().perception


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("base")
    save_tiny_checkpoint(folder)
    replace(CALIBRATION, crop_size=16).save(folder)
    return load_checkpoint(folder, "cpu", "float32")


def dataset(folder: Path, *names: str) -> Dataset:
    """Three images, each with a thing of every name."""
    with DatasetWriter(folder, "a test") as writer:
        for i in range(3):
            seen = [labelled(name, box(1, 1 + 12 * n, 10, 10)) for n, name in enumerate(names)]
            number = len(names) * 10 + i
            writer.add(encode_image(coco_image(number)), f"s{i}", f"p{i}", seen, split="train")
    return Dataset(folder, "train")


def test_a_batch_has_new_and_old_and_what_is_new_is_always_asked(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    new, old = dataset(tmp_path / "new", "ring", "box"), dataset(tmp_path / "old", "box")
    course = TuningData.of(checkpoint, new, old, SETTINGS, images=2, crops=3)
    assert course.phrases == ("ring",)
    assert course.negatives.nouns == (*SETTINGS.nouns, "ring")
    batch = course.batch(0)
    assert batch.crops is not None
    size = checkpoint.preprocessing.size
    assert batch.images.pixels.shape == (4, 3, size, size)
    assert batch.crops.pixels.shape == (6, 3, 16, 16)
    ring, there = batch.images.phrases.index("ring"), batch.images.positives
    assert there[:2, ring].all()
    assert not there[2:, ring].any()
    # Crops of new images are of what is new, though they show a box too.
    names = [[p for p, t in zip(batch.crops.phrases, row, strict=True) if t]
             for row in batch.crops.positives]  # fmt: skip
    assert names == [["ring"]] * 3 + [["box"]] * 3


def test_without_replay_everything_is_new(checkpoint: Checkpoint, tmp_path: Path) -> None:
    new = dataset(tmp_path, "ring", "box")
    course = TuningData.of(checkpoint, new, None, SETTINGS, images=1, crops=2)
    assert course.phrases == ("box", "ring")
    batch = course.batch(0)
    assert batch.crops is not None
    assert (len(batch.images.pixels), len(batch.crops.pixels)) == (1, 2)
    look = course.look(checkpoint, new)
    assert [batch.phrases for batch in look.images] == [("box", "ring")] * 3
    assert sum(len(batch.pixels) for batch in look.crops) == 6
    assert torch.equal(look.images[0].positives, torch.tensor([[True, True]]))


def test_a_data_set_without_anything_new_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    new, old = dataset(tmp_path / "new", "box"), dataset(tmp_path / "old", "box", "ring")
    with pytest.raises(LearningError, match="names nothing that the replayed one does not name"):
        TuningData.of(checkpoint, new, old, SETTINGS)


def test_an_empty_replay_is_not_taken_for_none(checkpoint: Checkpoint, tmp_path: Path) -> None:
    new = dataset(tmp_path / "new", "ring")
    with DatasetWriter(tmp_path / "old", "a test") as writer:
        seen = [labelled("box", box(1, 1, 10, 10))]
        writer.add(encode_image(coco_image(9)), "s", "p", seen, split="validation")
    with pytest.raises(LearningError, match="has no images for train"):
        TuningData.of(checkpoint, new, Dataset(tmp_path / "old", "train"), SETTINGS)


def test_a_course_of_other_images_or_numbers_is_another(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    new, old = dataset(tmp_path / "new", "ring"), dataset(tmp_path / "old", "box")
    courses = [
        TuningData.of(checkpoint, new, old, SETTINGS),
        TuningData.of(checkpoint, new, old, SETTINGS, crops=3),
        TuningData.of(checkpoint, new, None, SETTINGS),
        TuningData.of(checkpoint, few_of(new, 1), old, SETTINGS),
    ]
    assert len({course.about for course in courses}) == 4
    assert TuningData.of(checkpoint, new, old, SETTINGS).about == courses[0].about
