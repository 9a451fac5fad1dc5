"""`vlam evaluate model`: the gates that a checkpoint must pass before a robot may trust it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from vlam_ros.configuration import Settings
from vlam_ros.errors import ModelError
from vlam_ros.lab.evaluation.grounding import HIT, QueryResult, answers
from vlam_ros.lab.evaluation.queries import ABSENT, QueryKind
from vlam_ros.lab.evaluation.report import Metric, Report
from vlam_ros.lab.evaluation.skills import evaluate_skills, misread_table
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.policies import load_skills


def evaluate_model(model: str | Path = "embedded", scenes: int = 500) -> Report:
    """Measure a checkpoint on held-out scenes and sentences.

    Half as many as `scenes` hold colour-shape pairs never trained.

    Raises:
        ModelError: the checkpoint cannot be loaded or has no calibration.
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
    misread = misread_table("Sentences misread or refused", skills.wrong)
    return Report(tuple(rows), {"model": str(model), "scenes": scenes}, tables=(misread,))


def _metric(
    name: str,
    cases: Sequence[QueryResult],
    figure: Callable[[QueryResult], float],
    gate: float | None = None,
    at_most: bool = False,
) -> Metric:
    value = float(np.mean([figure(case) for case in cases])) if cases else float("nan")
    return Metric(name, value, len(cases), gate, at_most)
