"""Many bags as one HTML page: what needs attention, and a table with links to each bag's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from vlam_ros.lab.replay.table import BagRow, bags_table, total_outcomes
from vlam_ros.lab.report.page import render
from vlam_ros.lab.report.table import plural

_TEXTS = ("bag", "thresholds passed over", "error")
"""Columns that are no numbers."""


def bags_page(
    rows: Sequence[BagRow], pages: Mapping[str, str], title: str = "Replayed bags"
) -> str:
    """The page; beside it are only the pages that it links to.

    Args:
        rows: what became of the bags.
        pages: the file of a bag's own page, relative to this one's, by the name of the bag.
        title: of the page.
    """
    bags = sorted(rows, key=_rank)
    table = bags_table(bags)
    return render(
        "bags.html",
        title=title,
        came_out=_verdict(bags),
        bags=bags,
        rows=table,
        texts=[place for place, name in enumerate(table.head) if name in _TEXTS],
        outcomes=[*(bag.outcomes for bag in bags), total_outcomes(bags)],
        # "./": a name must not be read as an address of another kind.
        pages={bag: "./" + quote(page, errors="surrogateescape") for bag, page in pages.items()},
    )


def _rank(row: BagRow) -> int:
    """Failed bags come first, then those that passed thresholds over, then those that differ."""
    ranks = (bool(row.error), bool(row.exceeded), bool(row.differences))
    return next((i for i, holds in enumerate(ranks) if holds), len(ranks))


def _verdict(rows: Sequence[BagRow]) -> tuple[str, str, str]:
    """A tone, a word or two, and a line of text."""
    failed = sum(bool(row.error) for row in rows)
    over = sum(not row.passed for row in rows) - failed
    differ = sum(bool(row.differences) for row in rows)
    counts = [plural(len(rows), "bag")]
    counts += [f"{failed} failed"] * bool(failed)
    counts += [f"{over} passed thresholds over"] * bool(over)
    counts += [f"{differ} with differences to the baseline"] * bool(differ)
    tone, said = ("bad", "attention") if failed or over else ("good", "all well")
    return ("plain", "nothing", counts[0]) if not rows else (tone, said, ", ".join(counts))
