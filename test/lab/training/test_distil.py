"""Distillation: the student comes closer to the teacher, which stays, and is a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_shapes import PHRASES, DrawnShapes
from tiny_clipseg import VISION, save_tiny_checkpoint
from torch import Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.distil import WEIGHTS, DistillationLosses, distil, new_student
from vlam_ros.lab.training.examples import Batch
from vlam_ros.lab.training.fit import FitSettings
from vlam_ros.lab.training.grounding import Grounding, ValidationBatches
from vlam_ros.lab.training.objectives import rwm_loss
from vlam_ros.lab.training.recipe import Recipe
from vlam_ros.perception.clipseg import Checkpoint, load_checkpoint
from vlam_ros.perception.clipseg.adapters.attach import fingerprint

SHAPES = DrawnShapes(size=32)
SETTINGS = FitSettings(steps=8, rate=3e-3, warmup=1, save_every=4, average=0.0, device="cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A teacher for 32 x 32 pixels, and a student of another width for 16 x 16."""
    root = tmp_path_factory.mktemp("models")
    small = {**VISION, "hidden_size": 32, "num_hidden_layers": 2, "image_size": 160}
    save_tiny_checkpoint(root / "teacher")
    save_tiny_checkpoint(root / "student", vision_config=small, extract_layers=[0, 1],
                         projection_dim=24)  # fmt: skip
    for name, size in (("teacher", 32), ("student", 16)):
        settings = root / name / "processor_config.json"
        settings.write_text(settings.read_text().replace("160", str(size)))
    return {name: root / name for name in ("teacher", "student")}


@pytest.fixture
def teacher(folders: dict[str, Path]) -> Checkpoint:
    return load_checkpoint(folders["teacher"], "cpu", "float32")


@pytest.fixture
def student(folders: dict[str, Path]) -> Checkpoint:
    return load_checkpoint(folders["student"], "cpu", "float32")


def terms(teacher: Checkpoint, student: Checkpoint, batch: Batch) -> dict[str, Tensor]:
    torch.manual_seed(0)
    task = DistillationLosses(Grounding(teacher), Grounding(student))
    losses: dict[str, Tensor] = task(batch)
    return losses


def learn(teacher: Checkpoint, student: Checkpoint, out: Path, **options: Any) -> Any:
    return distil(teacher, student, SHAPES, out, SETTINGS, phrases=PHRASES, **options)


def test_the_student_comes_closer_and_the_teacher_stays(
    teacher: Checkpoint, student: Checkpoint, tmp_path: Path
) -> None:
    before, print_before = (
        terms(teacher, student, SHAPES.batch(0)),
        fingerprint(teacher.model, "float32"),
    )
    learn(teacher, student, tmp_path)
    after = terms(teacher, student, SHAPES.batch(0))
    assert after["masks"] < 0.8 * before["masks"]
    assert after["logits"] < before["logits"]
    assert fingerprint(teacher.model, "float32") == print_before
    assert not any(parameter.requires_grad for parameter in teacher.model.parameters())


def test_every_term_moves_what_it_is_about(teacher: Checkpoint, student: Checkpoint) -> None:
    towers = {
        "images": {"vision"}, "patches": {"vision"}, "texts": {"text"},
        "logits": {"vision", "text"}, "masks": {"vision", "text", "decoder"},
        "truth": {"vision", "text", "decoder"},
    }  # fmt: skip
    student.model.requires_grad_(True)
    losses = terms(teacher, student, SHAPES.batch(0))
    assert set(losses) == set(towers) == set(WEIGHTS)
    for name, loss in losses.items():
        student.model.zero_grad()
        loss.backward(retain_graph=True)
        moved = {
            "decoder" if n.startswith("decoder") else n.split(".")[1].split("_")[0]
            for n, p in student.model.named_parameters()
            if p.grad is not None and p.grad.any() and n != "clip.logit_scale"
        }
        moved = {"vision" if part == "visual" else part for part in moved}
        assert moved == towers[name], name


