"""Tuning a checkpoint to objects of one's own, by any method of `clipseg.adapters`.

What is new is learned from whole images, where the robot finds it, and from crops, where its
second look decides what it is; both of what the model knows already, replayed beside it, keep that
from being forgotten (Rolnick et al. 2019, experience replay).
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
from torch.nn import functional

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.balancing import UncertaintyWeighting
from vlam_ros.lab.training.examples import Batch
from vlam_ros.lab.training.fit import Fit, FitResult, FitSettings
from vlam_ros.lab.training.grounding import (
    NOTHING,
    Grounding,
    Metrics,
    ValidationBatches,
    apply,
    cosines,
    fitted,
    measure,
    require_float32,
)
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.lab.training.objectives import logit_scale, rwm_loss, unicl_loss
from vlam_ros.lab.training.training_batches import TrainingBatch, TuningData
from vlam_ros.perception.clipseg import Calibration, Checkpoint
from vlam_ros.perception.clipseg.adapters import FILE_NAME, Adaptation, save_adapter
from vlam_ros.perception.clipseg.adapters.methods import PARTS
from vlam_ros.perception.clipseg.model import VisionStates

WEIGHTS: Mapping[str, float] = {"masks": 1.0, "crops": 1.0, "crop_masks": 1.0}
"""λ of the loss terms: masks in whole images, crops against phrases, masks in crops."""
RATES: Mapping[str, float] = {
    "full": 3e-4, "lora": 2e-3, "adapter": 3e-3, "prefix": 1e-2, "bitfit": 5e-3, "prompt": 2e-2,
}  # fmt: skip
"""A peak learning rate for each method: the fewer numbers it learns, the larger."""
WARMUP = 20
"""Steps in which the rate rises to its peak."""


class GroundingLosses(nn.Module):
    """The loss terms of a batch.

    By `negatives` a phrase counts against a thing only if it cannot be true of it.
    """

    def __init__(self, grounding: Grounding, negatives: HardNegatives) -> None:
        super().__init__()
        self.grounding, self._negatives = grounding, negatives

    def forward(self, batch: TrainingBatch) -> dict[str, Tensor]:
        images, close = batch.images, batch.crops
        # A text is read once for both.
        phrases = tuple(dict.fromkeys((*images.phrases, *close.phrases)))
        every = self.grounding.read(phrases)
        texts, own = (every[[phrases.index(p) for p in each.phrases]] for each in (images, close))
        whole = self.grounding.see(images.pixels)
        cut = self.grounding.see(close.pixels, close.pixels.shape[-1])
        return {
            "masks": self._mask_loss(whole, images, texts),
            "crop_masks": self._mask_loss(cut, close, own),
            "crops": self._contrast(cut.embedding, own, close),
        }

    def _mask_loss(self, states: VisionStates, batch: Batch, texts: Tensor) -> Tensor:
        logits = self.grounding.masks(states, texts[batch.asked], batch.images)
        return rwm_loss(logits, fitted(batch.masks, logits))

    def _contrast(self, images: Tensor, texts: Tensor, batch: Batch) -> Tensor:
        """The names that are asked for against what the things are not, other names left out: "cup"
        and "red cup" are both true and need not be as alike.
        """
        logits = logit_scale(self.grounding.model.clip.logit_scale) * cosines(images, texts)
        true = batch.positives[batch.images, batch.asked]
        row, column = batch.images[true], batch.asked[true]
        own = functional.one_hot(column, len(batch.phrases)).bool()
        against = self._against(batch)[row]
        return unicl_loss(logits[row].masked_fill(~(own | against), -torch.inf), own)

    def _against(self, batch: Batch) -> Tensor:
        things = [
            tuple(p for p, is_true in zip(batch.phrases, row, strict=True) if is_true)
            for row in batch.positives.tolist()
        ]
        excludes = self._negatives.excludes
        table = [[excludes(names, phrase) for phrase in batch.phrases] for names in things]
        return torch.tensor(table, device=batch.positives.device) & ~batch.positives


@dataclass(frozen=True)
class TuningResult:
    """A tuned checkpoint: what was learned, how training went, and the figures of the batches to
    check by "new" and "old", as far as there are any.
    """

    adaptation: Adaptation
    fit: FitResult
    before: Mapping[str, Metrics]
    after: Mapping[str, Metrics]


def finetune(
    checkpoint: Checkpoint,
    data: TuningData,
    folder: Path,
    settings: FitSettings,
    method: str = "lora",
    *,
    check: ValidationBatches = NOTHING,
    check_old: ValidationBatches = NOTHING,
    weights: Mapping[str, float] = WEIGHTS,
    balanced: bool = False,
) -> TuningResult:
    """Tune a checkpoint and write the adapter, or go on where a stopped run was.

    The model stays adapted; `tuned.adaptation.remove()` gives it back as it was.

    Args:
        checkpoint: in float32, as `load_checkpoint` gives it.
        data: what is to be learned, and what is to be kept; the words of its phrases join the
            vocabulary, and a stopped run goes on with the same data alone.
        folder: gets `adapter.safetensors`, the calibration, and the run's state in `run`.
        method: of `apply`.
        check: what to validate with; without a thing that is new in it, nothing decides.
        check_old: the same of what is to be kept, which is measured and decides nothing.
        weights: λ of the terms; one that is left out is 0.
        balanced: whether the balance of all terms is learned instead (`UncertaintyWeighting`).

    Raises:
        LearningError: a weight is of no term, the model is not in float32, or as for `Fit`.
        ModelError: there is no such method, or the model is exported or adapted.
    """
    grounding = Grounding(checkpoint)
    model = grounding.model
    require_float32(model)
    if unknown := sorted(set(weights) - set(WEIGHTS)):
        raise LearningError(f"the terms are {', '.join(WEIGHTS)}, got weights of {unknown}")

    def figures() -> dict[str, Metrics]:
        return {
            name: measure(grounding, look, checkpoint.mask_threshold)
            for name, look in (("new", check), ("old", check_old))
            if look
        }

    def validate() -> dict[str, float]:
        seen = figures()
        old = seen["old"].numbers() if "old" in seen else {}
        return seen["new"].numbers() | {f"old_{name}": value for name, value in old.items()}

    before = figures()
    tuned = apply(model, method, settings.seed)
    fit = Fit(
        GroundingLosses(grounding, data.negatives),
        data,
        UncertaintyWeighting(tuple(WEIGHTS))
        if balanced
        else {name: weights.get(name, 0.0) for name in WEIGHTS},
        settings,
        folder / "run",
        validate if check.shows_any else None,
        parts_of(model),
        f"{tuned.method} of {tuned.base_prints['float32'][:12]} for {sorted(data.phrases)} "
        f"by {dict(weights)}, {data.about}",
    )
    result = fit.run()
    if fit.writes:
        save_adapter(tuned, folder / FILE_NAME)
        save_calibration(checkpoint, data.phrases, folder)
    return TuningResult(tuned, result, before, figures())


def parts_of(model: Any) -> dict[str, list[Tensor]]:
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
