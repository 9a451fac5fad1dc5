"""Others' images become ours, without what cannot be used, and corrections are read back."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from coco_images import HEIGHT, SQUARE, WIDTH, box, coco, coco_image, small_dataset
from PIL import Image

from vlam_ros.errors import LearningError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.imported import accept, import_coco
from vlam_ros.lab.training.data.index import split_of
from vlam_ros.lab.training.data.writer import DatasetWriter


def imported(folder: Path, *files: Path, **options: str) -> DatasetWriter:
    with DatasetWriter(folder / "ours", "a test") as writer:
        import_coco(writer, folder, files, **options)
    return writer


def test_masks_of_every_form_and_captions_of_another_file_come_together(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_image(coco_image(0)))
    images = [{"id": 7, "file_name": "a.png"}]
    column = {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * 2, HEIGHT, HEIGHT * (WIDTH - 3)]}
    masks = [
        {"image_id": 7, "category_id": 1, "segmentation": SQUARE},
        {"image_id": 7, "category_id": 2, "segmentation": column, "iscrowd": 1},
    ]
    said = [{"image_id": 7, "caption": " a cup\nand a box "}]
    instances = coco(tmp_path / "instances.json", images, masks, ["  red  cup ", "box"])
    captions = coco(tmp_path / "captions.json", [{"id": 1, "file_name": "a.png"}], said, [])
    captions.write_text(captions.read_text().replace('"image_id": 7', '"image_id": 1'))
    imported(tmp_path, instances, captions, split="train")
    dataset = Dataset(tmp_path / "ours", "train")
    assert dataset.images[0].captions == ("a cup and a box",)
    [(image, read)] = dataset
    assert (image == coco_image(0)).all()
    masks_read = dict(read)
    assert (masks_read["red cup"] == box(6, 4, 10, 8)).all()
    assert (masks_read["box"] == box(0, 2, HEIGHT, 1)).all()


def test_what_cannot_be_used_is_said_and_the_rest_is_added(tmp_path: Path) -> None:
    whole = encode_image(coco_image(0))
    (tmp_path / "whole.png").write_bytes(whole)
    (tmp_path / "double.png").write_bytes(whole)
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    (tmp_path / "large.png").write_bytes(encode_image(np.zeros((50, 50, 3), np.uint8)))
    names = ["whole.png", "double.png", "torn.jpg", "large.png", "away.png"]
    images = [{"id": i, "file_name": name} for i, name in enumerate(names)] + [{"id": 9}]
    annotations = [
        {"image_id": 0, "category_id": 1, "segmentation": SQUARE},
        {"image_id": 0, "category_id": 1, "segmentation": []},
        {"image_id": 0, "category_id": 1, "segmentation": [[1, 2]]},
        {"image_id": 0, "category_id": 8, "segmentation": SQUARE},
        {"image_id": [1], "category_id": {}, "segmentation": SQUARE},
    ]
    writer = imported(tmp_path, coco(tmp_path / "a.json", images, annotations), split="train")
    assert writer.added == 1
    notes = "\n".join(writer.notes.lines)
    for said in (
        "double is the same image as whole.png",
        "torn.jpg is left out: the image of 53 bytes is cut off",
        "large.png is left out: it has 50 x 50 pixels, its annotations are for 32 x 24",
        "away.png is left out: cannot read it: No such file",
        "lacks id, file_name, width or height",
        "'cup' in whole.png is left out: its mask is empty",
        "'cup' in whole.png is left out: a polygon needs three",
        "an annotation is of no category",
        "an annotation is of no image",
    ):
        assert said in notes
    [(_, masks)] = Dataset(tmp_path / "ours", "train")
    assert [(phrase, mask.sum()) for phrase, mask in masks] == [("cup", 80)]


def test_a_photograph_is_stored_as_it_was_annotated(tmp_path: Path) -> None:
    held = Image.fromarray(np.ascontiguousarray(np.rot90(coco_image(0))))
    turn = Image.Exif()
    turn[0x0112] = 6  # to be turned clockwise
    stored = io.BytesIO()
    held.save(stored, "PNG", exif=turn)
    (tmp_path / "held.png").write_bytes(stored.getvalue())
    webp = cv2.imencode(".webp", coco_image(1), [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    (tmp_path / "b.webp").write_bytes(webp)
    images = [{"id": 0, "file_name": "held.png"}, {"id": 1, "file_name": "b.webp"}]
    imported(tmp_path, coco(tmp_path / "a.json", images, []), split="train")
    dataset = Dataset(tmp_path / "ours", "train")
    (first, _), (second, _) = dataset
    assert (first == coco_image(0)).all()
    assert (second == coco_image(1)[..., ::-1]).all()
    assert [p.file for p in dataset.images] == ["held.png", "b.png"]
    # Also for those who do not turn images as their cameras were held.
    assert Image.open(tmp_path / "ours" / "images" / "held.png").size == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("names", "option", "scenes"),
    [
        (["kitchen/1.png", "hall/1.png", "hall/2.png"], "", {"kitchen", "hall"}),
        (["1.png", "2.png", "3.png"], "", {"1.png", "2.png", "3.png"}),
        (["hall_01.png", "hall_02.png", "den-1.png"], "prefix", {"hall", "den"}),
        (["01.png", "02.png", "03.png"], "prefix", {"01", "02", "03"}),
        (["a/1.png", "a/2.png", "a/3.png"], "folder", {"a"}),
    ],
)
def test_scenes_are_told_by_folder_or_name(
    tmp_path: Path, names: list[str], option: str, scenes: set[str]
) -> None:
    for i, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encode_image(coco_image(i)))
    images = [{"id": i, "file_name": name} for i, name in enumerate(names)]
    writer = imported(tmp_path, coco(tmp_path / "a.json", images, []), scenes=option)
    found = {p.scene: split for split, some in writer.splits.items() for p in some}
    assert found == {scene: split_of(scene) for scene in scenes}
    assert writer.added == 3
    assert any("scenes are not named" in line for line in writer.notes.lines) == (not option)


def test_two_images_with_one_id_are_refused(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]
    with pytest.raises(LearningError, match="two images have the id 1"):
        imported(tmp_path, coco(tmp_path / "a.json", images, []))


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


@pytest.mark.parametrize("mark", [{"segmentation": []}, {}, {"segmentation": None}])
def test_an_image_with_a_box_but_no_mask_of_a_thing_teaches_nothing(
    tmp_path: Path, mark: dict[str, object]
) -> None:
    """Whoever learned from it would learn that the thing is not there."""
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(encode_image(coco_image(i)))
    images = [{"id": i, "file_name": f"{i}.png"} for i in range(4)]
    drawn = {"category_id": 1, "segmentation": SQUARE}
    boxed = {"category_id": 2, "bbox": [4, 6, 8, 10], **mark}
    annotations = [
        {"image_id": 0, **drawn},
        {"image_id": 1, **drawn},
        {"image_id": 1, **boxed},
        {"image_id": 2, **boxed},
        {"image_id": 3, **boxed, "category_id": 1},
        {"image_id": 3, **drawn},
    ]
    writer = imported(tmp_path, coco(tmp_path / "a.json", images, annotations), split="train")
    dataset = Dataset(tmp_path / "ours", "train")
    assert [p.file for p in dataset.images] == ["0.png", "3.png"]
    assert dataset.phrases == ("cup",)
    left_out = [n for n in writer.notes.lines if "is left out: it shows 'box'" in n]
    assert len(left_out) == 1
    assert left_out[0].startswith("1.png is left out: it shows 'box', which no mask marks: ")
    assert left_out[0].endswith(" (2 times)")


def test_a_correction_with_a_box_alone_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    small_dataset(tmp_path, proposal=True)
    before = (tmp_path / "train.json").read_text()
    images = [{"id": 1, "file_name": "p1.png"}]
    boxed = [{"image_id": 1, "category_id": 1, "segmentation": [], "bbox": [4, 6, 8, 10]}]
    with pytest.raises(LearningError, match="corrected, but it shows 'cup', which no mask"):
        accept(tmp_path, [coco(tmp_path / "tool.json", images, boxed)], Notes())
    assert (tmp_path / "train.json").read_text() == before


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("width", "height"), [(32.0, 24.0), ("32", "24"), ("32.0", " 24 ")])
def test_numbers_and_text_are_read_as_other_tools_write_them(
    tmp_path: Path, encoding: str, width: object, height: object
) -> None:
    (tmp_path / "a.png").write_bytes(encode_image(coco_image(0)))
    images = [{"id": 7.0, "file_name": "a.png", "width": width, "height": height}]
    runs = {"size": [24.0, 32.0], "counts": [48.0, 24.0, 696.0]}
    masks = [
        {"image_id": 7, "category_id": 1.0, "segmentation": SQUARE},
        {"image_id": "7", "category_id": "2", "segmentation": runs},
    ]
    path = coco(tmp_path / "a.json", images, masks, ["kotak merah", "чашка"])
    path.write_text(path.read_text(), encoding=encoding)
    writer = imported(tmp_path, path, split="train")
    assert not any("left out" in line for line in writer.notes.lines)
    [(_, things)] = Dataset(tmp_path / "ours", "train")
    assert [(phrase, mask.sum()) for phrase, mask in things] == [("kotak merah", 80), ("чашка", 24)]


@pytest.mark.parametrize("width", [0, -3, 31.5, "wide", None, [32], "nan", "inf"])
def test_what_is_no_size_is_left_out(tmp_path: Path, width: object) -> None:
    images = [{"id": 1, "file_name": "a.png", "width": width}]
    writer = imported(tmp_path, coco(tmp_path / "a.json", images, []), split="train")
    assert "an image of a.json lacks id, file_name, width or height: left out" in writer.notes.lines
