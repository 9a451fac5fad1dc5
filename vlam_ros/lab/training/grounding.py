"""A CLIPSeg in training: what it makes of a batch, by the functions that the robot uses too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.checks import dot_products
from vlam_ros.lab.training.examples import Batch
from vlam_ros.lab.training.fit.parts import to_device
from vlam_ros.perception.clipseg import Checkpoint
from vlam_ros.perception.clipseg.adapters import Adaptation, attach, method_named
from vlam_ros.perception.clipseg.model import (
    VisionStates,
    decode_masks,
    encode_pixels,
    encode_texts,
    normalise,
    tokenized,
)

DECODED = 64
"""Pairs that the decoder takes at once where nothing is learned."""


class Grounding(nn.Module):
    """A CLIPSeg with its tokenizer and preprocessing; `model` is what trains."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Of a checkpoint that PyTorch runs; ModelError for an exported one."""
        super().__init__()
        self.model = checkpoint.model
        self._tokenizer, self._preprocessing = checkpoint.tokenizer, checkpoint.preprocessing

    @property
    def size(self) -> int:
        return self._preprocessing.size

    def see(self, pixels: Tensor, size: int | None = None, patches: bool = False) -> VisionStates:
        """One vision pass over images float[B,3,S,S] in 0..1, resized to `size`."""
        size = size or self.size
        if pixels.shape[-1] != size:
            pixels = functional.interpolate(
                pixels, (size, size), mode="bilinear", antialias=True, align_corners=False
            )
        values = normalise(pixels, self._preprocessing.mean, self._preprocessing.std)
        return encode_pixels(self.model, values, patches)

    def read(self, phrases: Sequence[str]) -> Tensor:
        """Text embeddings float[T,projection] of phrases, not normalised."""
        tokens = tokenized(self._tokenizer, self.model.config, phrases)
        device = self.model.device
        return encode_texts(
            self.model, tokens.input_ids.to(device), tokens.attention_mask.to(device)
        )

    def masks(self, states: VisionStates, texts: Tensor, images: Tensor) -> Tensor:
        """Mask logits float[P,h,w] of texts float[P,projection], each in the image of its row."""
        return decode_masks(self.model, states.activations, texts, images)


def require_float32(model: Any) -> None:
    """LearningError unless a model that is to be tuned is in float32."""
    if model.dtype != torch.float32:
        raise LearningError(
            f"a checkpoint is tuned in float32, got {str(model.dtype).removeprefix('torch.')}: "
            "load it with dtype float32; bfloat16 is a setting of the training"
        )


def apply(model: Any, method: str, seed: int = 0, **settings: Any) -> Adaptation:
    """Adapt a CLIPSegForImageSegmentation in place; only what the method learns will train.

    `save_adapter` of `vlam_ros.perception.clipseg.adapters` writes it, and a robot reads the file
    with `load_adapter`.

    Args:
        method: its name: full, lora, adapter, prefix, bitfit or prompt.
        settings: of the method; what is left out has its default.

    Raises:
        ModelError: there is no such method or setting, a value is out of range or the model has no
            such part, the model has an adapter already, or peft is missing.
    """
    adaptation = attach(model, method_named(method, settings), seed)
    model.requires_grad_(False)
    for parameter in adaptation.tensors.values():
        parameter.requires_grad_(True)
    return adaptation


def fitted(masks: Tensor, like: Tensor) -> Tensor:
    """Masks or mask logits float[P,h,w] at the size of others, each pixel the mean of its area."""
    if masks.shape[-2:] == like.shape[-2:]:
        return masks
    mode = "bilinear" if masks.shape[-1] < like.shape[-1] else "area"
    return functional.interpolate(masks[:, None], tuple(like.shape[-2:]), mode=mode)[:, 0]


@dataclass(frozen=True)
class ValidationBatches:
    """Batches that are looked at and not trained on: whole images, and crops of things."""

    images: Sequence[Batch] = ()
    crops: Sequence[Batch] = ()

    def __bool__(self) -> bool:
        return bool(self.images or self.crops)

    @property
    def shows_any(self) -> bool:
        return any(batch.positives.any() for batch in (*self.images, *self.crops))


NOTHING = ValidationBatches()


@dataclass(frozen=True)
class Metrics:
    """What a model makes of them; NaN where there is no case.

    `iou` is the mean over phrases that are there, `false_alarms` the share of absent ones that a
    pixel is found of, in images and crops alike; `crops` is the share of crops that are most alike
    to a phrase that is true of them. `confusion` int64[T,T] counts crops by a true one of the
    `phrases` (row) and the most alike one (column).
    """

    iou: float
    false_alarms: float
    crops: float
    phrases: tuple[str, ...]
    confusion: Tensor

    def numbers(self) -> dict[str, float]:
        return {"iou": self.iou, "false_alarms": self.false_alarms, "crops": self.crops}


@torch.no_grad()
def measure(grounding: Grounding, look: ValidationBatches, threshold: float = 0.5) -> Metrics:
    """Look at what was not trained on; mask probabilities above `threshold` are of a phrase."""
    ious, alarms, right = [], [], []
    pairs: list[tuple[str, str]] = []
    device = grounding.model.device
    for number, each in enumerate((*look.images, *look.crops)):
        batch: Batch = to_device(each, device)
        close = number >= len(look.images)
        states = grounding.see(batch.pixels, batch.pixels.shape[-1] if close else None)
        texts = grounding.read(batch.phrases)
        for logits, masks in decoded(grounding, states, batch, texts):
            found = logits.sigmoid() > threshold
            wanted = fitted(masks, logits) > 0.5
            union = (found | wanted).sum((-2, -1))
            there = (masks > 0.5).flatten(1).any(1)
            ious += ((found & wanted).sum((-2, -1))[there] / union[there].clamp(min=1)).tolist()
            alarms += found.flatten(1).any(1)[~there].float().tolist()
        if close:
            best = cosines(states.embedding, texts).argmax(-1)
            hits = batch.positives.gather(1, best[:, None])[:, 0]
            right += hits.float().tolist()
            own = torch.where(hits, best, batch.positives.float().argmax(-1))
            pairs += [
                (batch.phrases[a], batch.phrases[b])
                for a, b in zip(own.tolist(), best.tolist(), strict=True)
            ]
    names = tuple(sorted({name for pair in pairs for name in pair}))
    confusion = torch.zeros(len(names), len(names), dtype=torch.int64)
    for a, b in pairs:
        confusion[names.index(a), names.index(b)] += 1
    return Metrics(_mean(ious), _mean(alarms), _mean(right), names, confusion)


def decoded(
    grounding: Grounding, states: VisionStates, batch: Batch, texts: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Mask logits float[K,h,w] of a batch's pairs and their masks, a few pairs at a time."""
    for rows in torch.arange(len(batch.masks), device=texts.device).split(DECODED):
        logits = grounding.masks(states, texts[batch.asked[rows]], batch.images[rows])
        yield logits.float(), batch.masks[rows]


def cosines(images: Tensor, texts: Tensor) -> Tensor:
    """float[N,T] of embeddings float[N,D] and float[T,D], in float32."""
    return dot_products(
        functional.normalize(images.float(), dim=-1), functional.normalize(texts.float(), dim=-1)
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
