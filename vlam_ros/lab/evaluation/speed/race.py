"""Ways take turns on the same images: how long each takes, and whether the masks agree."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from statistics import median

import numpy as np
from matplotlib.figure import Figure
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
) -> list[Lap]:
    """Let the ways find the first 1, 4, 8 and 16 prompts in each image; ONE_BY_ONE is the first."""
    laps: list[Lap] = []
    for count in tqdm(COUNTS, desc=subject):
        asked = prompts[:count]
        seconds: dict[str, list[float]] = {way.name: [] for way in ways}
        overlaps: dict[str, list[float]] = {way.name: [] for way in ways}
        errors: dict[str, list[float]] = {way.name: [] for way in ways}
        for way in ways:
            way.masks(images[0], asked)  # warms up
        for image in images:
            expected: Float32Array | None = None
            for way in ways:
                begin = time.perf_counter()
                masks = way.masks(image, asked)
                seconds[way.name].append(time.perf_counter() - begin)
                expected = masks if expected is None else expected
                overlaps[way.name] += ious(masks, expected, trained)
                errors[way.name].append(float(np.abs(masks - expected).max() / np.ptp(expected)))
        for way in ways:
            figures = tuple(seconds[way.name]), tuple(overlaps[way.name]), max(errors[way.name])
            laps.append(Lap(subject, len(asked), way, *figures))
    return laps


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


def chart(laps: Sequence[Lap]) -> bytes:
    """A PNG: seconds of an image against the number of prompts, a panel for each subject."""
    subjects = list(dict.fromkeys(lap.subject for lap in laps))
    figure = Figure(figsize=(5.2 * len(subjects), 4.2), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(subjects), squeeze=False)[0]
    for panel, subject in zip(panels, subjects, strict=True):
        of_subject = [lap for lap in laps if lap.subject == subject]
        for name in dict.fromkeys(lap.way.name for lap in of_subject):
            own = [lap for lap in of_subject if lap.way.name == name]
            style = "--" if name.startswith("Hugging") else "-"
            seconds = [median(lap.seconds) for lap in own]
            panel.plot([lap.prompts for lap in own], seconds, style, marker="o", label=name)
        panel.set(title=subject, xlabel="prompts", xscale="log", yscale="log", xticks=COUNTS)
        panel.set_xticks(COUNTS, [str(count) for count in COUNTS], minor=False)
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("seconds for one image")
    panels[0].legend(fontsize="small", frameon=False)
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
