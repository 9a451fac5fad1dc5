"""Tuning: what is new is learned, replay keeps what is old, and the robot's loader reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_shapes import DrawnShapes
from tiny_clipseg import CALIBRATION, save_tiny_checkpoint
from torch import Tensor

from vlam_ros.errors import LearningError, ModelError
from vlam_ros.learning.examples import Batch, asked
from vlam_ros.learning.finetune import (
    WEIGHTS,
    Check,
    GroundingLosses,
    Lesson,
    finetune,
    save_calibration,
)
from vlam_ros.learning.fit import FitSettings, Log
from vlam_ros.learning.grounding import Grounding, crops, measure
from vlam_ros.models import Calibration, Checkpoint, load_checkpoint
from vlam_ros.models.adapters import METHODS
from vlam_ros.models.adapters.base import fingerprints

SIZE = 32
SHAPES = DrawnShapes(size=SIZE)
SETTINGS = FitSettings(
    steps=6, rate=5e-3, warmup=1, validate_every=3, save_every=2, average=0.0, device="cpu"
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint for pictures of 32 x 32, with a calibration."""
    folder = tmp_path_factory.mktemp("base")
    save_tiny_checkpoint(folder)
    settings = folder / "processor_config.json"
    settings.write_text(settings.read_text().replace("160", str(SIZE)))
    replace(CALIBRATION, crop_size=16).save(folder)
    return folder


@pytest.fixture
def checkpoint(folder: Path) -> Checkpoint:
    return load_checkpoint(folder, "cpu", "float32")


def tune(checkpoint: Checkpoint, out: Path, method: str = "lora", **options: Any) -> Any:
    settings = options.pop("settings", SETTINGS)
    return finetune(checkpoint, SHAPES, out, settings, method, phrases=SHAPES.phrases, **options)


def masks(checkpoint: Checkpoint, batch: Batch) -> Tensor:
    grounding = Grounding.of(checkpoint)
    with torch.no_grad():
        texts = grounding.read(batch.phrases)
        states = grounding.see(batch.pixels)
        return grounding.masks(states, texts[batch.asked], batch.pictures)


def losses(checkpoint: Checkpoint, batch: Batch) -> dict[str, float]:
    with torch.no_grad():
        task = GroundingLosses(Grounding.of(checkpoint), 16)
        return {name: loss.item() for name, loss in task(Lesson(batch)).items()}


