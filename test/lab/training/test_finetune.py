"""Tuning: what is new is learned, replay keeps what is old, and the robot's loader reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_shapes import DrawnCrops, DrawnShapes
from tiny_clipseg import CALIBRATION, save_tiny_checkpoint
from torch import Tensor

from vlam_ros.configuration import Settings
from vlam_ros.errors import LearningError, ModelError
from vlam_ros.lab.training.examples import Batch, asked
from vlam_ros.lab.training.finetune import (
    RATES,
    WEIGHTS,
    GroundingLosses,
    finetune,
    save_calibration,
)
from vlam_ros.lab.training.fit import FitSettings, Log
from vlam_ros.lab.training.grounding import Grounding, ValidationBatches, measure
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.lab.training.training_batches import TrainingBatch, TuningData
from vlam_ros.perception.clipseg import Calibration, Checkpoint, load_checkpoint
from vlam_ros.perception.clipseg.adapters import METHODS
from vlam_ros.perception.clipseg.adapters.attach import fingerprints

SIZE = 32
SHAPES = DrawnShapes(size=SIZE)
CROPS = DrawnCrops(size=16)
DATA = TuningData(
    [SHAPES],
    [CROPS],
    tuple(SHAPES.phrases),
    HardNegatives(Settings.load().perception, SHAPES.phrases),
    "drawn shapes",
)
SETTINGS = FitSettings(
    steps=6, rate=5e-3, warmup=1, validate_every=3, save_every=2, average=0.0, device="cpu"
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint for images of 32 x 32, with a calibration."""
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
    data, settings = options.pop("data", DATA), options.pop("settings", SETTINGS)
    return finetune(checkpoint, data, out, settings, method, **options)


def masks(checkpoint: Checkpoint, batch: Batch) -> Tensor:
    grounding = Grounding(checkpoint)
    with torch.no_grad():
        texts = grounding.read(batch.phrases)
        states = grounding.see(batch.pixels)
        return grounding.masks(states, texts[batch.asked], batch.images)


def losses(checkpoint: Checkpoint, batch: TrainingBatch) -> dict[str, float]:
    with torch.no_grad():
        task = GroundingLosses(Grounding(checkpoint), DATA.negatives)
        return {name: loss.item() for name, loss in task(batch).items()}