def test_a_student_that_is_the_teacher_has_nothing_to_learn_but_the_projection(
    teacher: Checkpoint, folders: dict[str, Path]
) -> None:
    twin = load_checkpoint(folders["teacher"], "cpu", "float32")
    task = DistillationLosses(Grounding(teacher), Grounding(twin))
    with torch.no_grad():
        task.projection.weight.copy_(torch.eye(48))
        losses = {name: loss.item() for name, loss in task(SHAPES.batch(0)).items()}
    truth = losses.pop("truth")
    assert max(map(abs, losses.values())) < 1e-5
    batch = SHAPES.batch(0)
    with torch.no_grad():
        own = Grounding(twin)
        texts = own.read(batch.phrases)[batch.asked]
        logits = own.masks(own.see(batch.pixels), texts, batch.images)
    assert truth == pytest.approx(rwm_loss(logits, batch.masks).item(), rel=1e-5)


def test_the_student_loads_and_believes_nothing_yet(
    teacher: Checkpoint, student: Checkpoint, tmp_path: Path
) -> None:
    check = ValidationBatches(DrawnShapes(size=32, count=2, first=40).all())
    result = learn(teacher, student, tmp_path, check=check)
    assert set(result.after) == {"iou", "false_alarms", "crops"}
    again = load_checkpoint(tmp_path, "cpu", "float32")
    for a, b in zip(again.model.parameters(), student.model.parameters(), strict=True):
        assert torch.equal(a, b.half().float())
    assert again.preprocessing == student.preprocessing
    assert again.calibration is not None
    assert again.calibration.crop_threshold == 1.0
    assert again.calibration.vocabulary == ("star", "ball", "box", "blue")


def test_a_stopped_distillation_ends_as_an_unbroken_one(
    teacher: Checkpoint, student: Checkpoint, folders: dict[str, Path], tmp_path: Path
) -> None:
    class Stopping(DrawnShapes):
        def batch(self, step: int) -> Batch:
            if step == 6:
                raise KeyboardInterrupt
            return super().batch(step)

    learn(teacher, student, tmp_path / "one")
    other = load_checkpoint(folders["student"], "cpu", "float32")
    with pytest.raises(KeyboardInterrupt):
        distil(teacher, other, Stopping(size=32), tmp_path / "two", SETTINGS, phrases=PHRASES)
    resumed = load_checkpoint(folders["student"], "cpu", "float32")
    learn(teacher, resumed, tmp_path / "two")
    for a, b in zip(student.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    # Learned from these batches, it is not what would be learned from others.
    with pytest.raises(LearningError, match="has a run with another about"):
        learn(teacher, other, tmp_path / "two", about="others")
    twin = load_checkpoint(folders["student"], "cpu", "float32")
    with pytest.raises(LearningError, match="has a run with another about"):
        learn(twin, other, tmp_path / "two")


def test_a_new_student_of_a_recipe_learns_and_loads(
    teacher: Checkpoint, recipe: Recipe, tmp_path: Path
) -> None:
    student = new_student(recipe)
    assert student.preprocessing.size == 160
    distil(teacher, student, DrawnShapes(size=160, images=1), tmp_path,
           replace(SETTINGS, steps=1), phrases=PHRASES)  # fmt: skip
    again = load_checkpoint(tmp_path, "cpu", "float32")
    assert again.config.projection_dim == recipe.model.projection
    assert again.preprocessing == student.preprocessing
    assert again.tokenizer.tokenize("red cup") == ["red</w>", "cup</w>"]


def test_what_cannot_be_distilled_is_refused(
    teacher: Checkpoint, student: Checkpoint, folders: dict[str, Path], tmp_path: Path
) -> None:
    half = load_checkpoint(folders["student"], "cpu", "bfloat16")
    with pytest.raises(LearningError, match="trained in float32, got"):
        learn(teacher, half, tmp_path)
