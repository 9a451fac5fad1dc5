"""A table of results, and how figures are written in its cells."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

NOTHING = "–"
"""Stands where there is no figure."""


@dataclass(frozen=True)
class Table:
    """Rows of text under a head, with notes below; the first cell of a row names it.

    The macros of templates/macros.html write it as HTML: if it is `folded`, only its title is seen
    before it is clicked.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    folded: bool = False

    def to_markdown(self) -> str:
        """Under its title as a heading, if it has one."""
        lines = [f"### {self.title}", ""] if self.title else []
        lines += [_line(self.head), "|---" * len(self.head) + "|", *map(_line, self.rows)]
        lines += [""] * bool(self.notes) + [f"- {note}" for note in self.notes]
        return "\n".join(lines) + "\n"

    def print_to(self, console: Console) -> None:
        """Print it to a terminal."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        shown = RichTable(box=box.SIMPLE_HEAD, title_justify="left", title=Text(self.title, "bold"))
        for name in self.head:
            shown.add_column(Text(name), overflow="fold")
        shown.show_header = any(self.head)
        for row in self.rows:
            shown.add_row(*map(Text, row))
        console.print(shown)
        for note in self.notes:
            console.print(Text(f"  {note}", "yellow"))


def number(value: float, digits: int = 3) -> str:
    """With so many decimals; NOTHING for NaN."""
    return NOTHING if math.isnan(value) else f"{value:.{digits}f}"


def plural(count: int, noun: str) -> str:
    """As "1 bag" and "2 bags"."""
    return f"{count} {noun}" + "s" * (count != 1)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
