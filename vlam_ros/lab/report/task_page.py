"""The closed-loop evaluation as one HTML page: gates, figures, and a card for each failed episode.

The page needs no network and nothing beside it: images and script are in it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from string import Template

from vlam_ros.lab.evaluation.episode_recorder import EpisodeRecord
from vlam_ros.lab.evaluation.task_counts import ending
from vlam_ros.lab.evaluation.task_figures import Gate, TaskFigures
from vlam_ros.lab.report.table import Table
from vlam_ros.lab.report.task_page_template import PAGE
from vlam_ros.lab.simulation.tasks import Kind
from vlam_ros.types import Outcome

_NUMBER = re.compile(r"(\d\.\d{3}) (\(.*)")
"""A share, and what it stands on."""
_LESS = 4.0
"""The scale of a share that must be small reaches to so many times its bar."""


@dataclass(frozen=True)
class Failure:
    """An episode that failed, or in which something was hit, and the JPEG of what happened."""

    variant: str
    record: EpisodeRecord
    strip: bytes | None = None


def failures_of(
    records: Mapping[str, Sequence[EpisodeRecord]],
    strip: Callable[[str, EpisodeRecord], bytes | None] = lambda variant, record: None,
) -> list[Failure]:
    """All episodes that failed or hit something: by variant, by kind and by seed.

    Args:
        records: by the name of the variant.
        strip: gives the film strip of a variant's episode, None if there is none.
    """
    order = [kind.value for kind in Kind]
    return [
        Failure(variant, record, strip(variant, record))
        for variant, those in records.items()
        for record in sorted(those, key=lambda r: (order.index(r.kind), r.seed))
        if not record.success or record.collisions
    ]


def task_page(
    figures: TaskFigures, failures: Sequence[Failure], title: str = "Closed-loop evaluation"
) -> str:
    """The page.

    Args:
        figures: what was measured.
        failures: what is shown of single episodes.
        title: of the page.
    """
    made_with = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in figures.made_with.items()
    )
    return Template(PAGE).substitute(
        title=escape(title),
        verdict=_verdict(figures),
        gates="".join(map(_gate, figures.gates)),
        tables="".join(_table(table) for table in figures.tables),
        filters=_filters(failures),
        cards="".join(map(_card, failures)) or "<p>No episode failed.</p>",
        count=len(failures),
        made_with=f"<dl>{made_with}</dl>" if made_with else "",
    )


def _verdict(figures: TaskFigures) -> str:
    if not figures.variants:
        return "Nothing was measured."
    counts, gates = figures.variants[figures.judged], figures.gates
    missed = sum(not gate.passed for gate in gates)
    said = f"{missed} of {len(gates)} gates missed" if missed else f"All {len(gates)} gates met"
    tasks, control = counts.tasks.success.cases, counts.control.refused.cases
    return (
        f"{said} by <b>{escape(figures.judged)}</b> on {tasks} tasks that can be done"
        f" and {control} that must be refused."
    )


def _gate(gate: Gate) -> str:
    """A tile: the share, its interval on a scale with the bar, and whether the gate is met."""
    share, passed = gate.share, gate.passed
    scale = max(_LESS * gate.bar, share.interval[1]) if gate.at_most else 1.0
    low, high = (100 * min(1.0, end / scale) for end in share.interval)
    measured = f"{share.value:.3f}" if share.cases else "–"
    at = f'<b style="left:{100 * share.value / scale:.1f}%"></b>' if share.cases else ""
    return (
        f'<article class="gate {"met" if passed else "missed"}"><h3>{escape(gate.name)}</h3>'
        f'<p class="value">{measured} <span>{"met" if passed else "missed"}</span></p>'
        f'<div class="scale" aria-hidden="true">'
        f'<i style="left:{low:.1f}%;width:{high - low:.1f}%"></i>{at}'
        f'<u style="left:{100 * gate.bar / scale:.1f}%"></u></div>'
        f"<p>gate {escape(gate.demand)} · {share.hits} of {share.cases}</p>"
        f"<p>95 %: {share.interval[0]:.3f}–{share.interval[1]:.3f}</p></article>"
    )


def _table(table: Table) -> str:
    """A table, folded if it is about a variant that is not judged."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in table.head)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(map(_cell, cells))}</tr>'
        for name, *cells in table.rows
    )
    note = "".join(f'<p class="note">{escape(note)}</p>' for note in table.notes)
    is_open = "" if table.folded else " open"
    return (
        f"<details{is_open}><summary>{escape(table.title)}</summary>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f"{note}</details>"
    )


