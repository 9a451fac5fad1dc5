"""A data set gives back what was put in, and says what is wrong with it."""

import json
from pathlib import Path

import numpy as np
import pytest
from coco_images import HEIGHT, SPLIT_SCENES, WIDTH, box, coco_image, labelled, small_dataset
from pycocotools.coco import COCO

from vlam_ros.errors import LearningError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.training.data.dataset import Dataset, summarise
from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.index import Annotation, split_of
from vlam_ros.lab.training.data.writer import DatasetWriter


def edit(path: Path, **changes: object) -> None:
    """Change the first image of an annotation file."""
    document = json.loads(path.read_text())
    document["images"][0] |= changes
    path.write_text(json.dumps(document))


def test_images_and_masks_come_back_as_they_were(tmp_path: Path) -> None:
    dataset = Dataset(small_dataset(tmp_path), "train")
    assert len(dataset) == 6
    assert dataset.phrases == ("box", "cup")
    for i, (image, masks) in enumerate(dataset):
        np.testing.assert_array_equal(image, coco_image(i))
        assert [phrase for phrase, _ in masks] == ["cup", "box"][: 1 + i % 2]
        np.testing.assert_array_equal(masks[0][1], box(2, 3 + i, 6, 8))
    assert dataset.notes.lines == ()


def test_a_scene_is_in_one_split_and_its_name_decides(tmp_path: Path) -> None:
    assert {split: split_of(scene) for split, scene in SPLIT_SCENES.items()} == {
        split: split for split in SPLIT_SCENES
    }
    places = [split_of(f"bag-{i:03d}") for i in range(4000)]
    shares = [places.count(split) / 4000 for split in ("train", "validation", "test")]
    assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.02)
    with DatasetWriter(tmp_path, "a test") as writer:
        for i in range(30):
            writer.add(encode_image(coco_image(i)), f"scene-{i % 5}", f"p{i}", [])
    with DatasetWriter(tmp_path, "a test") as writer:
        writer.add(encode_image(coco_image(50)), "scene-3", "later", [])
        for split, images in writer.splits.items():
            assert {p.scene for p in images} == {
                f"scene-{i}" for i in range(5) if split_of(f"scene-{i}") == split
            }
        with pytest.raises(LearningError, match="'scene-3' is in test already"):
            writer.add(encode_image(coco_image(51)), "scene-3", "stray", [], split="train")


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_a_file_is_a_coco_file(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, "a test") as writer:
        seen = [Annotation("red cup", [[4, 6, 12, 6, 12, 16, 4, 16]], proposal=True, score=0.5)]
        writer.add(encode_image(coco_image(0)), "s", "a b/c", seen, ["a cup"], "train", True)
    document = json.loads((tmp_path / "train.json").read_text())
    image, annotation = document["images"][0], document["annotations"][0]
    assert (tmp_path / "images" / image["file_name"]).exists()
    assert image["file_name"] == "a-b-c.png"
    assert (image["width"], image["height"], image["captions"]) == (WIDTH, HEIGHT, ["a cup"])
    assert document["categories"] == [{"id": 1, "name": "red cup"}]
    expected = {"image_id": 1, "category_id": 1, "bbox": [4, 6, 8, 10], "area": 80, "iscrowd": 0}
    assert annotation.items() >= (expected | {"proposal": True, "score": 0.5}).items()
    judge = COCO(tmp_path / "train.json")
    assert (judge.annToMask(judge.anns[1]) == box(6, 4, 10, 8)).all()
    empty = json.loads((tmp_path / "test.json").read_text())
    assert empty["categories"] == document["categories"]


def test_a_image_is_added_once(tmp_path: Path) -> None:
    data = encode_image(coco_image(0))
    with DatasetWriter(tmp_path, "a test") as writer:
        assert writer.add(data, "one", "first", [])
        assert not writer.add(data, "two", "second", [])
        assert writer.add(encode_image(coco_image(1)), "two", "first", [])
    again = DatasetWriter(tmp_path, "a test")
    assert not again.add(data, "three", "third", [])
    assert writer.notes.lines == ("second is the same image as first.png: left out",)
    assert len(list((tmp_path / "images").iterdir())) == 2


def test_what_was_added_before_an_error_is_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), DatasetWriter(tmp_path, "a test") as writer:  # noqa: PT012
        writer.add(encode_image(coco_image(0)), "one", "first", [], split="train")
        raise KeyboardInterrupt
    assert len(Dataset(tmp_path, "train")) == 1


def test_an_error_before_anything_was_added_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(LearningError), DatasetWriter(tmp_path / "set", "a test") as writer:
        writer.add(b"no image", "scene", "first", [])
    assert not (tmp_path / "set").exists()


def test_phrases_that_nothing_is_called_yet_can_be_chosen_and_stay(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, "a test") as writer:
        writer.name(["ring"])
    small_dataset(tmp_path)
    document = json.loads((tmp_path / "test.json").read_text())
    assert [c["name"] for c in document["categories"]] == ["ball", "box", "cup", "ring"]
    assert Dataset(tmp_path, "train").phrases == ("box", "cup")


