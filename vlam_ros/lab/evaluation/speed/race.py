"""Ways take turns on the same images: how long each takes, and whether the masks agree."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from tqdm import tqdm

from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.lab.evaluation.speed.ways import ONE_BY_ONE, Float32Array, Way
from vlam_ros.types import Uint8Array

COUNTS = (1, 4, 8, 16)
"""Numbers of prompts that are raced with."""
MIN_PIXELS = 20
"""As perception.min_area in config/vlam.yaml."""


@dataclass(frozen=True)
class Lap:
    """What one way did with a number of prompts: seconds of each image, the IoU of each mask with
    the first way's, and the largest difference of logits as a share of their range.
    """

    subject: str
    prompts: int
    way: Way
    seconds: tuple[float, ...]
    overlaps: tuple[float, ...]
    error: float


def race(
    subject: str,
    trained: bool,
    ways: Sequence[Way],
    images: Sequence[Uint8Array],
    prompts: Sequence[str],
    progress: bool = True,
) -> list[Lap]:
    """Let the ways find the first 1, 4, 8 and 16 prompts in each image; the first is ONE_BY_ONE.

    Args:
        subject: name of the checkpoint.
        trained: whether its masks mean anything.
        ways: that take turns.
        images: uint8[H,W,3] RGB each.
        prompts: at least as many as the most of COUNTS.
        progress: whether to show it.
    """
    return [
        lap
        for count in tqdm(COUNTS, desc=subject, disable=not progress)
        for lap in _laps(subject, trained, ways, images, prompts[:count])
    ]


def _laps(
    subject: str,
    trained: bool,
    ways: Sequence[Way],
    images: Sequence[Uint8Array],
    prompts: Sequence[str],
) -> Iterator[Lap]:
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    overlaps: dict[str, list[float]] = {way.name: [] for way in ways}
    errors: dict[str, list[float]] = {way.name: [] for way in ways}
    for way in ways:
        way.masks(images[0], prompts)
    for image in images:
        expected: Float32Array | None = None
        for way in ways:
            begin = time.perf_counter()
            masks = way.masks(image, prompts)
            seconds[way.name].append(time.perf_counter() - begin)
            expected = masks if expected is None else expected
            overlaps[way.name] += ious(masks, expected, trained)
            errors[way.name].append(float(np.abs(masks - expected).max() / np.ptp(expected)))
    for way in ways:
        name = way.name
        figures = tuple(seconds[name]), tuple(overlaps[name]), max(errors[name])
        yield Lap(subject, len(prompts), way, *figures)


def ious(masks: Float32Array, others: Float32Array, trained: bool) -> list[float]:
    """The overlap of each two masks of the same prompt, of less than MIN_PIXELS left out: that is
    no object to either. Where weights are random nothing is above zero, and the median of each
    prompt's logits divides what is mask from what is not.
    """
    found = []
    for one, other in zip(masks, others, strict=True):
        a, b = (m > (0.0 if trained else np.median(m)) for m in (one, other))
        union = int((a | b).sum())
        if union >= MIN_PIXELS:
            found.append(int((a & b).sum()) / union)
    return found


def rows(laps: Sequence[Lap]) -> Iterator[Metric]:
    """The figures of a race."""
    one_by_one = {
        (lap.subject, lap.prompts): median(lap.seconds)
        for lap in laps
        if lap.way.name == ONE_BY_ONE
    }
    for lap in laps:
        asked = "1 prompt" if lap.prompts == 1 else f"{lap.prompts} prompts"
        title, cases = f"{lap.subject}, {asked}, {lap.way.name}", len(lap.seconds)
        yield Metric(f"{title} (s)", median(lap.seconds), cases)
        if lap.way.name == ONE_BY_ONE:
            continue
        ratio = one_by_one[lap.subject, lap.prompts] / median(lap.seconds)
        gate = lap.way.ratios.get(lap.prompts)
        yield Metric(f"{title}: times as fast as one by one", ratio, cases, gate)
        if lap.overlaps:
            mean, least = float(np.mean(lap.overlaps)), min(lap.overlaps)
            masks = len(lap.overlaps)
            yield Metric(f"{title}: mean IoU with one by one", mean, masks, lap.way.overlap)
            yield Metric(f"{title}: least IoU with one by one", least, masks)
        yield Metric(
            f"{title}: largest difference of logits, share of their range", lap.error, cases
        )
