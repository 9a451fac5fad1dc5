"""Tuning a checkpoint to objects of one's own, by any method of `learning.adapters`.

What is new is learned from its masks, from whole pictures and from crops of the objects; batches of
what the model knows already, replayed beside it, keep that from being forgotten (Rolnick et al.
2019, experience replay).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vlam_ros.errors import LearningError
from vlam_ros.learning.adapters import apply, save_adapter
from vlam_ros.learning.balancing import UncertaintyWeighting
from vlam_ros.learning.examples import Batch, Batches
from vlam_ros.learning.fit import Fit, FitResult, FitSettings
from vlam_ros.learning.grounding import Figures, Grounding, cosines, crops, fitted, measure
from vlam_ros.learning.objectives import Schedule, logit_scale, rwm_loss, unicl_loss
from vlam_ros.models import Calibration, Checkpoint
from vlam_ros.models.adapters import FILE_NAME, Adaptation, Method
from vlam_ros.models.adapters.methods import PARTS

WEIGHTS: Mapping[str, float] = {"masks": 1.0, "pictures": 0.1, "crops": 0.3}
"""λ of the loss terms: masks, whole pictures against phrases, crops against phrases."""
REPLAYED = "old_"
"""What the names of the terms of replayed batches begin with."""


@dataclass(frozen=True)
class Lesson:
    """What a step of tuning sees: something new, and something old."""

    new: Batch
    old: Batch | None = None

    def to(self, device: torch.device) -> Lesson:
        """The same on a device."""
        return Lesson(self.new.to(device), None if self.old is None else self.old.to(device))


@dataclass(frozen=True)
class Lessons:
    """Batches of something new, and of something old beside each if there are any."""

    new: Batches
    old: Batches | None = None

    def batch(self, step: int) -> Lesson:
        """The lesson of a number."""
        return Lesson(self.new.batch(step), self.old.batch(step) if self.old else None)


class GroundingLosses(nn.Module):
    """The loss terms of a lesson.

    A term of new batches counts by their share of the pictures, the same term of old ones
    (`REPLAYED`) by theirs.
    """

    def __init__(
        self, grounding: Grounding, crop_size: int, terms: Sequence[str] = tuple(WEIGHTS)
    ) -> None:
        super().__init__()
        self.grounding, self._crop_size, self._terms = grounding, crop_size, tuple(terms)

    def forward(self, lesson: Lesson) -> dict[str, Tensor]:
        """float[] of each term."""
        new = self._losses(lesson.new)
        if lesson.old is None:
            return new
        old = self._losses(lesson.old)
        counts = [len(batch.pixels) for batch in (lesson.new, lesson.old)]
        share = counts[1] / sum(counts)
        return {name: (1 - share) * loss for name, loss in new.items()} | {
            REPLAYED + name: share * loss for name, loss in old.items()
        }

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        grounding = self.grounding
        texts = grounding.read(batch.phrases)
        states = grounding.see(batch.pixels)
        # A contrast needs something to be told from.
        contrasts = len(batch.phrases) > 1
        losses = {}
        if "masks" in self._terms:
            logits = grounding.masks(states, texts[batch.asked], batch.pictures)
            losses["masks"] = rwm_loss(logits, fitted(batch.masks, logits))
        if "pictures" in self._terms and contrasts:
            losses["pictures"] = self._contrast(states.embedding, texts, batch.positives)
        if "crops" in self._terms and contrasts:
            cut, positives = crops(batch, self._crop_size)
            if len(cut):
                embedding = grounding.see(cut, self._crop_size).embedding
                losses["crops"] = self._contrast(embedding, texts, positives)
        return losses

    def _contrast(self, pictures: Tensor, texts: Tensor, positives: Tensor) -> Tensor:
        scale = logit_scale(self.grounding.model.clip.logit_scale)
        return unicl_loss(scale * cosines(pictures, texts), positives)


@dataclass(frozen=True)
class Check:
    """Batches that are looked at before, while and after training; what is seen of the new ones
    decides which weights are kept.
    """

    new: Sequence[Batch] = ()
    old: Sequence[Batch] = ()


UNCHECKED = Check()


@dataclass(frozen=True)
class Tuned:
    """A checkpoint that has been tuned: what was learned, how training went, and what it is worth.

    `before` and `after` are figures of the batches to check, by "new" and "old", as far as there
    are any.
    """

    adaptation: Adaptation
    fit: FitResult
    before: Mapping[str, Figures]
    after: Mapping[str, Figures]


def finetune(
    checkpoint: Checkpoint,
    batches: Batches,
    folder: Path,
    settings: FitSettings,
    method: Method | str = "lora",
    *,
    phrases: Sequence[str],
    replay: Batches | None = None,
    check: Check = UNCHECKED,
    weights: Mapping[str, float | Schedule] = WEIGHTS,
    balanced: bool = False,
    **options: Any,
) -> Tuned:
    """Tune a checkpoint and write the adapter, or go on where a stopped run was.

    The model stays adapted; `tuned.adaptation.remove()` gives it back as it was.

    Args:
        checkpoint: in float32, as `load_checkpoint` gives it.
        batches: of what is to be learned.
        folder: gets `adapter.safetensors`, the calibration, and the run's state in `run`.
        settings: of the training.
        method: of `learning.adapters.apply`, with its settings in `options`.
        phrases: all that the new batches ask for; their words join the vocabulary.
        replay: of what is to be kept; its batches' size beside the new ones' is its share.
        check: batches to validate with.
        weights: λ of the terms, of old and new alike.
        balanced: whether the balance of the terms is learned instead (`UncertaintyWeighting`).
        options: of a method that is named.

    Raises:
        LearningError: a weight is of no term, the model is not in float32, or as for `Fit`.
        ModelError: the method or its settings are wrong, or the model is exported or adapted.
    """
    grounding = Grounding.of(checkpoint)
    model = grounding.model
    if model.dtype != torch.float32:
        raise LearningError(
            f"a checkpoint is tuned in float32, got {str(model.dtype).removeprefix('torch.')}: "
            "load it with dtype float32; bfloat16 is a setting of the training"
        )
    if unknown := sorted(set(weights) - set(WEIGHTS)):
        raise LearningError(f"the terms are {', '.join(WEIGHTS)}, got weights of {unknown}")
    terms = [name for name, weight in weights.items() if callable(weight) or weight]
    size = checkpoint.crop_size

    def figures() -> dict[str, Figures]:
        return {
            name: measure(grounding, some, size, checkpoint.mask_threshold)
            for name, some in (("new", check.new), ("old", check.old))
            if some
        }

    def validate() -> dict[str, float]:
        seen = figures()
        old = seen["old"].numbers() if "old" in seen else {}
        return seen["new"].numbers() | {REPLAYED + name: value for name, value in old.items()}

    before = figures()
    tuned = apply(model, method, settings.seed, **options)
    named = [*terms, *(REPLAYED + name for name in terms if replay)]
    fit = Fit(
        GroundingLosses(grounding, size, terms),
        Lessons(batches, replay),
        UncertaintyWeighting(named)
        if balanced
        else {name: weights[name.removeprefix(REPLAYED)] for name in named},
        settings,
        folder / "run",
        validate if check.new else None,
        parts_of(model),
        f"{tuned.method} of {tuned.base_prints['float32'][:12]} for {sorted(phrases)}",
    )
    result = fit.run()
    if fit.writes:
        save_adapter(tuned, folder / FILE_NAME)
        save_calibration(checkpoint, phrases, folder)
    return Tuned(tuned, result, before, figures())


def parts_of(model: Any) -> dict[str, list[Tensor]]:
    """What of a CLIPSeg trains, by tower."""
    parts = {
        part: [p for n, p in model.named_parameters() if n.startswith(prefixes) and p.requires_grad]
        for part, prefixes in PARTS.items()
    }
    return {part: values for part, values in parts.items() if values}


def save_calibration(checkpoint: Checkpoint, phrases: Sequence[str], folder: Path) -> None:
    """Write the base's calibration, its vocabulary with the new words; nothing if it has none.

    Thresholds do not carry over to what was tuned: nothing counts as found until `vlam calibrate`
    has chosen its own.
    """
    known = checkpoint.calibration
    if known is None:
        return
    words = known.vocabulary
    if words is not None:
        said = chain.from_iterable(phrase.split() for phrase in phrases)
        words = tuple(dict.fromkeys([*words, *said]))
    calibration: Calibration = dataclasses.replace(
        known,
        crop_threshold=1.0,
        margin=1.0,
        vocabulary=words,
        made_with="vlam train finetune; provisional",
    )
    calibration.save(folder)
