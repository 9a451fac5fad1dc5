import io
import math

from rich.console import Console

from vlam_ros.lab.report.table import NOTHING, Table, number, plural

TABLE = Table("A", ("b", "c"), (("two\nlines", "x | y"), ("[bold]", "")), ("one", "two"))


def test_markdown_keeps_to_its_columns() -> None:
    assert TABLE.to_markdown().splitlines() == [
        "### A",
        "",
        "| b | c |",
        "|---|---|",
        "| two lines | x \\| y |",
        "| [bold] |  |",
        "",
        "- one",
        "- two",
    ]


def test_a_table_without_a_title_or_notes_is_rows_alone() -> None:
    assert Table("", ("b",), (("c",),)).to_markdown() == "| b |\n|---|\n| c |\n"


def test_a_terminal_shows_title_head_cells_and_notes_as_they_are() -> None:
    console = Console(file=io.StringIO(), width=60, color_system=None)
    TABLE.print_to(console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for text in ("A", "b", "two", "lines", "x | y", "[bold]", "  one", "  two"):
        assert text in shown


def test_a_figure_that_is_none_is_a_dash() -> None:
    assert (number(0.12345), number(0.12345, 1), number(math.nan)) == ("0.123", "0.1", NOTHING)


def test_nouns_follow_their_number() -> None:
    assert [plural(n, "bag") for n in (0, 1, 2)] == ["0 bags", "1 bag", "2 bags"]
