"""`vlam data`: from bags, folders and simulation to something one can learn from."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from coco_images import SQUARE, coco, coco_image, small_dataset
from replay_jobs import BAGS

from vlam_ros.errors import BagError, LearningError
from vlam_ros.lab.cli import data
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.from_bag import add_bag
from vlam_ros.lab.training.data.index import SPLITS, split_of
from vlam_ros.lab.training.data.writer import DatasetWriter


def vlam(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    data.add_parser(parser.add_subparsers(dest="command"))
    options = parser.parse_args(["data", *map(str, arguments)])
    code: int = options.run(options)
    return code


def test_the_choices_are_those_of_the_library() -> None:
    from vlam_ros.lab.training.data.imported import SCENES

    assert data.SPLITS == SPLITS
    assert set(data.SCENES) == set(SCENES)


def test_frames_of_a_bag_come_with_proposals_and_are_corrected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    assert vlam("from-bag", BAGS / "pick_and_place", "--frames", 4, "--out", out) == 0
    split = split_of("pick_and_place-000")
    told = capsys.readouterr().out
    assert "added 4 images" in told
    assert "4 await correction" in told
    proposals = Dataset(out, split, proposals=True)
    assert {p.scene for p in proposals.images} == {"pick_and_place-000"}
    for image, masks in proposals:
        assert image.shape == (240, 320, 3)
        ball = dict(masks)["orange ball"]
        red, green, blue = image[ball].mean(axis=0)
        assert red > 1.4 * green > 2 * blue
    annotation = proposals.images[0].annotations[0]
    assert annotation.proposal
    assert annotation.score is not None
    assert 0.5 < annotation.score <= 1
    assert isinstance(annotation.segmentation, list)

    assert len(Dataset(out, split)) == 0
    assert vlam("accept", out) == 0
    assert len(Dataset(out, split)) == 4
    assert f"4 images of {out} are corrected" in capsys.readouterr().out

    assert (
        vlam("from-bag", BAGS / "pick_and_place", "--frames", 4, "--no-proposals", "--out", out)
        == 0
    )
    told = capsys.readouterr().out
    assert "is the same image as pick_and_place-000000.png: left out (4 times)" in told
    assert "added 0 images" in told


def test_frames_alike_are_left_out_and_the_others_spread_over_the_bag(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "still", "a test") as writer:
        add_bag(writer, BAGS / "loop", None)
    assert writer.added == 1
    assert writer.notes.lines[-1] == "a frame is much like another one and left out (11 times)"
    with DatasetWriter(tmp_path / "turning", "a test") as writer:
        add_bag(writer, BAGS / "pick_and_place", None, count=5)
    [images] = [some for some in writer.splits.values() if some]
    numbers = [int(p.file[-10:-4]) for p in images]
    assert numbers == [0, 6, 11, 16, 21]
    assert all(p.awaits_correction and not p.annotations for p in images)


def test_what_to_look_for_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(LearningError, match="--phrases"):
        vlam("from-bag", BAGS / "foreign.mcap", "--out", tmp_path / "set")
    assert not (tmp_path / "set").exists()
    with pytest.raises(BagError):
        vlam("from-bag", tmp_path / "none", "--out", tmp_path / "set")


def test_a_folder_becomes_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = []
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(encode_image(coco_image(i)))
        images.append({"id": i, "file_name": f"{i}.png"})
    masks = [{"image_id": i, "category_id": 1, "segmentation": SQUARE} for i in range(3)]
    file, out = coco(tmp_path / "a.json", [*images, {"id": 9, "file_name": "x"}], masks), "set"
    arguments = ["from-folder", tmp_path, "--annotations", file, "--out", tmp_path / out]
    assert vlam(*arguments, "--split", "validation") == 0
    told = capsys.readouterr().out
    assert "note: x is left out: cannot read it" in told
    assert "added 3 images" in told
    assert "now 0 train, 3 validation, 0 test" in told
    assert "no scene is for train yet" in told
    with pytest.raises(LearningError, match="no folder"):
        vlam("from-folder", file, "--annotations", file, "--out", tmp_path / out)


def test_simulation_renders_each_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--train", 2, "--validation", 1, "--test", 0]
    assert vlam("from-simulation", "--extra", *sizes, "--out", tmp_path) == 0
    assert "now 2 train, 1 validation, 0 test" in capsys.readouterr().out
    assert Dataset(tmp_path, "train").images[1].annotations[0].phrase == "star"


def test_a_check_counts_and_fails_for_a_broken_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_dataset(tmp_path)
    assert vlam("check", tmp_path) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "train       6 images of 6 scenes, 0 to correct, 0 broken"
    assert told[1].split() == ["box", "in", "3"]
    changed = np.zeros((24, 32, 3), np.uint8)
    (tmp_path / "images" / "p0.png").write_bytes(encode_image(changed))
    assert vlam("check", tmp_path) == 1
    assert "p0.png has changed since it was added" in capsys.readouterr().out


def test_corrections_are_read_from_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_dataset(tmp_path / "set", proposal=True)
    drawn = [{"image_id": 3, "category_id": 1, "segmentation": SQUARE}]
    file = coco(tmp_path / "tool.json", [{"id": 3, "file_name": "p1.png"}], drawn)
    assert vlam("accept", tmp_path / "set", file) == 0
    assert "1 images of" in capsys.readouterr().out
    document = json.loads((tmp_path / "set" / "train.json").read_text())
    assert sum("proposal" in image for image in document["images"]) == 5
