"""Replays that nobody ran: decisions with stamps every 100 ms, and changes to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from vlam_ros.actions import ActionTokenizer
from vlam_ros.lab.replay.records import DESTINATION, TARGET, DecisionRecord, FoundObject, ReplayRun
from vlam_ros.types import ActionSpace

START = 1_700_000_000_000_000_000
PERIOD = 100_000_000
SPACE = ActionSpace.of(
    ("stop", "go_to", "pick_up"), (-1.0, -1.0, -1.0, -3.14159265), (1.0, 1.0, 1.0, 3.14159265)
)
CUP = FoundObject("red cup", TARGET, (320, 240, 400, 320), 0.9, (1.0, 0.2, 0.05), 0.01)
TRAY = FoundObject("blue tray", DESTINATION, (100, 240, 200, 320), 0.8, (1.5, -0.4, 0.02), 0.02)
STOP_ROW = ((0, 255, 255, 255, 255),)
NAN = float("nan")


def tokens(*rows: tuple[float, ...], space: ActionSpace = SPACE) -> tuple[Any, ...]:
    """Rows (cmd, x, y, z, θ) encoded, NaN where not used."""
    values = np.array(rows)
    encoded = ActionTokenizer(space).encode(values, ~np.isnan(values[:, 1:]))
    return tuple(map(tuple, encoded.tolist()))


EXECUTE = DecisionRecord(
    stamp=START,
    now=START + 40_000_000,
    era=0,
    instruction="go to the red cup",
    outcome="EXECUTE",
    reason="NONE",
    message="",
    confidence=0.875,
    skill="go_to",
    trace="go to red cup (1.00, 0.20) [0.90]",
    start_offset=200_000_000,
    step=250_000_000,
    tokens=tokens((1, 0.2, 0.0, NAN, 0.0), (1, 0.5, 0.1, NAN, 0.2)),
    objects=(CUP, TRAY),
)
HOLD = replace(
    EXECUTE,
    outcome="HOLD",
    reason="TARGET_NOT_FOUND",
    message="no red cup is seen",
    confidence=0.0,
    skill="stop",
    start_offset=0,
    tokens=STOP_ROW,
    objects=(),
)
DONE = replace(HOLD, outcome="DONE", reason="NONE", message="", confidence=0.9)


def replay(
    *decisions: DecisionRecord, space: ActionSpace = SPACE, seconds: float = 0.1, **about: str
) -> ReplayRun:
    """A run with one decision a period, in this order; each takes as long."""
    spaced = tuple(
        replace(d, stamp=START + i * PERIOD, now=START + i * PERIOD + 40_000_000)
        for i, d in enumerate(decisions)
    )
    return ReplayRun(space, spaced, (seconds,) * len(spaced), about)


def at(run: ReplayRun, stamps: Iterable[int], eras: Iterable[int] | None = None) -> ReplayRun:
    """The run with its decisions at these times (ns after START)."""
    times = list(stamps)
    those = [
        replace(d, stamp=START + t, era=e)
        for d, t, e in zip(run.decisions, times, eras or [0] * len(times), strict=True)
    ]
    return with_decisions(run, those, run.seconds)


def with_decisions(
    run: ReplayRun, decisions: Iterable[DecisionRecord], seconds: Iterable[float]
) -> ReplayRun:
    """The run with other decisions."""
    return replace(run, decisions=tuple(decisions), seconds=tuple(seconds))
