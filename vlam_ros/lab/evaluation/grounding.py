"""How well a model finds what is there and leaves alone what is not: the answers to queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from vlam_ros.configuration import PerceptionSettings, Settings
from vlam_ros.lab.evaluation.queries import LABELLED, QueryKind, Question, questions
from vlam_ros.lab.simulation.world import World
from vlam_ros.lab.training.scenes import resample
from vlam_ros.perception import Grounder, Perceiver
from vlam_ros.perception.clipseg import ImageFeatures
from vlam_ros.perception.familiarity import UNFAMILIAR
from vlam_ros.perception.objects import find_objects
from vlam_ros.types import BoolArray, Uint8Array

MIN_PIXELS = 100
"""Visible size from which a prompted object counts, in pixels of the mask."""
LIKELY = 0.5
"""Probability above which a pixel is more likely of a phrase than not."""
HIT = 0.5
"""IoU above which an object was found."""


@dataclass(frozen=True)
class Candidate:
    """A possible object that the pipeline made of a query: the lead of its mask, the score of the
    second look, the mask as that leaves it, and whether its crop and the image are `familiar`.
    """

    margin: float
    score: float
    mask: BoolArray
    familiar: bool = True


@dataclass(frozen=True)
class QueryResult:
    """All candidates for one query, and the pixels of what it names, none for what is absent.

    `alone`: where the phrase is likelier than not, in pieces, with no competitors and no second
    look. It is measured only: no robot acts on it, and no Look keeps it.
    """

    phrase: str
    kind: QueryKind
    truth: BoolArray
    candidates: tuple[Candidate, ...]
    alone: tuple[BoolArray, ...] = ()

    def iou(self, rejection: float = 0.0) -> float:
        return self._iou(c.mask for c in self.candidates if c.score >= rejection)

    def iou_alone(self) -> float:
        return self._iou(self.alone)

    def _iou(self, masks: Iterable[BoolArray]) -> float:
        union = np.zeros_like(self.truth)
        for mask in masks:
            union |= mask
        return intersection_over_union(union, self.truth)

    def found_by_mask(self, margin: float) -> bool:
        return any(c.margin >= margin for c in self.candidates)

    def found(self, threshold: float) -> bool:
        return any(c.familiar and c.score >= threshold for c in self.candidates)

    def right(self, threshold: float) -> bool:
        best = max(self.candidates, key=lambda c: c.score, default=None)
        if best is None or not best.familiar or best.score < threshold:
            return False
        return intersection_over_union(best.mask, self.truth) > HIT


def answers(
    grounder: Grounder[Any], settings: Settings, split: str, scenes: int, progress: bool = True
) -> list[QueryResult]:
    with World() as world:
        asked = questions(world, split, scenes)
        bar = tqdm(asked, total=scenes, desc=split, disable=not progress)
        return answers_to(grounder, settings.perception, bar)


def answers_to(
    grounder: Grounder[Any], settings: PerceptionSettings, asked: Iterable[Question]
) -> list[QueryResult]:
    eyes = RememberingGrounder(grounder)
    return [answer for question in asked for answer in ask(eyes, settings, question)]


class RememberingGrounder:
    """A ClipsegGrounder that keeps the last `image` and its `features`, for many queries."""

    def __init__(self, grounder: Grounder[Any]) -> None:
        self._grounder = grounder
        self.image: Uint8Array | None = None
        self.features: ImageFeatures | None = None
        self.mask_shape: tuple[int, ...] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._grounder, name)

    def encode_pixels(self, pixels: torch.Tensor, image: Uint8Array) -> ImageFeatures:
        if image is not self.image:
            self.image = image
            self.features = self._grounder.encode_pixels(pixels, image)
        assert self.features is not None
        return self.features

    def segment(self, features: ImageFeatures, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        masks = self._grounder.segment(features, prompts)
        self.mask_shape = masks.shape[1:]
        return masks


def ask(
    eyes: RememberingGrounder, settings: PerceptionSettings, question: Question
) -> Iterator[QueryResult]:
    """The answers to a question; what is there and shows too little is left out."""
    if question.nouns:
        settings = replace(settings, nouns=question.nouns)
    perceiver = Perceiver(eyes, settings)
    for query in question.queries:
        scene, _ = perceiver.perceive(question.observation, [query.phrase], [query.phrase])
        truth = resample(query.truth, eyes.mask_shape)
        if query.kind in LABELLED and truth.sum() <= MIN_PIXELS:
            continue
        candidates = tuple(
            Candidate(
                margin=thing.margin,
                score=thing.score,
                mask=thing.mask,
                familiar=max(thing.unfamiliarity, scene.unfamiliarity) <= UNFAMILIAR,
            )
            for thing in scene.objects
        )
        alone = _pieces(eyes, settings, query.phrase)
        yield QueryResult(query.phrase, query.kind, truth, candidates, alone)


def _pieces(
    eyes: RememberingGrounder, settings: PerceptionSettings, phrase: str
) -> tuple[BoolArray, ...]:
    assert eyes.features is not None
    logits = eyes.segment(eyes.features, [phrase])
    found = find_objects(
        logits,
        [phrase],
        {phrase: ()},
        logits.shape[1:],
        mask_threshold=LIKELY,
        tolerance=0.0,
        min_area=settings.min_area,
    )
    return tuple(thing.mask for thing in found)


def intersection_over_union(one: BoolArray, other: BoolArray) -> float:
    """Common share of two masks, 0..1; 0 when both are empty."""
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 0.0
