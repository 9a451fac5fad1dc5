"""A replay as one HTML page: differences to the baseline, timelines, and every decision."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from vlam_ros.lab.replay.compare import Comparison
from vlam_ros.lab.replay.images import DecisionImages
from vlam_ros.lab.replay.records import ReplayRun, stamp_text
from vlam_ros.lab.replay.table import (
    OUTCOMES,
    comparison_tables,
    exceeded_table,
    run_tables,
    verdict_line,
)
from vlam_ros.lab.replay.thresholds import Exceeded
from vlam_ros.lab.report.page import render
from vlam_ros.lab.report.percentiles import Percentiles
from vlam_ros.lab.report.replay_axis import axis_of
from vlam_ros.lab.report.replay_data import Nearest, page_data
from vlam_ros.lab.report.table import plural

_SHOWN = ("Decisions that differ", "Run")
"""Tables that the page shows in another way."""


def replay_page(
    run: ReplayRun,
    images: Mapping[int, DecisionImages],
    comparison: Comparison | None = None,
    exceeded: Sequence[Exceeded] = (),
    title: str = "Replay",
) -> str:
    """The page.

    Args:
        run: what was decided.
        images: of some decisions, by their places; the others show that of an earlier one.
        comparison: of the run with its baseline, if there is one.
        exceeded: the thresholds that were passed over.
        title: of the page.
    """
    axis = axis_of(run.decisions)
    images = {i: p for i, p in sorted(images.items()) if 0 <= i < len(run.decisions)}
    tables = [*run_tables(run), *(comparison_tables(comparison) if comparison else [])]
    outcomes = Counter(d.outcome for d in run.decisions)
    return render(
        "replay.html",
        title=title,
        run=run,
        comparison=comparison,
        came_out=_verdict(run, comparison, exceeded),
        outcomes=outcomes,
        tiles=list(_tiles(run, comparison, outcomes)),
        exceeded=exceeded_table(exceeded),
        links=_links(run, comparison, exceeded),
        axis=axis,
        figures=[replace(t, notes=(), folded=True) for t in tables if t.title not in _SHOWN],
        data=page_data(run, axis, images, comparison),
        images=images,
    )


def _verdict(
    run: ReplayRun, comparison: Comparison | None, exceeded: Sequence[Exceeded]
) -> tuple[str, str, str]:
    """A tone, a word or two, and a line of text."""
    if comparison is None:
        told = {d.instruction for d in run.decisions if d.instruction}
        decided = plural(len(run.decisions), "decision")
        return "plain", "no baseline", f"{decided} by {plural(len(told), 'instruction')}"
    line = verdict_line(comparison)
    if exceeded:
        return "bad", "thresholds passed over", line
    return ("good", "same", line) if comparison.same else ("other", "differs", line)


def _tiles(
    run: ReplayRun, comparison: Comparison | None, outcomes: Mapping[str, int]
) -> Iterable[tuple[str, str, str, str]]:
    """Title, value and its unit, and a line of text; that of all decisions is the first."""
    counts = " · ".join(f"{outcomes[name]} {name}" for name in OUTCOMES if outcomes[name])
    yield "Decisions", str(len(run.decisions)), "", counts
    if comparison:
        c = comparison
        text = f"{len(c.different)} changed, {len(c.missing)} missing, {len(c.new)} new"
        yield "Differences", str(c.differing), f"of {c.total}", text
    latency = Percentiles.of(run.seconds)
    if math.isfinite(latency.p50):
        text = f"p95 {latency.p95:.3f} s, p99 {latency.p99:.3f} s"
        ratio = comparison.latency_ratio if comparison else None
        text += f"; {ratio:.2f} × the baseline's median" if ratio is not None else ""
        yield "Median per decision", f"{latency.p50:.3f}", "s", text
    if run.decisions:
        stamps = [d.stamp for d in run.decisions]
        first, last = min(stamps), max(stamps)
        text = f"{stamp_text(first)} to {stamp_text(last)}"
        yield "Images over", f"{(last - first) / 1e9:.1f}", "s", text


def _links(
    run: ReplayRun, comparison: Comparison | None, exceeded: Sequence[Exceeded]
) -> list[list[tuple[str, int, float]]]:
    """Where each threshold begins to be passed over: the stamp, the place of the decision on it or
    nearest to it, and the seconds since the first; none of a run without decisions.
    """
    if not run.decisions:
        return [[] for _ in exceeded]
    places = {d.stamp: i for i, d in reversed(list(enumerate(run.decisions)))}
    if comparison:
        places |= {p.after.stamp: p.index for p in reversed(comparison.different)}
    nearest, start = Nearest(run.decisions), run.decisions[0].stamp
    return [
        [
            (stamp_text(stamp), places.get(stamp, nearest.to(stamp) or 0), (stamp - start) / 1e9)
            for stamp in e.where
        ]
        for e in exceeded
    ]