def test_each_method_has_a_rate() -> None:
    assert set(RATES) == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_the_loader_reads_what_was_tuned(
    method: str, checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    batch = SHAPES.batch(0)
    plain, before = masks(checkpoint, batch), losses(checkpoint, DATA.batch(0))
    tuned = tune(checkpoint, tmp_path, method)
    learned, after = masks(checkpoint, batch), losses(checkpoint, DATA.batch(0))
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

    check = ValidationBatches(DrawnShapes(size=SIZE, count=2, first=50).all(), [CROPS.batch(50)])
    tune(checkpoint, tmp_path / "one", check=check)
    again = load_checkpoint(folder, "cpu", "float32")
    stopping = replace(DATA, images=[Stopping(size=SIZE)])
    with pytest.raises(Stopped):
        tune(again, tmp_path / "two", data=stopping, check=check)
    resumed = load_checkpoint(folder, "cpu", "float32")
    result = tune(resumed, tmp_path / "two", check=check)
    assert result.fit.steps == 6
    files = [tmp_path / name / "adapter.safetensors" for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_batch_of_several_sources_is_one(checkpoint: Checkpoint) -> None:
    """The mean over the pairs of both: terms count by what each source asks."""
    old, far = DrawnShapes(size=SIZE, images=6, first=20), DrawnCrops(size=16, count=12)
    both = losses(checkpoint, replace(DATA, images=[SHAPES, old], crops=[CROPS, far]).batch(1))
    assert set(both) == set(WEIGHTS)
    one, two = (losses(checkpoint, replace(DATA, images=[p], crops=[c]).batch(1))
                for p, c in ((SHAPES, CROPS), (old, far)))  # fmt: skip
    for name in ("masks", "crop_masks"):
        assert min(one[name], two[name]) < both[name] < max(one[name], two[name])


def test_a_phrase_that_may_be_true_of_a_thing_does_not_count_against_it(
    checkpoint: Checkpoint,
) -> None:
    """Of a thing that is called "ball" and no more nobody knows whether it is a "red ball"."""
    pixels = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    names = ("ball", "red ball", "box")
    true = torch.tensor([[True, False, False], [False, False, True]])
    batch = Batch(pixels, names, true, torch.arange(2), torch.tensor([0, 2]),
                  torch.ones(2, 16, 16))  # fmt: skip
    against = [[2], [0, 1]]
    grounding = Grounding(checkpoint)
    with torch.no_grad():
        task = GroundingLosses(grounding, HardNegatives(Settings.load().perception))
        loss = task(TrainingBatch(SHAPES.batch(0), batch))["crops"]
        states = grounding.see(pixels, 16)
        cosine = torch.cosine_similarity(
            states.embedding[:, None], grounding.read(names)[None], dim=-1
        )
        logits = grounding.model.clip.logit_scale.exp() * cosine
        expected = [
            torch.logsumexp(logits[i, [own, *others]], 0) - logits[i, own]
            for i, (own, others) in enumerate(zip((0, 2), against, strict=True))
        ]
        assert loss.item() == pytest.approx((sum(expected) / 2).item(), rel=1e-4)


def test_replay_keeps_what_the_new_images_would_undo(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    """New images say that nothing is anywhere; old ones that all is "red"."""

    class All:
        def __init__(self, phrase: str, there: bool) -> None:
            self.phrase, self.there = phrase, there

        def batch(self, step: int) -> Batch:
            pixels = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(step))
            answer = torch.full((2, SIZE, SIZE), self.there)
            return asked(pixels, (self.phrase,) * 2, torch.arange(2), answer)

    new, old = All("cup", False), All("red", True)
    settings = replace(SETTINGS, steps=30, rate=1e-2)

    def old_iou(name: str, *sources: All) -> float:
        own = load_checkpoint(folder, "cpu", "float32")
        data = replace(DATA, images=sources, phrases=("cup",))
        tuned = tune(own, tmp_path / name, data=data, settings=settings, weights={"masks": 1.0},
                     check_old=ValidationBatches([old.batch(99)]))  # fmt: skip
        return tuned.after["old"].iou

    assert old_iou("without", new) < 0.2
    assert old_iou("with", new, old) > 0.5


def test_the_balance_of_all_terms_is_learned(checkpoint: Checkpoint, tmp_path: Path) -> None:
    tune(checkpoint, tmp_path, balanced=True)
    records = [r for r in Log(tmp_path / "run").records() if "weight" in r]
    assert set(records[-1]["weight"]) == set(WEIGHTS)
    assert all(records[-1]["weight"][name] != 0.5 for name in WEIGHTS)


def test_a_check_that_shows_nothing_new_decides_nothing(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    empty = replace(SHAPES.batch(0), masks=torch.zeros(8, SIZE, SIZE),
                    positives=torch.zeros(2, 4, dtype=torch.bool))  # fmt: skip
    tuned = tune(checkpoint, tmp_path, check=ValidationBatches([empty]))
    assert tuned.fit.best_step == SETTINGS.steps
    assert tuned.fit.after == {}


def test_a_stopped_run_does_not_go_on_with_other_batches(
    checkpoint: Checkpoint, folder: Path, tmp_path: Path
) -> None:
    tune(checkpoint, tmp_path)
    again = load_checkpoint(folder, "cpu", "float32")
    with pytest.raises(LearningError, match="has a run with another about"):
        tune(again, tmp_path, data=replace(DATA, about="another"))


def test_cosines_are_logged_by_tower(checkpoint: Checkpoint, tmp_path: Path) -> None:
    tune(checkpoint, tmp_path, settings=replace(SETTINGS, steps=1, cosines_every=1))
    cosines = next(r["cosine"] for r in Log(tmp_path / "run").records() if "cosine" in r)
    assert {name.split("/")[0] for name in cosines} == {"vision", "text", "decoder"}
    assert "vision/masks/crops" in cosines
    assert "decoder/masks/crops" not in cosines


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


def test_figures_are_of_masks_and_crops() -> None:
    """With a model that finds "box" everywhere and all else nowhere."""

    class Everywhere(Grounding):
        def read(self, phrases: Any) -> Tensor:
            return torch.tensor([[1.0, 0.0] if p == "box" else [0.0, 1.0] for p in phrases])

        def see(self, pixels: Tensor, size: int | None = None, patches: bool = False) -> Any:
            from vlam_ros.perception.clipseg.model import VisionStates

            return VisionStates((), torch.tensor([[[1.0, 0.2]]]).expand(len(pixels), 1, 2))

        def masks(self, states: Any, texts: Tensor, images: Tensor) -> Tensor:
            return (20 * texts[:, 0] - 10)[:, None, None].expand(-1, 8, 8)

    from types import SimpleNamespace

    model: Any = torch.nn.Linear(1, 1)
    model.device = torch.device("cpu")
    known: Any = SimpleNamespace(model=model, tokenizer=None, preprocessing=SimpleNamespace(size=8))
    grounding = Everywhere(known)
    masks = torch.zeros(4, 8, 8)
    masks[0, :4] = 1
    masks[1, 4:] = 1
    pixels = torch.zeros(2, 3, 8, 8)
    batch = asked(pixels, ("box", "cup", "box", "cup"), torch.tensor([0, 0, 1, 1]), masks)
    close = asked(pixels, ("box", "cup"), torch.arange(2), masks[:2])
    figures = measure(grounding, ValidationBatches([batch], [close]))
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