@pytest.mark.parametrize("damage", ["missing", "cut off", "changed", "resized", "no image"])
def test_a_broken_image_is_said_once_and_left_out(tmp_path: Path, damage: str) -> None:
    small_dataset(tmp_path)
    path, index = tmp_path / "images" / "p2.png", tmp_path / "train.json"
    first = json.loads(index.read_text())["images"][0]
    if damage == "missing":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "changed":
        path.write_bytes(encode_image(coco_image(77)))
    elif damage == "resized":
        edit(index, width=WIDTH + 1)
    else:
        (tmp_path / "images" / first["file_name"]).write_bytes(b"")
    dataset = Dataset(tmp_path, "train")
    assert len(list(dataset)) == 5
    assert len(list(dataset)) == 5
    lines = [line for line in dataset.notes.lines if line.startswith("an image is left out")]
    assert len(lines) == 1
    assert lines[0].endswith("(2 times)")


def test_images_are_read_only_when_their_turn_comes(tmp_path: Path) -> None:
    dataset = Dataset(small_dataset(tmp_path), "train")
    images = iter(dataset)
    next(images)
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    assert list(images) == []
    assert len(dataset.notes.lines) == 5


def test_empty_and_senseless_masks_are_said_and_left_out(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, "a test") as writer:
        seen = [
            labelled("nothing", box(0, 0, 0, 0)),
            labelled("cup", box(1, 1, 3, 3)),
            labelled("cup", box(9, 9, 3, 3)),
        ]
        writer.add(encode_image(coco_image(0)), "s", "p", seen, split="train")
    index = tmp_path / "train.json"
    document = json.loads(index.read_text())
    torn = {"id": 9, "image_id": 1, "category_id": 1, "segmentation": {"size": [1, 1]}}
    stray = {"id": 10, "image_id": 5, "category_id": 1, "segmentation": []}
    document["annotations"] += [torn, stray]
    index.write_text(json.dumps(document))
    dataset = Dataset(tmp_path, "train")
    [labelled_image] = dataset
    masks = labelled_image.masks
    assert list(masks) == ["cup"]
    assert (masks["cup"] == box(1, 1, 3, 3) | box(9, 9, 3, 3)).all()
    assert [line[:46] for line in dataset.notes.lines] == [
        "an annotation is of no image of its file and l",
        "'nothing' in p.png is left out: its mask is em",
        "'cup' in p.png is left out: the mask is for [1",
    ]


def test_splits_that_share_a_scene_or_a_image_are_refused(tmp_path: Path) -> None:
    small_dataset(tmp_path)
    whole = (tmp_path / "test.json").read_text()
    edit(tmp_path / "test.json", scene="train 0")
    with pytest.raises(LearningError, match="scene 'train 0' is in train and in test"):
        Dataset(tmp_path, "validation")
    (tmp_path / "test.json").write_text(whole)
    first = json.loads((tmp_path / "train.json").read_text())["images"][0]
    edit(tmp_path / "test.json", sha256=first["sha256"])
    with pytest.raises(LearningError, match=r"train/p0.png and test/last.png are the same"):
        Dataset(tmp_path, "train")
    edit(tmp_path / "test.json", sha256="")
    with pytest.raises(LearningError, match="vlam data accept"):
        Dataset(tmp_path, "train")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"annotations": []}', '{"images": [3], "annotations": []}', "\xff"]
)
def test_what_is_no_coco_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.json").write_text(text, encoding="latin-1")
    with pytest.raises(LearningError, match=r"train\.json"):
        Dataset(tmp_path, "train")


def test_there_must_be_a_data_set_and_a_split(tmp_path: Path) -> None:
    with pytest.raises(LearningError, match="is no data set"):
        Dataset(tmp_path, "train")
    small_dataset(tmp_path)
    with pytest.raises(LearningError, match="got 'training'"):
        Dataset(tmp_path, "training")
    with pytest.raises(LearningError, match="not empty"):
        DatasetWriter(tmp_path / "images", "a test")
    assert len(Dataset(tmp_path, "validation")) == 0


def test_proposals_wait_for_a_person(tmp_path: Path) -> None:
    small_dataset(tmp_path, proposal=True)
    notes = Notes()
    assert len(Dataset(tmp_path, "train", notes=notes)) == 0
    assert "6 of 6 images for train await correction" in notes.lines[0]
    assert len(Dataset(tmp_path, "train", proposals=True)) == 6
    index = tmp_path / "train.json"
    document = json.loads(index.read_text())
    del document["annotations"][0]["proposal"]
    index.write_text(json.dumps(document))
    assert [p.file for p in Dataset(tmp_path, "train").images] == ["p0.png"]


def test_a_summary_counts_images_scenes_phrases_and_what_is_broken(tmp_path: Path) -> None:
    small_dataset(tmp_path)
    (tmp_path / "images" / "p1.png").write_bytes(b"x")
    train, validation, test = summarise(tmp_path, Notes())
    assert (train.images, train.scenes, train.proposals, train.broken) == (6, 6, 0, 1)
    assert train.masks == {"box": 2, "cup": 5}
    assert (validation.images, validation.masks) == (0, {})
    assert test.masks == {"ball": 1}
