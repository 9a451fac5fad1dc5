"""A replay as one HTML page: differences to the baseline, timelines, and every decision.

The page needs no network and nothing beside it. Texts of the bag are never read as HTML, and the
page runs no other script than its own.
"""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from vlam_ros.lab.replay.compare import Comparison
from vlam_ros.lab.replay.images import DecisionImages
from vlam_ros.lab.replay.records import ReplayRun, stamp_text
from vlam_ros.lab.replay.table import OUTCOMES, comparison_tables, run_tables, verdict_line
from vlam_ros.lab.replay.thresholds import Exceeded
from vlam_ros.lab.report.percentiles import Percentiles
from vlam_ros.lab.report.replay_axis import Axis, axis_of
from vlam_ros.lab.report.replay_data import Nearest, json_block, page_data
from vlam_ros.lab.report.replay_script import SCRIPT
from vlam_ros.lab.report.replay_style import BASE
from vlam_ros.lab.report.replay_style import REPORT as STYLE
from vlam_ros.lab.report.replay_template import (
    DIFFERENCES,
    REPORT,
    VIEWER,
    bar,
    document,
    facts,
    folded,
    html,
    notes,
)
from vlam_ros.lab.report.table import NOTHING

_SHOWN = ("Thresholds passed over", "Decisions that differ", "Run")
"""Tables that the page shows in another way."""
_NOTHING = '<p class="panel nothing">No decision was made.</p>'


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
    figures = "".join(folded(table) for table in tables if table.title not in _SHOWN)
    tone, said, verdict = _verdict(run, comparison, exceeded)
    body = REPORT.substitute(
        title=html(title),
        tone=tone,
        said=said,
        verdict=html(verdict),
        about=facts(run.about),
        notes=notes(run.notes),
        tiles="".join(_tiles(run, comparison)),
        exceeded=_exceeded(run, comparison, exceeded),
        differences=_differences(comparison),
        viewer=_viewer(axis) if run.decisions else _NOTHING,
        figures=f"<h2>Figures</h2>{figures}" if figures else "",
    )
    data = json_block(page_data(run, axis, images, comparison))
    blocks = f'<script type="application/json" id="data">{data}</script>' + "".join(
        _image_blocks(images)
    )
    return document(title, body, BASE + STYLE, blocks, SCRIPT)


def _verdict(
    run: ReplayRun, comparison: Comparison | None, exceeded: Sequence[Exceeded]
) -> tuple[str, str, str]:
    """A tone, a word or two, and a line of text."""
    if comparison is None:
        decided = f"{_decisions(len(run.decisions))} by {_instructions(run)}"
        return "plain", "no baseline", decided
    line = verdict_line(comparison)
    if exceeded:
        return "bad", "thresholds passed over", line
    return ("good", "same", line) if comparison.same else ("other", "differs", line)


def _instructions(run: ReplayRun) -> str:
    number = len({d.instruction for d in run.decisions if d.instruction})
    return f"{number} instruction" + "s" * (number != 1)


def _decisions(number: int) -> str:
    return f"{number} decision" + "s" * (number != 1)


def _tiles(run: ReplayRun, comparison: Comparison | None) -> Iterable[str]:
    outcomes = Counter(d.outcome for d in run.decisions)
    counted = " · ".join(f"{outcomes[name]} {name}" for name in OUTCOMES if outcomes[name])
    yield _tile("Decisions", str(len(run.decisions)), counted, bar(outcomes))
    if comparison:
        c = comparison
        text = f"{len(c.different)} changed, {len(c.missing)} missing, {len(c.new)} new"
        yield _tile("Differences", f"{c.differing} <small>of {c.total}</small>", text)
    latency = Percentiles.of(run.seconds)
    if math.isfinite(latency.p50):
        text = f"p95 {latency.p95:.3f} s, p99 {latency.p99:.3f} s"
        ratio = comparison.latency_ratio if comparison else None
        text += f"; {ratio:.2f} × the baseline's median" if ratio is not None else ""
        yield _tile("Median per decision", f"{latency.p50:.3f} <small>s</small>", text)
    if run.decisions:
        stamps = [d.stamp for d in run.decisions]
        first, last = min(stamps), max(stamps)
        text = f"{stamp_text(first)} to {stamp_text(last)}"
        yield _tile("Images over", f"{(last - first) / 1e9:.1f} <small>s</small>", text)


def _tile(title: str, value: str, text: str, extra: str = "") -> str:
    """`value` and `extra` are HTML."""
    return (
        f'<div class="panel tile"><h3>{html(title)}</h3><b>{value}</b>{extra}<p>{html(text)}</p>'
        "</div>"
    )


def _exceeded(run: ReplayRun, comparison: Comparison | None, exceeded: Sequence[Exceeded]) -> str:
    if not exceeded:
        return ""
    places = {d.stamp: i for i, d in reversed(list(enumerate(run.decisions)))}
    if comparison:
        places |= {p.after.stamp: p.index for p in reversed(comparison.different)}
    nearest = Nearest(run.decisions)

    def link(stamp: int) -> str:
        place = places.get(stamp, nearest.to(stamp))
        if place is None:
            return stamp_text(stamp)
        after = (stamp - run.decisions[0].stamp) / 1e9
        return (
            f'<button type="button" data-decision="{place}" data-after="{after:.4f}"'
            f' title="stamp {stamp_text(stamp)}"></button>'
        )

    rows = "".join(
        f'<tr><th scope="row">{html(e.name)}</th>'
        f"<td>{NOTHING if math.isnan(e.measured) else f'{e.measured:.4g}'}</td><td>{e.limit:g}</td>"
        f"<td>{' '.join(map(link, e.where)) or NOTHING}</td></tr>"
        for e in exceeded
    )
    head = "".join(
        f'<th scope="col">{text}</th>' for text in ("threshold", "measured", "allowed", "first at")
    )
    return (
        '<section aria-labelledby="exceeded-title">'
        '<h2 id="exceeded-title">Thresholds passed over</h2>'
        '<div class="panel wide"><table id="exceeded">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _differences(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    remarks = notes(comparison.remarks)
    if comparison.same:
        remarks += '<p class="panel">Every decision has a partner that does the same.</p>'
    return DIFFERENCES.substitute(remarks=remarks)


def _viewer(axis: Axis) -> str:
    note = f'<p class="note">{html(axis.note)}</p>' if axis.note else ""
    return VIEWER.replace("<!-- note of the axis -->", note)


def _image_blocks(images: Mapping[int, DecisionImages]) -> Iterable[str]:
    """Scripts that are none, from which an image is taken when it is to be shown: unlike the data,
    they need not be read before.
    """
    for index, shown in images.items():
        for name, data in (("overlay", shown.overlay), ("top-view", shown.top_view)):
            if data is not None:
                text = base64.b64encode(data).decode()
                yield f'<script type="text/plain" id="{name}-{index}">{text}</script>'
