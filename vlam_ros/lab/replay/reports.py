"""What `vlam replay` leaves behind: a page for each bag, one for all of them, and the decisions."""

from __future__ import annotations

import os
from pathlib import Path

from vlam_ros.errors import ReplayError
from vlam_ros.lab.replay.job import BagResult, ReplayJob
from vlam_ros.lab.replay.table import (
    BagRow,
    bags_table,
    comparison_tables,
    run_tables,
    verdict_line,
)
from vlam_ros.lab.report.bags_page import bags_page
from vlam_ros.lab.report.table import Table
from vlam_ros.resources import write_file

INDEX, SUMMARY = "index.html", "summary.md"


def file_of(path: Path, name: str, many: bool) -> Path:
    """Where the decisions on a bag are: the path itself for a single bag, unless it is a folder."""
    return path / f"{name}.json" if many or path.is_dir() else path


class Reports:
    """Writes what becomes of each bag as soon as it is known.

    `rows` are the bags so far; `written` the files; `tables` are there after `close`: of a single
    bag all that there is to say, of many a row each. `verdict` is what came out of comparing a
    single bag, in one line.
    """

    def __init__(self, folder: Path, save: Path | None, many: bool) -> None:
        """Make the folder of pages and the summary, and that for what is saved: a single bag's
        decisions go to the file `save`, those of many to a folder of that name.

        Raises:
            ReplayError: they cannot be written to.
        """
        self._folder, self._save, self._many = folder, save, many
        self.tables: list[Table] = []
        self.verdict = ""
        self.rows: list[BagRow] = []
        self.written: list[Path] = []
        # Found out now, not after hours.
        for needed in (folder, *([save if many else save.parent] if save else [])):
            try:
                needed.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ReplayError(f"cannot write to {needed}: {error.strerror}") from error
            if not os.access(needed, os.W_OK):
                raise ReplayError(f"cannot write to {needed}: it is not yours to write to")

    def add(self, job: ReplayJob, answer: BagResult) -> None:
        if isinstance(answer, BagRow):
            self.rows.append(answer)
            return
        self.rows.append(answer.row)
        if not self._many:
            self.tables = run_tables(answer.run)
            if answer.comparison:
                self.tables += comparison_tables(answer.comparison, answer.exceeded)
                self.verdict = verdict_line(answer.comparison, answer.exceeded)
        self._write(self._folder / f"{job.name}.html", answer.page)
        if self._save:
            self._write(file_of(self._save, job.name, self._many), answer.run.to_json())

    def close(self) -> None:
        """Write the summary, and the page of many bags."""
        if self._many:
            self.rows.sort(key=lambda row: row.bag)
            pages = {row.bag: f"{row.bag}.html" for row in self.rows if not row.error}
            self._write(self._folder / INDEX, bags_page(self.rows, pages, "Replay"))
            self.tables.append(bags_table(self.rows))
        summary = "\n".join(table.to_markdown() for table in self.tables)
        self._write(self._folder / SUMMARY, summary)

    def _write(self, path: Path, text: str) -> None:
        write_file(path, text.encode())
        self.written.append(path)
