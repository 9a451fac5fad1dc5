"""A CLIPSeg in training: what it makes of a batch, by the functions that the robot uses too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlam_ros.learning.examples import Batch
from vlam_ros.learning.objectives.checks import dot_products
from vlam_ros.models import Checkpoint
from vlam_ros.models.checkpoint import Preprocessing
from vlam_ros.models.clipseg import (
    VisionStates,
    decode_masks,
    encode_pixels,
    encode_texts,
    normalise,
    tokenized,
)

CONTEXT = 1.5
"""Side of a crop relative to its object's longer one."""
SAME = 0.5
"""IoU from which two masks of a picture are of one object, which both phrases are then true of."""
DECODED = 64
"""Pairs that the decoder takes at once where nothing is learned."""


class Grounding(nn.Module):
    """A CLIPSeg with its tokenizer and preprocessing; `model` is what trains."""

    def __init__(self, model: Any, tokenizer: Any, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.model = model
        self._tokenizer, self._preprocessing = tokenizer, preprocessing

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Grounding:
        """Of a checkpoint that PyTorch runs; ModelError for an exported one."""
        return cls(checkpoint.model, checkpoint.tokenizer, checkpoint.preprocessing)

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return self._preprocessing.size

    def see(self, pixels: Tensor, size: int | None = None, patches: bool = False) -> VisionStates:
        """One vision pass over pictures float[B,3,S,S] in 0..1, resized to `size`."""
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

    def masks(self, states: VisionStates, texts: Tensor, pictures: Tensor) -> Tensor:
        """Mask logits float[P,h,w] of texts float[P,projection], each in the picture of its row."""
        return decode_masks(self.model, states.activations, texts, pictures)


def fitted(masks: Tensor, like: Tensor) -> Tensor:
    """Masks or mask logits float[P,h,w] at the size of others, each pixel the mean of its area."""
    if masks.shape[-2:] == like.shape[-2:]:
        return masks
    shape = tuple(like.shape[-2:])
    if masks.shape[-1] < shape[-1]:
        return functional.interpolate(masks[:, None], shape, mode="bilinear", align_corners=False)[
            :, 0
        ]
    return functional.interpolate(masks[:, None], shape, mode="area")[:, 0]


def crops(batch: Batch, size: int) -> tuple[Tensor, Tensor]:
    """The objects of a batch, each in the middle of a square, as the second look cuts them.

    Returns:
        Pictures float[N,3,size,size] in 0..1 of the N pairs whose mask is not empty, and
        bool[N,T], which phrases are true of each: its own, and those of masks that cover the same.
    """
    shown = (batch.masks > 0.5).flatten(1).any(1).nonzero()[:, 0]
    masks = batch.masks[shown] > 0.5
    pictures, asked = batch.pictures[shown], batch.asked[shown]
    positives = torch.zeros(len(shown), len(batch.phrases), dtype=torch.bool, device=masks.device)
    if not len(shown):
        return batch.pixels.new_zeros(0, 3, size, size), positives
    flat = masks.flatten(1).float()
    overlap = flat @ flat.t()
    area = flat.sum(1)
    same = overlap / (area[:, None] + area[None] - overlap) > SAME
    same &= pictures[:, None] == pictures[None]
    for column, phrase in enumerate(asked.tolist()):
        positives[:, phrase] |= same[:, column]
    theta = torch.stack([_window(mask) for mask in masks])
    grid = functional.affine_grid(theta, [len(shown), 3, size, size], align_corners=False)
    cut = functional.grid_sample(
        batch.pixels[pictures], grid, "bilinear", "border", align_corners=False
    )
    return cut, positives


def _window(mask: Tensor) -> Tensor:
    """float[2,3], the affine map from a crop's -1..1 to the picture's around a mask bool[h,w]."""
    theta = torch.zeros(2, 3, device=mask.device)
    spans = []
    for axis in (0, 1):
        lines = mask.any(axis).nonzero()[:, 0]
        low, high = lines.min() / mask.shape[1 - axis], (lines.max() + 1) / mask.shape[1 - axis]
        theta[axis, 2] = low + high - 1
        spans.append(high - low)
    theta[0, 0] = theta[1, 1] = CONTEXT * torch.stack(spans).max()
    return theta


@dataclass(frozen=True)
class Figures:
    """What masks are worth: `iou`, the mean over phrases that are there, `false_alarms`, the share
    of absent ones that a pixel is found of, and `crops`, the share of objects whose crop is most
    alike to a phrase that is true of it. NaN where there is no case.

    `confusion` int64[T,T] counts crops by their phrase (row) and the most alike one (column);
    phrases that are true as well count as the crop's own. `phrases` names both.
    """

    iou: float
    false_alarms: float
    crops: float
    phrases: tuple[str, ...]
    confusion: Tensor

    def numbers(self) -> dict[str, float]:
        """Without the confusion, the IoU first."""
        return {"iou": self.iou, "false_alarms": self.false_alarms, "crops": self.crops}


@torch.no_grad()
def measure(
    grounding: Grounding, batches: Iterable[Batch], crop_size: int, threshold: float = 0.5
) -> Figures:
    """Look at batches that were not trained on.

    Args:
        grounding: the model as it is.
        batches: a few; all are looked at.
        crop_size: side of a crop in pixels.
        threshold: mask probability from which a pixel belongs to a phrase.
    """
    ious, alarms, right = [], [], []
    pairs: list[tuple[str, str]] = []
    device = grounding.model.device
    for each in batches:
        batch = each.to(device)
        texts = grounding.read(batch.phrases)
        for logits, masks in decoded(grounding, batch, texts):
            found = logits.sigmoid() > threshold
            wanted = fitted(masks, logits) > 0.5
            union = (found | wanted).sum((-2, -1))
            there = (masks > 0.5).flatten(1).any(1)
            ious += ((found & wanted).sum((-2, -1))[there] / union[there].clamp(min=1)).tolist()
            alarms += found.flatten(1).any(1)[~there].float().tolist()
        cut, positives = crops(batch, crop_size)
        if len(cut):
            cosine = cosines(grounding.see(cut, crop_size).embedding, texts)
            best = cosine.argmax(-1)
            hits = positives.gather(1, best[:, None])[:, 0]
            right += hits.float().tolist()
            shown = (batch.masks > 0.5).flatten(1).any(1)
            own = torch.where(hits, best, batch.asked[shown])
            pairs += [
                (batch.phrases[a], batch.phrases[b])
                for a, b in zip(own.tolist(), best.tolist(), strict=True)
            ]
    names = tuple(sorted({name for pair in pairs for name in pair}))
    confusion = torch.zeros(len(names), len(names), dtype=torch.int64)
    for a, b in pairs:
        confusion[names.index(a), names.index(b)] += 1
    return Figures(_mean(ious), _mean(alarms), _mean(right), names, confusion)


def decoded(grounding: Grounding, batch: Batch, texts: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Mask logits float[K,h,w] of a batch's pairs and their masks, a few pairs at a time."""
    states = grounding.see(batch.pixels)
    for rows in torch.arange(len(batch.masks), device=texts.device).split(DECODED):
        logits = grounding.masks(states, texts[batch.asked[rows]], batch.pictures[rows])
        yield logits.float(), batch.masks[rows]


def cosines(pictures: Tensor, texts: Tensor) -> Tensor:
    """float[N,T] of embeddings float[N,D] and float[T,D], in float32."""
    return dot_products(
        functional.normalize(pictures.float(), dim=-1), functional.normalize(texts.float(), dim=-1)
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
