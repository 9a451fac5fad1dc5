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
        Metric("mean IoU", _mean(present, QueryResult.iou), len(present), 0.70),
        Metric("hits (IoU > 0.5)", _mean(present, lambda a: a.iou() > HIT), len(present), 0.85),
        Metric("confirmed, right object", _mean(present, right), len(present)),
        Metric("false alarms, masks alone", _mean(absent, by_mask), len(absent), 0.15, True),
        Metric(
            "false alarms, after the second look", _mean(absent, confirmed), len(absent), 0.05, True
        ),
    ]
    for kind in ABSENT:
        asked = [a for a in absent if a.kind is kind]
        rows += [
            Metric(f"… masks alone, {kind.value}", _mean(asked, by_mask), len(asked)),
            Metric(f"… second look, {kind.value}", _mean(asked, confirmed), len(asked)),
        ]
    rows += [
        Metric(
            "mean IoU, pairs never trained", _mean(composed, QueryResult.iou), len(composed), 0.60
        ),
        Metric("confirmed, pairs never trained", _mean(composed, right), len(composed)),
        Metric("mean IoU, bare nouns and colours", _mean(general, QueryResult.iou), len(general)),
        Metric(
            "hits, bare nouns and colours", _mean(general, lambda a: a.iou() > HIT), len(general)
        ),
        Metric("skill accuracy, new sentences", skills.accuracy, skills.sentences, 0.97),
        Metric("unknown verbs refused", skills.unknown_refused / skills.unknown, skills.unknown),
    ]
    misread = misread_table("Sentences misread or refused", skills.wrong)
    return Report(tuple(rows), {"model": str(model), "scenes": scenes}, tables=(misread,))


def _mean(cases: Sequence[QueryResult], figure: Callable[[QueryResult], float]) -> float:
    return float(np.mean([figure(case) for case in cases])) if cases else float("nan")
