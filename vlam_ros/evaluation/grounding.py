"""How well a model finds what is there and leaves alone what is not: the answers to queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from vlam_ros.configuration import Settings
from vlam_ros.evaluation.queries import Kind, Question, questions
from vlam_ros.perception import Grounder, ImageFeatures, Perceiver
from vlam_ros.simulation import World
from vlam_ros.types import Uint8Array

MIN_PIXELS = 100
"""Visible size from which a prompted object counts, in pixels of the mask."""
HIT = 0.5
"""IoU above which an object was found."""


@dataclass(frozen=True)
class Candidate:
    """What the pipeline made of one query: a possible object.

    `margin` is its mask's lead, `score` the second look's probability, `iou` that with the truth.
    """

    margin: float
    score: float
    iou: float


@dataclass(frozen=True)
class Answer:
    """All candidates for one query; `iou` of their union with the truth, NaN for what is absent."""

    phrase: str
    kind: Kind
    iou: float
    candidates: tuple[Candidate, ...]

    def found_by_mask(self, margin: float) -> bool:
        """Whether any candidate would be confirmed without a second look."""
        return any(c.margin >= margin for c in self.candidates)

    def found(self, threshold: float) -> bool:
        """Whether the second look confirms any candidate."""
        return any(c.score >= threshold for c in self.candidates)

    def right(self, threshold: float) -> bool:
        """Whether the best candidate is confirmed and on the object."""
        best = max(self.candidates, key=lambda c: c.score, default=None)
        return best is not None and best.score >= threshold and best.iou > HIT


def answers(
    grounder: Grounder, settings: Settings, split: str, scenes: int, progress: bool = True
) -> list[Answer]:
    """Ask the model about `scenes` scenes of a split, through the pipeline's own perception."""
    eyes = _Remembering(grounder)
    with World() as world:
        asked: Iterable[Question] = questions(world, split, scenes)
        bar = tqdm(asked, total=scenes, desc=split, disable=not progress)
        return [answer for question in bar for answer in _ask(eyes, settings, question)]


class _Remembering:
    """A Grounder that keeps the last picture's features and masks, for its many queries."""

    def __init__(self, grounder: Grounder) -> None:
        self._grounder = grounder
        self._image: Uint8Array | None = None
        self._masks: dict[str, npt.NDArray[np.float32]] = {}
        self.mask_shape: tuple[int, ...] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._grounder, name)

    def encode_pixels(self, pixels: torch.Tensor, image: Uint8Array) -> ImageFeatures:
        if image is not self._image:
            self._image, self._masks = image, {}
            self._features = self._grounder.encode_pixels(pixels, image)
        return self._features

    def segment(self, features: ImageFeatures, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        if missing := [p for p in prompts if p not in self._masks]:
            decoded = self._grounder.segment(features, missing)
            self._masks.update(zip(missing, decoded, strict=True))
        masks = np.stack([self._masks[p] for p in prompts])
        self.mask_shape = masks.shape[1:]
        return masks


def _ask(eyes: _Remembering, settings: Settings, question: Question) -> Iterator[Answer]:
    perceiver = Perceiver(eyes, settings.perception)  # type: ignore[arg-type]
    for query in question.queries:
        scene, _ = perceiver.perceive(question.observation, [query.phrase], [query.phrase])
        masks = [o.mask for o in scene.objects]
        truth = resample(query.truth, eyes.mask_shape)
        if query.kind is Kind.PRESENT and truth.sum() <= MIN_PIXELS:
            continue
        union = np.any(masks, axis=0) if masks else np.zeros_like(truth)
        candidates = tuple(
            Candidate(o.margin, o.score, intersection_over_union(o.mask, truth))
            for o in scene.objects
        )
        iou = intersection_over_union(union, truth) if truth.any() else float("nan")
        yield Answer(query.phrase, query.kind, iou, candidates)


def resample(mask: npt.NDArray[np.bool_], shape: Sequence[int]) -> npt.NDArray[np.bool_]:
    """bool[H,W] → bool[h,w] by the value at the middle of each new pixel."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(shape, mask.shape, strict=True)
    )
    return mask[rows][:, columns]


def intersection_over_union(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Common share of two masks, 0..1; 0 when both are empty."""
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 0.0
