"""What people do with a data set: count, correct, read back."""

import json
from pathlib import Path

import pytest
from coco_images import SQUARE, coco, small_dataset

from vlam_ros.errors import LearningError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.training.data import Dataset, accept, summarise


def test_a_summary_counts_images_scenes_phrases_and_what_is_broken(tmp_path: Path) -> None:
    small_dataset(tmp_path)
    (tmp_path / "images" / "p1.png").write_bytes(b"x")
    train, validation, test = summarise(tmp_path, Notes())
    assert (train.images, train.scenes, train.proposals, train.broken) == (6, 6, 0, 1)
    assert train.masks == {"box": 2, "cup": 5}
    assert (validation.images, validation.masks) == (0, {})
    assert test.masks == {"ball": 1}


def test_corrections_of_a_tool_that_keeps_nothing_of_ours_are_read_back(tmp_path: Path) -> None:
    small_dataset(tmp_path, proposal=True)
    images = [
        {"id": 3, "file_name": "upload/p1.png"},
        {"id": 4, "file_name": "p2.png"},
        {"id": 5, "file_name": "stranger.png"},
    ]
    drawn = [{"image_id": 3, "category_id": 1, "segmentation": SQUARE, "proposal": True}]
    notes = Notes()
    assert accept(tmp_path, [coco(tmp_path / "tool.json", images, drawn, ["mug"])], notes) == 2
    assert notes.lines == (f"stranger.png is no image of {tmp_path} and left out",)
    dataset = Dataset(tmp_path, "train")
    assert [(p.file, p.scene) for p in dataset.images] == [
        ("p1.png", "train 1"),
        ("p2.png", "train 2"),
    ]
    (_, first), (_, second) = dataset
    assert [(phrase, mask.sum()) for phrase, mask in first] == [("mug", 80)]
    assert second == []  # a person saw that there is nothing
    assert len(Dataset(tmp_path, "train", proposals=True)) == 6


def test_all_proposals_can_be_taken_as_they_are(tmp_path: Path) -> None:
    small_dataset(tmp_path, proposal=True)
    before = [masks for _, masks in Dataset(tmp_path, "train", proposals=True)]
    assert accept(tmp_path, [], Notes()) == 6
    after = [masks for _, masks in Dataset(tmp_path, "train")]
    assert [[p for p, _ in masks] for masks in after] == [[p for p, _ in masks] for masks in before]
    assert "proposal" not in (tmp_path / "train.json").read_text()
    assert accept(tmp_path, [], Notes()) == 0


def test_corrections_of_images_of_another_size_are_refused_and_change_nothing(
    tmp_path: Path,
) -> None:
    small_dataset(tmp_path, proposal=True)
    before = json.loads((tmp_path / "train.json").read_text())["annotations"]
    images = [{"id": 1, "file_name": "p1.png", "width": 64}]
    with pytest.raises(LearningError, match="corrected with 64 x 24 pixels, it has 32 x 24"):
        accept(tmp_path, [coco(tmp_path / "tool.json", images, [])], Notes())
    assert json.loads((tmp_path / "train.json").read_text())["annotations"] == before
