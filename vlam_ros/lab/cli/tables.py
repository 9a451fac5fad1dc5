"""Tables of results in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

if TYPE_CHECKING:
    from vlam_ros.lab.replay.table import Table


def show_table(console: Console, table: Table) -> None:
    """Print a table with its notes below."""
    shown = RichTable(box=box.SIMPLE_HEAD, title_justify="left", title=Text(table.title, "bold"))
    for name in table.head:
        shown.add_column(Text(name), overflow="fold")
    shown.show_header = any(table.head)
    for row in table.rows:
        shown.add_row(*map(Text, row))
    console.print(shown)
    for note in table.notes:
        console.print(Text(f"  {note}", "yellow"))
