"""What stands over and under the image of a decision: the instruction, the plan, the verdict."""

from __future__ import annotations

import numpy as np

from vlam_ros.types import Decision, Outcome, Uint8Array, Verdict
from vlam_ros.visualization.canvas import (
    BOLD,
    INK,
    PANEL,
    PAPER,
    QUIET,
    Colour,
    Paragraph,
    band,
    shortened,
)

VERDICT_COLOURS: dict[Outcome, Colour] = {
    Outcome.EXECUTE: (70, 205, 125),
    Outcome.HOLD: (255, 184, 48),
    Outcome.DONE: (98, 166, 255),
}

_TITLE, _BODY = 0.62, 0.5


def captioned(canvas: Uint8Array, decision: Decision, instruction: str, unit: float) -> Uint8Array:
    """The canvas between a header with the instruction and a footer with plan and verdict."""
    columns = canvas.shape[1]
    said = shortened(instruction) or "no instruction"
    header = band([Paragraph(said, _TITLE, BOLD)], PAPER, PANEL, columns, unit)
    trace = Paragraph(decision.plan.trace or "no plan", _BODY)
    plan = band([trace], QUIET, PANEL, columns, unit)
    return np.vstack([header, canvas, plan, _verdict(decision.verdict, columns, unit)])


def _verdict(verdict: Verdict, columns: int, unit: float) -> Uint8Array:
    title = verdict.outcome.name
    if verdict.reason:
        title += f": {verdict.reason.name}"
    elif verdict.outcome is Outcome.EXECUTE:
        title += f" with confidence {verdict.confidence:.2f}"
    paragraphs = [Paragraph(title, _TITLE, BOLD), Paragraph(shortened(verdict.message), _BODY)]
    return band(paragraphs, INK, VERDICT_COLOURS[verdict.outcome], columns, unit)
