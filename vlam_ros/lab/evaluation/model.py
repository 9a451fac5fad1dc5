"""`vlam evaluate model`: the gates that a checkpoint must pass before a robot may trust it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vlam_ros.configuration import PerceptionSettings, Settings
from vlam_ros.errors import ModelError
from vlam_ros.lab.evaluation.generated import nouns_of, questions_of
from vlam_ros.lab.evaluation.grounding import (
    HIT,
    QueryResult,
    RememberingGrounder,
    answers,
    answers_to,
    ask,
)
from vlam_ros.lab.evaluation.queries import ABSENT, QueryKind
from vlam_ros.lab.evaluation.report import Metric, Report
from vlam_ros.lab.evaluation.skills import evaluate_skills, misread_table
from vlam_ros.lab.generators import UNSEEN, generator_named
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.perception.familiarity import UNFAMILIAR
from vlam_ros.policies import load_skills


@dataclass(frozen=True)
class _Gates:
    """What is demanded on the images of a generator."""

    iou: float | None = None
    hits: float | None = None
    right: float | None = None
    alarms: float | None = None
    alarms_alone: float | None = None


BARE = (QueryKind.ABSENT_GENERAL,)
GATES = {UNSEEN: _Gates(iou=0.85, hits=0.92, right=0.92, alarms=0.025, alarms_alone=0.08)}


def evaluate_model(
    model: str | Path = "embedded", scenes: int = 500, generators: Sequence[str] = (UNSEEN,)
) -> Report:
    """Measure a checkpoint on held-out scenes and sentences.

    Half as many as `scenes` hold colour-shape pairs never trained, and half as many images are
    drawn by each of the `generators`.

    Raises:
        ModelError: the checkpoint cannot be loaded or has no calibration.
        SimulationError: there is no such generator, or it cannot be used here.
    """
    grounder = ClipsegGrounder.from_pretrained(model)
    if grounder.calibration is None:
        raise ModelError(f"{model} has no calibration.json: run `vlam calibrate {model}` first")
    settings = Settings.load()
    margin, threshold = grounder.calibration.margin, grounder.calibration.crop_threshold
    seen = answers(grounder, settings, "test", scenes)
    composed = answers(grounder, settings, "composition", max(1, scenes // 2))
    present = [a for a in seen if a.kind is QueryKind.PRESENT]
    general = [a for a in seen if a.kind is QueryKind.GENERAL]
    absent = [a for a in seen if a.kind in ABSENT]
    skills = evaluate_skills(grounder, load_skills(settings.policy.skills))

    by_mask = partial(QueryResult.found_by_mask, margin=margin)
    confirmed = partial(QueryResult.found, threshold=threshold)
    right = partial(QueryResult.right, threshold=threshold)
    rows = [
        _metric("mean IoU", present, QueryResult.iou, 0.70),
        _metric("hits (IoU > 0.5)", present, lambda a: a.iou() > HIT, 0.85),
        _metric("confirmed, right object", present, right),
        _metric("false alarms, masks alone", absent, by_mask, 0.15, at_most=True),
        _metric("false alarms, after the second look", absent, confirmed, 0.05, at_most=True),
    ]
    for kind in ABSENT:
        asked = [a for a in absent if a.kind is kind]
        rows += [
            _metric(f"… masks alone, {kind.value}", asked, by_mask),
            _metric(f"… second look, {kind.value}", asked, confirmed),
        ]
    rows += [
        _metric("mean IoU, pairs never trained", composed, QueryResult.iou, 0.60),
        _metric("confirmed, pairs never trained", composed, right),
        _metric("mean IoU, bare nouns and colours", general, QueryResult.iou),
        _metric("hits, bare nouns and colours", general, lambda a: a.iou() > HIT),
        Metric("skill accuracy, new sentences", skills.accuracy, skills.sentences, 0.97),
        Metric("unknown verbs refused", skills.unknown_refused / skills.unknown, skills.unknown),
    ]
    bare = _bare_answers(grounder, settings.perception, scenes)
    rows += [
        _metric("false alarms, bare nouns and colours", bare, confirmed),
        *_alone(present, absent, "own rooms"),
    ]
    for name in generators:
        rows += _generated(name, max(1, scenes // 2), grounder, settings.perception)
    misread = misread_table("Sentences misread or refused", skills.wrong)
    return Report(tuple(rows), {"model": str(model), "scenes": scenes}, tables=(misread,))


def _bare_answers(
    grounder: ClipsegGrounder, perception: PerceptionSettings, scenes: int
) -> list[QueryResult]:
    """About nouns and colours that are absent from the test scenes."""
    with generator_named("rooms") as rooms:
        asked = (
            replace(question, queries=tuple(q for q in question.queries if q.kind in BARE))
            for question in questions_of(rooms, "test", scenes, perception)
        )
        return answers_to(grounder, perception, tqdm(asked, "bare nouns and colours", scenes))


def _generated(
    name: str, count: int, grounder: ClipsegGrounder, perception: PerceptionSettings
) -> list[Metric]:
    """Measure on images of a generator."""
    asked, strange = answers_about(name, count, grounder, perception)
    assert grounder.calibration is not None
    threshold, gates = grounder.calibration.crop_threshold, GATES.get(name, _Gates())
    present = [a for a in asked if a.kind is QueryKind.PRESENT]
    absent, bare = ([a for a in asked if a.kind in kinds] for kinds in (ABSENT, BARE))
    found = partial(QueryResult.found, threshold=threshold)
    right = partial(QueryResult.right, threshold=threshold)
    alarms, of_bare = "false alarms, after the second look", "false alarms, bare nouns and colours"
    return [
        _metric(f"mean IoU, {name}", present, QueryResult.iou, gates.iou),
        _metric(f"hits (IoU > 0.5), {name}", present, lambda a: a.iou() > HIT, gates.hits),
        _metric(f"confirmed, right object, {name}", present, right, gates.right),
        _metric(f"{alarms}, {name}", absent, found, gates.alarms, at_most=True),
        _metric(f"{of_bare}, {name}", bare, found),
        Metric(f"images refused as unfamiliar, {name}", float(np.mean(strange)), len(strange)),
        _metric(f"… if none were: confirmed, {name}", _familiar(present), right),
        _metric(f"… if none were: {alarms}, {name}", _familiar(absent), found),
        _metric(f"… if none were: {of_bare}, {name}", _familiar(bare), found),
        *_alone(present, absent, name, gates.alarms_alone),
    ]


def answers_about(
    name: str, count: int, grounder: ClipsegGrounder, perception: PerceptionSettings
) -> tuple[list[QueryResult], list[bool]]:
    """About images of a generator, whose nouns compete, and whether each image is unfamiliar.

    Of what is learned from, other images are asked about: those for validation.
    """
    split = "test" if name == UNSEEN else "validation"
    known = grounder.calibration and grounder.calibration.familiarity
    asked: list[QueryResult] = []
    strange: list[bool] = []
    with generator_named(name) as generator:
        if name != UNSEEN:
            perception = nouns_of(generator, split, perception)
        eyes = RememberingGrounder(grounder)
        for question in tqdm(questions_of(generator, split, count, perception), name, count):
            asked += ask(eyes, perception, question)
            image = question.observation.image
            features = eyes.features if eyes.image is image else None
            features = features or grounder.encode_image(image)  # nothing was asked of it
            distance = known.image.distances(grounder.statistics(features))[0] if known else 0.0
            strange.append(not distance <= UNFAMILIAR)
    return asked, strange


def _familiar(asked: Sequence[QueryResult]) -> list[QueryResult]:
    """The answers as they would be were every image and crop familiar."""
    return [
        replace(a, candidates=tuple(replace(c, familiar=True) for c in a.candidates)) for a in asked
    ]


def _alone(
    present: Sequence[QueryResult],
    absent: Sequence[QueryResult],
    name: str,
    gate: float | None = None,
) -> list[Metric]:
    """The mask of the phrase alone."""
    return [
        _metric(f"mean IoU, no competitors, {name}", present, QueryResult.iou_alone),
        _metric(f"hits, no competitors, {name}", present, lambda a: a.iou_alone() > HIT),
        _metric(
            f"false alarms, no competitors, {name}",
            absent,
            lambda a: bool(a.alone),
            gate,
            at_most=True,
        ),
    ]


def _metric(
    name: str,
    cases: Sequence[QueryResult],
    figure: Callable[[QueryResult], float],
    gate: float | None = None,
    at_most: bool = False,
) -> Metric:
    value = float(np.mean([figure(case) for case in cases])) if cases else float("nan")
    return Metric(name, value, len(cases), gate, at_most)
