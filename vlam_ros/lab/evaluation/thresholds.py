"""Thresholds chosen by what a model answers, and whether they are safe to write.

Where masks are known, the rejection is the one with the best masks (mean IoU). The margin is the
smallest that keeps false alarms of the masks alone below MASK_ALARMS, the threshold of the second
look the smallest that keeps its own below what is aimed at: no more of what is there is given up
than that takes, but never below LEAST_SCORE.

A threshold that leaves k of n absent things above it is a tolerance limit (Wilks, Ann. Math. Stat.
12, 1941): the interval of k in n holds for it, though it was chosen on the same n.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vlam_ros.errors import ModelError
from vlam_ros.lab.evaluation.grounding import QueryResult
from vlam_ros.lab.evaluation.queries import ABSENT, QueryKind
from vlam_ros.lab.evaluation.task_counts import Share
from vlam_ros.perception.clipseg import Calibration

MASK_ALARMS, ALARMS, OWN_ALARMS = 0.12, 0.02, 0.01
"""Aimed at: by masks alone, after the second look, and on a drive of one's own robot."""
SAFE = 0.05
"""Share of false alarms that the upper end of their interval must not exceed."""
LEAST_PRESENT = 30
"""Questions about what is there, where it is known: their interval is 0.17 either way at most."""
LEAST_SCORE, LARGEST_SCORE = 0.20, 0.95
"""Of what may move a robot, however rare false alarms are: a score is a probability; and what no
model that can tell things apart needs as its threshold.
"""
LISTED = 20
"""Phrases of which each one's share is told."""
LIKELIEST = 3
REJECTIONS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


@dataclass(frozen=True)
class Calibrated:
    """A calibration, and what it was chosen by.

    `confirmed`: of what is there, so much is, with known masks as the right thing; in `named` by
    phrase. `false_alarms`: so many absent things are, and `false_masks` by masks alone; `likeliest`
    are the highest scores of absent phrases, the highest first. `nouns` are to compete on the
    robot, where others than by default did here.
    """

    calibration: Calibration
    confirmed: Share
    false_alarms: Share
    false_masks: Share
    named: dict[str, Share]
    nouns: tuple[str, ...] = ()
    likeliest: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        """What was measured, in lines."""
        lines = ["confirmed, of what is there: not known; name some of it with --present"]
        if self.confirmed.cases:
            lines = [f"confirmed, of what is there: {_told(self.confirmed)}"]
        if 1 < len(self.named) <= LISTED:
            lines += [f"  {phrase}: {_told(share)}" for phrase, share in self.named.items()]
        lines.append(f"false alarms, of what is not: {_told(self.false_alarms)}")
        lines.append(f"  by masks alone: {_told(self.false_masks)}")
        if self.likeliest:
            scores = ", ".join(f"'{phrase}' {score:.2f}" for phrase, score in self.likeliest)
            lines.append(f"  seen most where it is not: {scores}")
        return "\n".join(lines)


def choose(
    asked: Sequence[QueryResult], calibration: Calibration, alarms: float, labelled: bool
) -> Calibrated:
    """The calibration with the thresholds that the answers ask for.

    Args:
        asked: answers without a rejection.
        calibration: by whose mask threshold and tolerance they were answered.
        alarms: share of false alarms after the second look that is aimed at.
        labelled: whether masks of what is there are known; else the rejection is kept.

    Raises:
        ModelError: too little was asked to know of any threshold that it is safe; or none is: the
            model says yes to everything, sees nothing, or cannot tell what is there from what is
            not.
    """
    _require_enough(asked, alarms, labelled)
    absent = [a for a in asked if a.kind in ABSENT]

    def wrong(threshold: float) -> Share:
        return Share.of(a.found(threshold) for a in absent)

    def rare(share: Share) -> bool:
        return share.value <= alarms and share.interval[1] <= SAFE

    def masks(margin: float) -> Share:
        return Share.of(a.found_by_mask(margin) for a in absent)

    margin = _smallest(lambda m: masks(m).value <= MASK_ALARMS)
    threshold = max(_smallest(lambda t: rare(wrong(t))), LEAST_SCORE)
    rejection = calibration.crop_rejection
    if labelled:
        rejection = max(REJECTIONS, key=lambda r: mean_iou(asked, r))
    by_phrase: dict[str, list[bool]] = {}
    for answer in asked:
        if answer.kind is QueryKind.PRESENT:
            by_phrase.setdefault(answer.phrase, []).append(answer.right(threshold))
        elif answer.kind is QueryKind.NAMED:
            by_phrase.setdefault(answer.phrase, []).append(answer.found(threshold))
    named = {phrase: Share.of(hits) for phrase, hits in by_phrase.items()}
    confirmed = Share(sum(s.hits for s in named.values()), sum(s.cases for s in named.values()))
    calibration = dataclasses.replace(
        calibration,
        margin=margin,
        crop_threshold=threshold,
        crop_rejection=min(rejection, threshold),
    )
    highest: dict[str, float] = {}
    for answer in absent:
        for candidate in answer.candidates:
            highest[answer.phrase] = max(highest.get(answer.phrase, 0.0), candidate.score)
    chosen = Calibrated(
        calibration,
        confirmed,
        wrong(threshold),
        masks(margin),
        named,
        likeliest=tuple(sorted(highest.items(), key=lambda item: -item[1])[:LIKELIEST]),
    )
    _require_sense(chosen, asked)
    return chosen


