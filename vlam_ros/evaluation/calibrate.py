"""`vlam calibrate`: the thresholds of a checkpoint, chosen on validation scenes and sentences.

The margin is the smallest that keeps false alarms of the masks alone below MASK_ALARMS, the second
look's threshold the smallest that keeps those of both below ALARMS: no more of what is there is
given up than that takes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vlam_ros.configuration import Settings
from vlam_ros.errors import InstructionError, ModelError
from vlam_ros.evaluation.grounding import Answer, answers
from vlam_ros.evaluation.queries import Kind
from vlam_ros.language import parse_instruction
from vlam_ros.learning.captions import SKILL_PATTERNS, skill_sentence, unknown_sentence
from vlam_ros.models import Calibration, load_checkpoint
from vlam_ros.perception import Grounder
from vlam_ros.policy import load_skills

MASK_ALARMS, ALARMS = 0.12, 0.035
"""Aimed at on validation scenes; below the gates of the test, for the two differ by chance."""
MASK_THRESHOLDS = (0.3, 0.4, 0.5, 0.6)
SCENES_PER_THRESHOLD = 60
SENTENCES = 400
SKILL_TEMPERATURE = 14.0


def calibrate(model: str | Path, scenes: int = 300, progress: bool = True) -> Calibration:
    """Choose the thresholds of a checkpoint.

    What cannot be chosen by looking (crop size, temperatures, vocabulary) is kept from the
    checkpoint's calibration; without one it is the model's own size and temperature, and an open
    vocabulary.

    Args:
        model: a checkpoint, as `Grounder.from_pretrained` takes it.
        scenes: validation scenes to look at.
        progress: whether to show progress bars.

    Raises:
        ModelError: the model cannot be loaded, or sees so little that no threshold helps.
    """
    grounder, settings = Grounder.from_pretrained(model), Settings.load()
    start = grounder.calibration or _neutral(model)

    def ask(threshold: float, count: int) -> list[Answer]:
        grounder.calibration = dataclasses.replace(start, mask_threshold=threshold)
        return answers(grounder, settings, "validation", count, progress)

    few = min(scenes, SCENES_PER_THRESHOLD)
    mask_threshold = max(MASK_THRESHOLDS, key=lambda t: _mean_iou(ask(t, few)))
    absent = [a for a in ask(mask_threshold, scenes) if a.kind is not Kind.PRESENT]
    margin = _smallest(lambda m: _share(absent, m, 0.0) <= MASK_ALARMS)
    crop_threshold = _smallest(lambda t: _share(absent, margin, t) <= ALARMS)
    return dataclasses.replace(
        start,
        mask_threshold=mask_threshold,
        margin=margin,
        crop_threshold=crop_threshold,
        skill_threshold=_skill_threshold(grounder, settings),
        made_with=f"vlam calibrate --scenes {scenes}",
    )


def _neutral(model: str | Path) -> Calibration:
    checkpoint = load_checkpoint(model)
    return Calibration(
        mask_threshold=0.5,
        crop_threshold=1.0,
        margin=0.0,
        crop_size=checkpoint.preprocessing.size,
        crop_temperature=round(float(checkpoint.model.clip.logit_scale.float().exp()), 2),
        skill_threshold=1.0,
        skill_temperature=SKILL_TEMPERATURE,
        vocabulary=None,
        made_with="neutral",
    )


def _skill_threshold(grounder: Grounder, settings: Settings) -> float:
    """Half way between the cosines of sentences that mean a skill and of those that mean none."""
    rng = np.random.default_rng(0)
    prompts = [p for skill in load_skills(settings.policy.skills) for p in skill.prompts]

    def best(sentence: str) -> float:
        try:
            phrase = parse_instruction(sentence).skill_phrase
        except InstructionError:  # the grammar refuses it, whatever the threshold
            return 0.0
        return float(grounder.text_similarity(phrase, prompts).max())

    skills = list(SKILL_PATTERNS)
    known = [best(skill_sentence(rng, skills[i % len(skills)])) for i in range(SENTENCES)]
    unknown = [best(unknown_sentence(rng)) for _ in range(SENTENCES)]
    middle = (np.quantile(known, 0.02) + np.quantile(unknown, 0.98)) / 2
    return round(float(np.clip(middle, 0, 1)), 3)


def _mean_iou(seen: Sequence[Answer]) -> float:
    return float(np.mean([a.iou for a in seen if a.kind is Kind.PRESENT]))


def _share(absent: Sequence[Answer], margin: float, threshold: float) -> float:
    return float(np.mean([a.found(margin, threshold) for a in absent]))


def _smallest(good: Callable[[float], bool]) -> float:
    """The smallest hundredth in 0..1 for which `good` holds."""
    for value in np.arange(0, 1.005, 0.01):
        if good(float(value)):
            return round(float(value), 2)
    raise ModelError("the model says yes to everything: train it longer before calibrating it")
