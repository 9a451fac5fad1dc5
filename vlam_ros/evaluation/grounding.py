"""How well a model finds what is there and leaves alone what is not: the answers to queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from vlam_ros.configuration import Settings
from vlam_ros.evaluation.queries import Kind, Question, questions
from vlam_ros.perception import Grounder, Perceiver
from vlam_ros.simulation import World

MIN_PIXELS = 100
"""Visible size from which a prompted object counts, in pixels of the mask."""
HIT = 0.5
"""IoU above which an object was found."""


@dataclass(frozen=True)
class Candidate:
    """What the pipeline made of one query: a possible object. `iou` is with the query's truth."""

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

    def found(self, margin: float, threshold: float) -> bool:
        """Whether any candidate is confirmed."""
        return any(c.margin >= margin and c.score >= threshold for c in self.candidates)

    def right(self, margin: float, threshold: float) -> bool:
        """Whether the best confirmed candidate is on the object."""
        confirmed = [c for c in self.candidates if c.margin >= margin and c.score >= threshold]
        return bool(confirmed) and max(confirmed, key=lambda c: c.score).iou > HIT


def answers(
    grounder: Grounder, settings: Settings, split: str, scenes: int, progress: bool = True
) -> list[Answer]:
    """Ask the model about `scenes` scenes of a split, through the pipeline's own perception."""
    perceiver = Perceiver(grounder, settings.perception)
    with World() as world:
        asked: Iterable[Question] = questions(world, split, scenes)
        bar = tqdm(asked, total=scenes, desc=split, disable=not progress)
        return [answer for question in bar for answer in _ask(perceiver, question)]


def _ask(perceiver: Perceiver, question: Question) -> Iterator[Answer]:
    for query in question.queries:
        scene, _ = perceiver.perceive(question.observation, [query.phrase], [query.phrase])
        masks = [o.mask for o in scene.objects]
        shape = masks[0].shape if masks else _mask_shape(perceiver.grounder, question)
        truth = resample(query.truth, shape)
        if query.kind is Kind.PRESENT and truth.sum() <= MIN_PIXELS:
            continue
        union = np.any(masks, axis=0) if masks else np.zeros(shape, bool)
        candidates = tuple(
            Candidate(o.margin, o.score, intersection_over_union(o.mask, truth))
            for o in scene.objects
        )
        iou = intersection_over_union(union, truth) if truth.any() else float("nan")
        yield Answer(query.phrase, query.kind, iou, candidates)


def _mask_shape(grounder: Grounder, question: Question) -> tuple[int, int]:
    features = grounder.encode_image(question.observation.image)
    height, width = grounder.segment(features, ["object"]).shape[1:]
    return height, width


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