def least_absent(alarms: float) -> int:
    """Questions about what is not there from which a threshold can be safe: if not one were
    answered wrongly, and with one wrong answer a share of `alarms` at most.
    """
    fewest = next(n for n in range(1, 10**6) if Share(0, n).interval[1] <= SAFE)
    return max(fewest, math.ceil(1 / alarms))


def require_images(count: int, absent_each: int, alarms: float) -> None:
    """ModelError if so many images, with so many questions about what is absent at most, can only
    be too few; before the work, where `choose` knows it after.
    """
    least = least_absent(alarms)
    if (missing := math.ceil(least / absent_each) - count) > 0:
        raise ModelError(
            f"{count} images ask for {count * absent_each} absent things at most, and thresholds "
            f"that are safe take {least}: {missing} images are missing: give more images"
        )


def _require_enough(asked: Sequence[QueryResult], alarms: float, labelled: bool) -> None:
    present = sum(a.kind is QueryKind.PRESENT for a in asked)
    absent = sum(a.kind in ABSENT for a in asked)
    wanted = LEAST_PRESENT if labelled else 0
    least = least_absent(alarms)
    if present < wanted or absent < least:
        raise ModelError(
            f"too little was asked to choose thresholds that are safe: {present} of at least "
            f"{wanted} questions about what is there, {absent} of at least {least} about what is "
            f"not; {max(0, wanted - present)} and {max(0, least - absent)} are missing: give more "
            "images"
        )


def _require_sense(chosen: Calibrated, asked: Sequence[QueryResult]) -> None:
    """ModelError if the model is of no use at its thresholds."""
    told = f"at the threshold that keeps false alarms at {_told(chosen.false_alarms)}"
    if chosen.calibration.crop_threshold > LARGEST_SCORE:
        raise ModelError(
            f"the model says yes to everything: {told} it would have to be surer than "
            f"{LARGEST_SCORE}; train it longer before calibrating it"
        )
    if not any(answer.candidates for answer in asked):
        raise ModelError("the model sees nothing at all: is it trained, and the right one?")
    shares = (chosen.confirmed, chosen.false_alarms)
    if chosen.confirmed.cases and shares[0].interval[0] <= shares[1].interval[1]:
        raise ModelError(
            f"the model cannot tell what is there from what is not: {told} it confirms "
            f"{_told(chosen.confirmed)} of what is there; train it longer, or ask for what it knows"
        )


def _told(share: Share) -> str:
    low, high = (100 * end for end in share.interval)
    return f"{100 * share.value:.1f} % [{low:.1f}, {high:.1f}] of {share.cases}"


def mean_iou(seen: Sequence[QueryResult], rejection: float = 0.0) -> float:
    return float(np.mean([a.iou(rejection) for a in seen if a.kind is QueryKind.PRESENT]))


def _smallest(good: Callable[[float], np.bool_ | bool]) -> float:
    """The smallest hundredth in 0..1 for which `good` holds."""
    for value in (hundredths / 100 for hundredths in range(101)):
        if good(value):
            return value
    raise ModelError("the model says yes to everything: train it longer before calibrating it")
