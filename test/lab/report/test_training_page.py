"""The page of a training, and the jobs that write it: from a data set to what is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from drawn_shapes import drawn_image
from tiny_clipseg import CALIBRATION, save_tiny_checkpoint

from vlam_ros.errors import LearningError
from vlam_ros.lab.report.training_page import Example, TrainingReport, write_report
from vlam_ros.lab.training.data.index import Annotation
from vlam_ros.lab.training.data.segmentation import encode
from vlam_ros.lab.training.data.writer import DatasetWriter
from vlam_ros.lab.training.fit import FitSettings, Log
from vlam_ros.lab.training.fit.processes import SingleProcess
from vlam_ros.lab.training.grounding import Metrics
from vlam_ros.lab.training.jobs import distil_folder, finetune_folder
from vlam_ros.perception.clipseg import load_checkpoint

SETTINGS = FitSettings(
    steps=3, rate=5e-3, warmup=1, validate_every=2, save_every=2, cosines_every=1, device="cpu"
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets of the same eight images, of which three are to validate with.

    "new" has their stars, "old" all other shapes.
    """
    folder = tmp_path_factory.mktemp("data")
    for part in ("new", "old"):
        with DatasetWriter(folder / part, "a test") as writer:
            for number in range(8):
                image, labels = drawn_image(number, 64)
                _, png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
                annotations = [
                    Annotation(name, encode(mask))
                    for name, mask in labels
                    if " " not in name and (name == "star") == (part == "new")
                ]
                writer.add(
                    png.tobytes(), f"scene {number}", f"p{number}", annotations,
                    split="train" if number < 5 else "validation",
                )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    save_tiny_checkpoint(folder)
    settings = folder / "processor_config.json"
    settings.write_text(settings.read_text().replace("160", "32"))
    replace(CALIBRATION, crop_size=16).save(folder)
    return folder


def test_tuning_a_folder_leaves_an_adapter_and_a_page(
    data: Path, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tuned"
    told = finetune_folder(str(base), data / "new", out, SETTINGS, "bitfit", replay=data / "old")
    assert re.search(r"^new: IoU 0\.\d{3} before, 0\.\d{3} after$", told, re.MULTILINE)
    assert re.search(r"^old: IoU 0\.\d{3} before, 0\.\d{3} after$", told, re.MULTILINE)
    again = load_checkpoint(base, "cpu", "float32", adapter=out)
    assert again.calibration is not None
    assert again.calibration.vocabulary == ("red", "cup", "star")
    page = (out / "report.html").read_text()
    assert "bitfit: " in page
    assert "<h2>Confusion of crops</h2>" in page
    assert page.count("<figure>") == 3  # one for each image, none twice
    assert "perception.nouns: [box, ball, cylinder, capsule, plate, cup, cone, star]" in told
    assert all(link.startswith("data:") for link in re.findall(r'(?:src|href)="([^"]+)', page))
    # It is done already: a second call only writes the page again.
    steps = len(Log(out / "run").records())
    (out / "report.html").unlink()
    finetune_folder(str(base), data / "new", out, SETTINGS, "bitfit", replay=data / "old")
    assert len(Log(out / "run").records()) == steps
    assert (out / "report.html").is_file()


def test_tuning_names_what_the_split_leaves_out_and_prints_no_nan(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cups are in no image for validation, balls in none for training."""
    data, out = tmp_path / "data", tmp_path / "tuned"
    with DatasetWriter(data, "a test") as writer:
        for number, name in enumerate(("cup", "cup", "star", "ball", None)):
            image, labels = drawn_image(number, 64)
            _, png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            own = [Annotation(name, encode(labels[0][1]))] if name else []
            split = "train" if number < 3 else "validation"
            writer.add(png.tobytes(), f"scene {number}", f"p{number}", own, split=split)
    told = finetune_folder(str(base), data, out, SETTINGS, "bitfit")
    assert "no image for validation shows 'cup', so nothing tells how well it is learned" in told
    assert "no image for validation shows 'star'" in told
    assert "no image for training shows 'ball', so it is not learned" in told
    assert f"nothing counts as found until `vlam calibrate {base} --adapter {out}`" in told
    said = capsys.readouterr()
    assert not re.search(r"\bnan\b", told + said.out + said.err, re.IGNORECASE)
    assert re.search(r"^new: IoU . before, . after$", told, re.MULTILINE)


def test_one_process_of_a_run_writes_all_files(
    data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SingleProcess, "rank", 1)
    told = finetune_folder(str(base), data / "new", tmp_path, SETTINGS, "bitfit")
    assert "new: IoU" in told
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    distil_folder(str(base), str(base), data / "new", tmp_path, SETTINGS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_distilling_a_folder_leaves_a_checkpoint_and_a_page(
    data: Path, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "small"
    told = distil_folder(str(base), str(base), data / "old", out, SETTINGS, images=2)
    assert re.search(r"^data: IoU 0\.\d{3} before, 0\.\d{3} after$", told, re.MULTILINE)
    assert load_checkpoint(out, "cpu", "float32").calibration is not None
    assert "Distillation" in (out / "report.html").read_text()


def test_a_folder_without_names_is_refused(base: Path, tmp_path: Path) -> None:
    image, _ = drawn_image(0, 48)
    _, png = cv2.imencode(".png", image)
    with DatasetWriter(tmp_path / "empty", "a test") as writer:
        writer.add(png.tobytes(), "a scene", "a name", [], split="train")
    with pytest.raises(LearningError, match="names nothing in its images for train"):
        finetune_folder(str(base), tmp_path / "empty", tmp_path / "out", SETTINGS, "lora")


def test_the_page_says_what_was_measured_and_escapes_what_it_shows(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for step in (0, 2, 4):
        log.add({"step": step, "loss": {"masks": 1.0 / (1 + step)}, "validation": {"iou": 0.1}})
    image, labels = drawn_image(1, 48)
    truth = dict(labels)["star"]
    shown = [
        Example("<star>", image, truth, truth),
        Example("box", image, truth & False, truth & False),
        Example("cup", image, truth & False, truth),
    ]
    confusion = torch.tensor([[3, 1], [0, 2]])
    was = Metrics(0.25, 0.5, float("nan"), (), torch.zeros(0, 0))
    figures = Metrics(0.75, 0.0, 5 / 6, ("box", "star"), confusion)
    report = TrainingReport("A & B", {"model": "x"}, {"new": was}, {"new": figures}, shown)
    write_report(report, tmp_path, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<title>A &amp; B</title>" in page
    assert "new: iou</th><td>0.250</td><td><b>0.750</b>" in page
    assert "new: crops</th><td>–</td><td><b>0.833</b>" in page
    assert "<q>&lt;star&gt;</q> IoU 1.00" in page
    assert "<q>box</q> absent, not found" in page
    assert "<q>cup</q> absent, false alarm" in page
    assert re.findall(r'--share:(\d+)%">(\d*)<', page) == [
        ("75", "3"), ("25", "1"), ("0", ""), ("100", "2"),
    ]  # fmt: skip