def _cell(text: str) -> str:
    parts = _NUMBER.fullmatch(text)
    if parts is None:
        return f"<td>{escape(text)}</td>"
    return f"<td><b>{escape(parts[1])}</b> <small>{escape(parts[2])}</small></td>"


def _filters(failures: Sequence[Failure]) -> str:
    """One choice for each property that cards can be told apart by."""
    properties = {
        "variant": [f.variant for f in failures],
        "kind": [f.record.kind for f in failures],
        "ending": [ending(f.record) for f in failures],
    }
    return "".join(_filter(name, values) for name, values in properties.items())


def _filter(name: str, values: Sequence[str]) -> str:
    options = "".join(
        f'<option value="{escape(value)}">{escape(value)} ({values.count(value)})</option>'
        for value in dict.fromkeys(values)
    )
    return (
        f'<label>{name} <select data-filter="{name}"><option value="">all</option>'
        f"{options}</select></label>"
    )


def _card(failure: Failure) -> str:
    record, variant = failure.record, failure.variant
    said = "".join(f"<q>{escape(text)}</q>" for text in record.instructions)
    wrong = [record.why] if record.why else []
    wrong += [f"hit something: {contact}" for contact in record.collisions]
    chips = [f'<span class="kind">{escape(record.kind)}</span>', f"<span>{escape(variant)}</span>"]
    chips += [f'<span class="bad">{text}</span>' for text in _faults(record)]
    chips += [f'<span class="quiet">{text}</span>' for text in _properties(record)]
    name = f"{variant}/{record.name}"
    return (
        f'<article class="card" id="{escape(name)}" data-variant="{escape(variant)}"'
        f' data-kind="{escape(record.kind)}" data-ending="{escape(ending(record))}">'
        f'<header>{"".join(chips)}<a href="#{escape(name)}">{escape(record.name)}</a></header>'
        f"<h3>{said}</h3>"
        f'<p class="why">{escape("; ".join(wrong))}</p>'
        f"{_end(record)}{_strip(failure)}"
        f'<p class="facts">{escape(" · ".join(_facts(record)))}</p></article>'
    )


def _faults(record: EpisodeRecord) -> list[str]:
    faults = ["wrong object"] if record.wrong_object else []
    return faults + (["collision"] if record.collisions else [])


def _properties(record: EpisodeRecord) -> list[str]:
    return [
        text
        for text, holds in (
            ("relation", record.relational),
            ("new words", record.paraphrased),
            ("new pair", record.held_out),
        )
        if holds
    ]


def _end(record: EpisodeRecord) -> str:
    """The final verdict, in the colours of the drawings."""
    names = [outcome.name for outcome in Outcome]
    colour = record.outcome.lower() if record.outcome in names else "none"
    title = record.outcome or "no decision"
    if record.outcome == Outcome.HOLD.name:
        title += f": {record.reason}"
    message = f" {escape(record.message)}" if record.message else ""
    return f'<p class="end"><b class="{colour}">{escape(title)}</b>{message}</p>'


def _strip(failure: Failure) -> str:
    if failure.strip is None:
        return ""
    data = base64.b64encode(failure.strip).decode()
    alt = f"What the robot saw and decided in {failure.record.seconds:.0f} s"
    return (
        f'<div class="strip"><img loading="lazy" alt="{alt}" src="data:image/jpeg;base64,{data}">'
        "</div>"
    )


def _facts(record: EpisodeRecord) -> list[str]:
    facts = [f"{record.seconds:.1f} s", f"drove {record.path:.2f} m"]
    if record.straight:
        facts[-1] += f", straight {record.straight:.2f} m"
    facts += [f"{count} × {name}" for name, count in _frequent(record.verdicts)]
    return facts


def _frequent(verdicts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first, without the reason of those that need none."""
    named = ((name.removesuffix(" NONE"), count) for name, count in verdicts.items())
    return sorted(named, key=lambda pair: (-pair[1], pair[0]))
