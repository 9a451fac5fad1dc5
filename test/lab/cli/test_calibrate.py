"""`vlam calibrate` writes whole calibrations to places of one's own, or says what to do."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coco_images import coco_image
from sensed_bag import sensed_bag
from tiny_clipseg import CALIBRATION, save_tiny_checkpoint

from vlam_ros.cli.main import main
from vlam_ros.lab.evaluation.task_counts import Share
from vlam_ros.lab.evaluation.thresholds import Calibrated
from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.writer import DatasetWriter
from vlam_ros.perception.clipseg import Calibration, load_checkpoint
from vlam_ros.perception.clipseg.loader import EMBEDDED

TOLD = Calibrated(CALIBRATION, Share(90, 100), Share(1, 100), Share(5, 100), {}, ("cup", "mug"))
Asked = list[tuple[Any, ...]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """What was to be calibrated: model, scenes, adapter, data, skills, views, cache, generators."""
    calls: Asked = []

    def calibrate(model: Any, scenes: int, **options: Any) -> Calibrated:
        calls.append((model, scenes, *options.values()))
        return TOLD

    monkeypatch.setattr("vlam_ros.lab.evaluation.calibrate.calibrate", calibrate)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return calls


def test_calibration_is_kept_beside_the_checkpoint(
    asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, cache = tmp_path / "model", tmp_path / "kept"
    folder.mkdir()
    options = ["--scenes", "5", "--data", "cups", "old", "--cache", str(cache)]
    assert main(["calibrate", str(folder), *options]) == 0
    data = [Path("cups"), Path("old")]
    assert asked == [(folder, 5, "", data, "", None, cache / "calibrate", [])]
    assert Calibration.load(folder) == CALIBRATION
    assert [path.name for path in folder.iterdir()] == ["calibration.json"]
    said = capsys.readouterr().out
    assert "confirmed, of what is there: 90.0 % [82.6, 94.5] of 100" in said
    assert "false alarms, of what is not: 1.0 % [0.2, 5.4] of 100" in said
    assert "perception.nouns: [cup, mug]" in said


def test_thresholds_of_a_tuned_checkpoint_are_kept_beside_the_adapter(
    asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    base.mkdir()
    assert main(["calibrate", str(base), "--adapter", str(tuned)]) == 2
    assert "no folder of an adapter" in capsys.readouterr().err
    tuned.mkdir()
    assert main(["calibrate", str(base), "--adapter", str(tuned)]) == 0
    assert asked[0][:5] == (base, 300, tuned, [], "")
    assert Calibration.load(tuned) == CALIBRATION
    assert not list(base.iterdir())


def test_a_checkpoint_without_a_folder_cannot_be_calibrated(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", "CIDAS/clipseg-rd64-refined"]) == 2
    assert "download it to a folder" in capsys.readouterr().err
    assert not asked


@pytest.mark.parametrize("name", ["embedded", str(EMBEDDED), "link"])
@pytest.mark.parametrize("more", [[], ["--data", "kitchen"]])
def test_nothing_is_written_into_the_package(
    asked: Asked,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    more: list[str],
) -> None:
    (tmp_path / "link").symlink_to(EMBEDDED)
    before = {path: path.read_bytes() for path in EMBEDDED.iterdir() if path.is_file()}
    model = str(tmp_path / "link") if name == "link" else name
    assert main(["calibrate", model, *more]) == 2
    assert "give --out FOLDER" in capsys.readouterr().err
    assert main(["calibrate", model, *more, "--out", str(EMBEDDED / "mine")]) == 2
    assert "installed package" in capsys.readouterr().err
    assert not asked
    assert {path: path.read_bytes() for path in EMBEDDED.iterdir() if path.is_file()} == before


def test_a_copy_is_complete_and_loads_as_the_model(asked: Asked, tmp_path: Path) -> None:
    out = tmp_path / "copies" / "mine"
    assert main(["calibrate", "embedded", "--out", str(out)]) == 0
    copy, shipped = load_checkpoint(out, "cpu"), load_checkpoint("embedded", "cpu")
    assert copy.calibration == CALIBRATION
    assert copy.calibration.familiarity is None
    mine, theirs = copy.model.state_dict(), shipped.model.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(bool((mine[name] == theirs[name]).all()) for name in mine)
    assert [path.name for path in out.parent.iterdir()] == ["mine"]
    # What is there is not overwritten, and it is said before the work is done.
    assert main(["calibrate", "embedded", "--out", str(out)]) == 2
    assert len(asked) == 1


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    asked: Asked,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("vlam_ros.lab.saving.TemporaryFile", refuse)
    assert main(["calibrate", str(tmp_path)]) == 2
    assert "Permission denied; give --out FOLDER" in capsys.readouterr().err
    assert not asked


def test_a_write_that_fails_leaves_the_thresholds_as_they_were(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    dataclasses.replace(CALIBRATION, margin=0.77).save(folder)
    before = (folder / "calibration.json").read_bytes()
    save: Callable[..., Path] = Calibration.save

    def half(self: Calibration, to: str | Path) -> Path:
        path = save(self, to)
        path.write_bytes(path.read_bytes()[:40])
        raise KeyboardInterrupt

    monkeypatch.setattr(Calibration, "save", half)
    main(["calibrate", str(folder)])
    assert (folder / "calibration.json").read_bytes() == before
    assert os.listdir(folder) == ["calibration.json"]


def test_an_untrained_checkpoint_on_one_image_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_tiny_checkpoint(tmp_path / "tiny")
    with DatasetWriter(tmp_path / "kitchen", "a test") as writer:
        writer.add(encode_image(coco_image(0)), "scene", "one", [], split="validation")
    for options in (["--scenes", "1"], ["--data", str(tmp_path / "kitchen")]):
        assert main(["calibrate", str(folder), *options]) == 2
        assert "images are missing: give more" in capsys.readouterr().err
    assert not (folder / "calibration.json").exists()


def test_a_bag_and_words_are_enough(
    asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, model = sensed_bag(tmp_path / "drive.mcap", 2.0, {}), tmp_path / "model"
    model.mkdir()
    words = ["--absent", "red cup", "blue box", "--present", "green box"]
    assert main(["calibrate", str(model), "--bag", str(bag), *words]) == 0
    views = asked[0][5]
    # A robot that turns by 12 degrees in ten images.
    assert views.seen == 10
    assert 1 <= len(views.images) < 10
    assert (views.absent, views.present) == (("red cup", "blue box"), ("green box",))
    assert f"{len(views.images)} of 10 images are views of their own" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--absent", "red cup"], "give one"),
        (["--images", "kitchen", "--absent", "cup", "--data", "mugs"], "one or the other"),
        (["--images", "nowhere", "--absent", "cup"], "has no images"),
    ],
)
def test_words_without_images_are_refused(
    asked: Asked,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert main(["calibrate", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err
    assert not asked
