"""Distillation: a student is trained to see, read and mask as a larger CLIPSeg does.

The teacher can be any checkpoint, the student a smaller embedded model (`new_student`) or any
CLIPSeg. What is learned from is images and phrases; the teacher says the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.examples import Batch, Batches
from vlam_ros.lab.training.finetune import parts_of
from vlam_ros.lab.training.fit import Fit, FitResult, FitSettings
from vlam_ros.lab.training.grounding import (
    NOTHING,
    Grounding,
    ValidationBatches,
    cosines,
    fitted,
    measure,
)
from vlam_ros.lab.training.objectives import (
    feature_distillation,
    logit_distillation,
    logit_scale,
    mask_distillation,
    rwm_loss,
)
from vlam_ros.lab.training.recipe import (
    MEAN,
    STD,
    Recipe,
    build_model,
    build_processor,
    build_tokenizer,
    provisional,
    save_model,
)
from vlam_ros.perception.clipseg import Checkpoint, TorchBackend
from vlam_ros.perception.clipseg.adapters.attach import fingerprint
from vlam_ros.perception.clipseg.preprocess import Preprocessing

WEIGHTS: Mapping[str, float] = {
    "images": 1.0, "patches": 1.0, "texts": 1.0, "logits": 0.5, "masks": 1.0, "truth": 0.0,
}  # fmt: skip
"""λ of the terms: the features of images, patches and texts, the similarities of images with
texts, the masks, and the masks of the data itself (region-word matching).
"""
TEMPERATURE = 2.0
COMMAND = "vlam train distil"


class DistillationLosses(nn.Module):
    """The loss terms of a batch. The teacher is no part of the module, so it is neither trained nor
    kept; a linear layer that goes with the training takes the student's features into its space.
    """

    def __init__(self, teacher: Grounding, student: Grounding) -> None:
        super().__init__()
        self.student = student
        own, other = (g.model.config.projection_dim for g in (student, teacher))
        self.projection = nn.Linear(own, other, bias=False)
        # A list hides it from the module's parameters.
        self._teacher = [teacher]
        teacher.model.requires_grad_(False).eval()

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        (teacher,), student = self._teacher, self.student
        with torch.no_grad():
            teacher.model.to(batch.pixels.device)
            their_texts = teacher.read(batch.phrases)
            theirs = teacher.see(batch.pixels, patches=True)
            their_masks = teacher.masks(theirs, their_texts[batch.asked], batch.images)
        texts = student.read(batch.phrases)
        states = student.see(batch.pixels, patches=True)
        masks = student.masks(states, texts[batch.asked], batch.images)
        patches = _on_grid(theirs.tokens[:, 1:], states.tokens.shape[1] - 1)
        own = self.projection(states.tokens)
        return {
            "images": feature_distillation(own[:, 0], theirs.embedding),
            "patches": feature_distillation(own[:, 1:].flatten(0, 1), patches.flatten(0, 1)),
            "texts": feature_distillation(self.projection(texts), their_texts),
            "logits": logit_distillation(
                _similarities(student, states.embedding, texts),
                _similarities(teacher, theirs.embedding, their_texts),
                TEMPERATURE,
            ),
            "masks": mask_distillation(
                masks.float(), fitted(their_masks.float(), masks), TEMPERATURE
            ),
            "truth": rwm_loss(masks, fitted(batch.masks, masks)),
        }


def distil(
    teacher: Checkpoint,
    student: Checkpoint,
    batches: Batches,
    folder: Path,
    settings: FitSettings,
    *,
    phrases: Sequence[str],
    check: ValidationBatches = NOTHING,
    about: str = "",
) -> FitResult:
    """Train the student and write it as a Hugging Face folder, or go on where a run was stopped.

    Args:
        teacher: any CLIPSeg; it stays as it is.
        student: a CLIPSeg in float32, trained or new, which is changed.
        batches: of images and phrases; their masks count with the weight "truth" only.
        folder: gets the student, and the run's state in `run`.
        phrases: all that the batches ask for, the student's vocabulary.
        check: batches to validate with, against their own masks.
        about: what the batches are made of; a stopped run goes on with the same alone.

    Raises:
        LearningError: the student is not in float32, or as for `Fit`.
        ModelError: one of both is an exported checkpoint.
    """
    own = Grounding(student)
    if own.model.dtype != torch.float32:
        raise LearningError(f"a student is trained in float32, got {own.model.dtype}: load it so")
    # The layer between both begins the same in every session.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        task = DistillationLosses(Grounding(teacher), own)
    own.model.requires_grad_(True)
    made_of = [fingerprint(c.model, "float32")[:12] for c in (teacher, student)]
    fit = Fit(
        task,
        batches,
        WEIGHTS,
        settings,
        folder / "run",
        (lambda: measure(own, check).numbers()) if check.shows_any else None,
        parts_of(own.model),
        f"{made_of[0]} to {made_of[1]} by {dict(WEIGHTS)}, temperature {TEMPERATURE:g}, "
        f"{sorted(phrases)}, {about}",
    )
    result = fit.run()
    if fit.writes:
        save_model(student.model, student.processor, folder)
        words = dict.fromkeys(chain.from_iterable(phrase.split() for phrase in phrases))
        provisional(student.model, student.crop_size, words, COMMAND).save(folder)
    return result


def new_student(recipe: Recipe) -> Checkpoint:
    tokenizer = build_tokenizer(recipe)
    model = build_model(recipe, tokenizer).eval()
    return Checkpoint(
        backend=TorchBackend(model),
        config=model.config,
        processor=build_processor(recipe, tokenizer),
        preprocessing=Preprocessing(recipe.model.image_size, MEAN, STD),
        calibration=provisional(model, recipe.model.crop_size, ("anything",), COMMAND),
        name=f"a new student with seed {recipe.seed}",
    )


def _similarities(grounding: Grounding, images: Tensor, texts: Tensor) -> Tensor:
    return logit_scale(grounding.model.clip.logit_scale) * cosines(images, texts)


def _on_grid(patches: Tensor, count: int) -> Tensor:
    """Patch tokens float[B,N,D] of a square grid, averaged or interpolated to `count` of them."""
    if patches.shape[1] == count:
        return patches
    old, new = math.isqrt(patches.shape[1]), math.isqrt(count)
    grid = patches.float().transpose(1, 2).unflatten(-1, (old, old))
    small = functional.interpolate(
        grid, (new, new), mode="bilinear", antialias=True, align_corners=False
    )
    return small.flatten(2).transpose(1, 2)
