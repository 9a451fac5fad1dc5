"""Many bags as one HTML page: what needs attention, and a table with links to each bag's page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from vlam_ros.lab.replay.table import BagRow, bags_table
from vlam_ros.lab.report.replay_style import BAGS, BASE
from vlam_ros.lab.report.replay_template import bar, document, html

_TEXT = ("thresholds passed over", "error")
"""Columns of texts that wrap."""


def bags_page(
    rows: Sequence[BagRow], pages: Mapping[str, str], title: str = "Replayed bags"
) -> str:
    """The page; it needs no network, and beside it only the pages that it links to.

    Args:
        rows: what became of the bags.
        pages: the file of a bag's own page, relative to this one's, by the name of the bag.
        title: of the page.
    """
    ordered = sorted(rows, key=_rank)
    wrong = [row for row in ordered if not row.passed]
    attention = "".join(_attention(row, pages) for row in wrong)
    body = (
        f'<h1 dir="auto">{html(title)}</h1>{_verdict(ordered)}'
        + (f"<h2>What needs attention</h2>{attention}" if wrong else "")
        + (f"<h2>All bags</h2>{_table(ordered, pages)}" if rows else "")
    )
    return document(title, body, BASE + BAGS)


def _rank(row: BagRow) -> int:
    """Failed bags come first, then those that passed thresholds over, then those that differ."""
    ranks = (bool(row.error), bool(row.exceeded), bool(row.differences))
    return next((i for i, holds in enumerate(ranks) if holds), len(ranks))


def _verdict(rows: Sequence[BagRow]) -> str:
    failed = sum(bool(row.error) for row in rows)
    over = sum(not row.passed for row in rows) - failed
    differ = sum(bool(row.differences) for row in rows)
    counts = [f"{failed} failed"] * bool(failed)
    counts += [f"{over} passed thresholds over"] * bool(over)
    counts += [f"{differ} with differences to the baseline"] * bool(differ)
    bags = f"{len(rows)} bag" + "s" * (len(rows) != 1)
    tone, said = ("bad", "attention") if failed or over else ("good", "all well")
    if not rows:
        tone, said = "plain", "nothing"
    return (
        f'<p class="panel verdict {tone}"><span class="pill {tone}">{said}</span>'
        f"<span>{', '.join([bags, *counts])}</span></p>"
    )


def _attention(row: BagRow, pages: Mapping[str, str]) -> str:
    said, text = "thresholds passed over", ", ".join(row.exceeded)
    if row.error:
        said, text = "failed", row.error
    return (
        f'<article class="panel attention"><b>{_link(row.bag, pages)}</b>'
        f'<span class="pill bad">{said}</span><p dir="auto">{html(text)}</p></article>'
    )


def _table(rows: Sequence[BagRow], pages: Mapping[str, str]) -> str:
    table = bags_table(rows)
    texts = [column in _TEXT for column in table.head]
    head = "".join(
        f'<th scope="col"{_kind(text)}>{html(name)}</th>'
        for name, text in zip(table.head, [True, *texts[1:]], strict=True)
    )
    body = ""
    for place, (name, *cells) in enumerate(table.rows):
        first, kind, outcomes = html(name), ' class="sum"', _sum(rows)
        if place < len(rows):
            first, kind, outcomes = _link(name, pages), "", rows[place].outcomes
        body += f'<tr{kind}><th scope="row">{first}{bar(outcomes)}</th>' + "".join(
            f"<td{_kind(text)}>{html(cell)}</td>"
            for cell, text in zip(cells, texts[1:], strict=True)
        )
        body += "</tr>"
    return (
        '<div class="panel wide" tabindex="0" role="region" aria-label="All bags">'
        f'<table class="bags"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _sum(rows: Sequence[BagRow]) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row.outcomes)
    return total


def _kind(text: bool) -> str:
    return ' class="text"' if text else ""


def _link(bag: str, pages: Mapping[str, str]) -> str:
    """The name, and if there is a page of it, that is linked."""
    if bag not in pages:
        return f'<span dir="auto">{html(bag)}</span>'
    # "./": a name must not be read as an address of another kind.
    address = "./" + quote(pages[bag], errors="surrogateescape")
    return f'<a dir="auto" href="{html(address)}">{html(bag)}</a>'