@pytest.mark.parametrize("method", METHODS)
def test_the_loader_reads_what_was_tuned(
    method: str, checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    batch = SHAPES.batch(0)
    plain, before = masks(checkpoint, batch), losses(checkpoint, batch)
    tuned = tune(checkpoint, tmp_path, method)
    learned, after = masks(checkpoint, batch), losses(checkpoint, batch)
    assert (learned - plain).abs().max() > 0.01
    assert sum(w * (after[name] - before[name]) for name, w in WEIGHTS.items()) < 0
    again = load_checkpoint(folder, "cpu", "float32", adapter=tmp_path)
    assert (masks(again, batch) - learned).abs().max() < 1e-4
    assert again.calibration is not None
    assert again.calibration.vocabulary == ("red", "cup", "star", "ball", "box", "blue")
    assert again.calibration.mask_threshold == CALIBRATION.mask_threshold
    # Nothing counts as found before it has been calibrated, by the second look or without.
    assert (again.calibration.crop_threshold, again.calibration.margin) == (1.0, 1.0)
    tuned.adaptation.remove()
    assert (masks(checkpoint, batch) - plain).abs().max() == 0.0


def test_a_stopped_tuning_ends_as_an_unbroken_one(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    class Stopping(DrawnShapes):
        def batch(self, step: int) -> Batch:
            if step == 3:
                raise Stopped
            return super().batch(step)

    check = Check(DrawnShapes(size=SIZE, count=2, first=50).all())
    tune(checkpoint, tmp_path / "one", check=check)
    again = load_checkpoint(folder, "cpu", "float32")
    with pytest.raises(Stopped):
        finetune(again, Stopping(size=SIZE), tmp_path / "two", SETTINGS, phrases=SHAPES.phrases,
                 check=check)  # fmt: skip
    resumed = load_checkpoint(folder, "cpu", "float32")
    result = tune(resumed, tmp_path / "two", check=check)
    assert result.fit.steps == 6
    files = [tmp_path / name / "adapter.safetensors" for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_terms_of_old_and_new_count_by_their_share_of_the_pictures(
    checkpoint: Checkpoint,
) -> None:
    new, old = SHAPES.batch(0), DrawnShapes(size=SIZE, pictures=6, first=20).batch(1)
    task = GroundingLosses(Grounding.of(checkpoint), 16)
    with torch.no_grad():
        both = {name: loss.item() for name, loss in task(Lesson(new, old)).items()}
    assert set(both) == {*WEIGHTS, *(f"old_{name}" for name in WEIGHTS)}
    for name, loss in losses(checkpoint, new).items():
        assert both[name] == pytest.approx(0.25 * loss, rel=1e-5)
    for name, loss in losses(checkpoint, old).items():
        assert both[f"old_{name}"] == pytest.approx(0.75 * loss, rel=1e-5)


def test_replay_keeps_what_the_new_pictures_would_undo(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    """New pictures say that nothing is anywhere; old ones that all is "red"."""

    class All:
        def __init__(self, phrase: str, there: bool) -> None:
            self.phrase, self.there = phrase, there

        def batch(self, step: int) -> Batch:
            pixels = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(step))
            answer = torch.full((2, SIZE, SIZE), self.there)
            return asked(pixels, (self.phrase,) * 2, torch.arange(2), answer)

    new, old = All("cup", False), All("red", True)
    settings = replace(SETTINGS, steps=30, rate=1e-2)

    def old_iou(name: str, **options: Any) -> float:
        own = load_checkpoint(folder, "cpu", "float32")
        tuned = finetune(own, new, tmp_path / name, settings, phrases=("cup",),
                         check=Check(old=[old.batch(99)]), **options)  # fmt: skip
        return tuned.after["old"].iou

    assert old_iou("without") < 0.2
    assert old_iou("with", replay=old) > 0.5


def test_the_balance_of_all_terms_is_learned(checkpoint: Checkpoint, tmp_path: Path) -> None:
    tune(checkpoint, tmp_path, replay=SHAPES, balanced=True)
    records = [r for r in Log(tmp_path / "run").records() if "weight" in r]
    names = {*WEIGHTS, *(f"old_{name}" for name in WEIGHTS)}
    assert set(records[-1]["weight"]) == names
    assert all(records[-1]["weight"][name] != 0.5 for name in names)


def test_cosines_are_logged_by_tower(checkpoint: Checkpoint, tmp_path: Path) -> None:
    tune(checkpoint, tmp_path, settings=replace(SETTINGS, steps=1, cosines_every=1))
    cosines = next(r["cosine"] for r in Log(tmp_path / "run").records() if "cosine" in r)
    assert {name.split("/")[0] for name in cosines} == {"vision", "text"}
    assert "vision/masks/crops" in cosines


def test_what_cannot_be_tuned_is_refused(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(LearningError, match=r"weights of \['regions'\]"):
        tune(checkpoint, tmp_path, weights={"regions": 1.0})
    with pytest.raises(ModelError, match="the method must be one of"):
        tune(checkpoint, tmp_path, "lorax")
    half = load_checkpoint(folder, "cpu", "bfloat16")
    with pytest.raises(LearningError, match="tuned in float32, got bfloat16"):
        tune(half, tmp_path)
    # Nothing that failed has changed the model.
    tuned = tune(checkpoint, tmp_path, settings=replace(SETTINGS, steps=1))
    tuned.adaptation.remove()
    assert fingerprints(checkpoint.model) == tuned.adaptation.base_prints


def test_crops_hold_the_object_and_all_phrases_that_are_true_of_it() -> None:
    masks = torch.zeros(4, 40, 40)
    masks[0, 10:20, 4:10] = masks[1, 10:20, 4:10] = 1  # two names of one object
    masks[2, 30:38, 30:38] = 1  # another one; the fourth is absent
    pixels = masks[[0]].expand(3, -1, -1)[None] * 0.5
    phrases = ("cup", "red cup", "box", "cup")
    batch = asked(pixels, (*phrases[:3], "ball"), torch.zeros(4, dtype=torch.long), masks)
    cut, positives = crops(batch, 30)
    assert cut.shape == (3, 3, 30, 30)
    assert positives.tolist() == [[True, True, False, False]] * 2 + [[False, False, True, False]]
    # 10 rows high: the crop's side is 15 pixels, each of which becomes two.
    shown = cut[0, 0] > 0.25
    assert shown.sum().item() == pytest.approx(20 * 12, rel=0.02)
    rows, columns = shown.nonzero().float().mean(0).tolist()
    assert (rows, columns) == pytest.approx((14.5, 14.5), abs=0.6)
    assert crops(asked(pixels, ("cup",), torch.tensor([0]), masks[3:]), 30)[0].shape[0] == 0


def test_figures_are_of_masks_and_crops() -> None:
    """With a model that finds "box" everywhere and all else nowhere."""

    class Everywhere(Grounding):
        def read(self, phrases: Any) -> Tensor:
            return torch.tensor([[1.0, 0.0] if p == "box" else [0.0, 1.0] for p in phrases])

        def see(self, pixels: Tensor, size: int | None = None, patches: bool = False) -> Any:
            from vlam_ros.models.clipseg import VisionStates

            return VisionStates((), torch.tensor([[[1.0, 0.2]]]).expand(len(pixels), 1, 2))

        def masks(self, states: Any, texts: Tensor, pictures: Tensor) -> Tensor:
            return (20 * texts[:, 0] - 10)[:, None, None].expand(-1, 8, 8)

    from types import SimpleNamespace

    model: Any = torch.nn.Linear(1, 1)
    model.device = torch.device("cpu")
    grounding = Everywhere(model, None, SimpleNamespace(size=8))  # type: ignore[arg-type]
    masks = torch.zeros(4, 8, 8)
    masks[0, :4] = 1
    masks[1, 4:] = 1
    pixels = torch.zeros(2, 3, 8, 8)
    batch = asked(pixels, ("box", "cup", "box", "cup"), torch.tensor([0, 0, 1, 1]), masks)
    figures = measure(grounding, [batch], 8)
    assert figures.numbers() == {"iou": 0.25, "false_alarms": 0.5, "crops": 0.5}
    assert figures.phrases == ("box", "cup")
    assert figures.confusion.tolist() == [[1, 0], [1, 0]]


def test_a_base_without_calibration_gets_none(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_calibration(replace(checkpoint, calibration=None), ["cup"], tmp_path)
    assert Calibration.load(tmp_path) is None
    known = replace(CALIBRATION, vocabulary=None)
    save_calibration(replace(checkpoint, calibration=known), ["cup"], tmp_path)
    kept = Calibration.load(tmp_path)
    assert kept is not None
    assert kept.vocabulary is None
