"""The report of a training as one HTML page: before and after, curves, images, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure

from vlam_ros.lab.report.page import render
from vlam_ros.lab.report.table import Table, number
from vlam_ros.lab.training.examples import Batch
from vlam_ros.lab.training.fit.parts import Log, to_device
from vlam_ros.lab.training.grounding import Grounding, Metrics, decoded, fitted
from vlam_ros.lab.visualization.jpeg import jpeg
from vlam_ros.resources import write_file
from vlam_ros.types.arrays import BoolArray, Uint8Array

EXAMPLES = 12
"""Pairs of an image and a phrase that are shown."""
TRUE, FOUND = (70, 205, 125), (255, 86, 160)
"""Colours of the true outline and of what was found, RGB."""
_SIDE, _QUALITY = 224, 95
_GROUPS = {"loss": "loss terms", "validation": "validation", "cosine": "gradients' cosines",
           "weight": "learned weights", "rate": "learning rate"}  # fmt: skip


@dataclass(frozen=True)
class Example:
    """An image uint8[S,S,3], a phrase, and where it is and was found, bool[S,S] each."""

    phrase: str
    image: Uint8Array
    truth: BoolArray
    found: BoolArray


@dataclass(frozen=True)
class TrainingReport:
    """What a training's page tells.

    `before` and `after` are figures by what they are of, `facts` what it was made with.
    """

    title: str
    facts: Mapping[str, str]
    before: Mapping[str, Metrics]
    after: Mapping[str, Metrics]
    examples: Sequence[Example]


@torch.no_grad()
def examples(grounding: Grounding, batches: Sequence[Batch], threshold: float) -> list[Example]:
    """The first EXAMPLES pairs of batches, those where the phrase is there before the others."""
    shown: list[Example] = []
    absent: list[Example] = []
    for each in batches:
        batch: Batch = to_device(each, grounding.model.device)
        pairs = zip(batch.images.tolist(), batch.asked.tolist(), strict=True)
        states, texts = grounding.see(batch.pixels), grounding.read(batch.phrases)
        for logits, masks in decoded(grounding, states, batch, texts):
            for logit, mask in zip(logits, masks, strict=True):
                frame, phrase = next(pairs)
                image = batch.pixels[frame]
                example = Example(
                    batch.phrases[phrase],
                    (image * 255).round().byte().permute(1, 2, 0).cpu().numpy(),
                    (fitted(mask[None], image) > 0.5)[0].cpu().numpy(),
                    (fitted(logit[None], image).sigmoid() > threshold)[0].cpu().numpy(),
                )
                (shown if example.truth.any() else absent).append(example)
        if len(shown) >= EXAMPLES:
            break
    return (shown + absent)[:EXAMPLES]


def write_report(report: TrainingReport, run: Path, path: Path) -> None:
    """Write the page.

    Args:
        report: what it tells.
        run: folder of the run, whose log has the curves.
        path: of the page.

    Raises:
        ConfigurationError: it cannot be written.
    """
    page = render(
        "training.html",
        title=report.title,
        report=report,
        before_after=_before_after(report),
        curves=_curves(Log(run).records()),
        examples=[_drawn(example) for example in report.examples],
        confusion=[_confusion(of, after) for of, after in report.after.items() if after.phrases],
    )
    write_file(path, page.encode())


def _before_after(report: TrainingReport) -> Table:
    rows = tuple(
        (f"{of}: {name}", number(was), number(figures.numbers()[name]))
        for of, figures in report.after.items()
        for name, was in report.before[of].numbers().items()
    )
    return Table("Before and after", ("", "before", "after"), rows)


def _curves(records: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG with a panel for each group of the log and a line for each of its names."""
    groups = [group for group in _GROUPS if any(group in record for record in records)]
    rows = max(1, -(-len(groups) // 2))
    figure = Figure(figsize=(10.4, 3.2 * rows), dpi=110, layout="constrained")
    panels = figure.subplots(rows, 2, squeeze=False).flatten()
    for panel, group in zip(panels, groups, strict=False):
        points = [(r["step"], r[group]) for r in records if group in r]
        for name in dict.fromkeys(name for _, values in points for name in values):
            own = [(step, values[name]) for step, values in points if name in values]
            panel.plot(*zip(*own, strict=True), marker="o" if len(own) < 20 else "", label=name)
        panel.set(title=_GROUPS[group], xlabel="step")
        panel.grid(alpha=0.3)
        if group != "rate":
            panel.legend(fontsize="small", frameon=False)
    for panel in panels[len(groups) :]:
        panel.remove()
    file = BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _drawn(example: Example) -> tuple[str, str, bytes]:
    """The phrase, how well it was found, and the image (JPEG) with the true outline and what was
    found shaded.
    """
    image = cv2.resize(example.image, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    truth, found = (
        cv2.resize(mask.astype(np.uint8), (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
        for mask in (example.truth, example.found)
    )
    shade = np.where(found[..., None] > 0, np.array(FOUND), image)
    drawn = cv2.addWeighted(image, 0.55, shade.astype(np.uint8), 0.45, 0)
    outlines = cv2.findContours(truth, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    cv2.drawContours(drawn, outlines, -1, TRUE, 2)
    union = np.count_nonzero(example.truth | example.found)
    if example.truth.any():
        said = f"IoU {np.count_nonzero(example.truth & example.found) / union:.2f}"
    else:
        said = "absent, false alarm" if union else "absent, not found"
    return example.phrase, said, jpeg(np.asarray(drawn, np.uint8), _QUALITY)


def _confusion(of: str, figures: Metrics) -> tuple[Table, list[list[str]]]:
    """Each crop's phrase (row) and the phrase it is most alike to (column), and the percentages of
    the rows.
    """
    counts = figures.confusion.tolist()
    rows = tuple(
        (name, *(str(count or "") for count in row))
        for name, row in zip(figures.phrases, counts, strict=True)
    )
    table = Table(of, ("is \\ most alike to", *figures.phrases), rows)
    return table, [[f"{100 * n / max(1, sum(row)):.0f}" for n in row] for row in counts]
