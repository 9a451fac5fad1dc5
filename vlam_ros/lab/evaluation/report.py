"""What an evaluation measured, against which bar, and how it is written down."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from vlam_ros.lab.report.table import Table


@dataclass(frozen=True)
class Metric:
    """One measured figure, its bar, and how many cases it stands on."""

    name: str
    value: float
    cases: int
    gate: float | None = None
    at_most: bool = False

    @property
    def passed(self) -> bool | None:
        if self.gate is None:
            return None
        return self.value <= self.gate if self.at_most else self.value >= self.gate

    @property
    def demand(self) -> str:
        if self.gate is None:
            return ""
        sign, said = "≤" if self.at_most else "≥", "met" if self.passed else "**missed**"
        return f"{sign} {self.gate:g} {said}"


@dataclass(frozen=True)
class Report:
    """The metrics of one evaluation, what it was made with, and remarks and tables for people."""

    rows: tuple[Metric, ...]
    made_with: Mapping[str, str | int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def passed(self) -> bool:
        return all(row.passed is not False for row in self.rows)

    def to_json(self) -> str:
        return json.dumps({**dataclasses.asdict(self), "passed": self.passed}, indent=2) + "\n"

    def to_markdown(self) -> str:
        head = ("figure", "measured", "gate", "cases")
        cells = ((r.name, f"{r.value:.3f}", r.demand, str(r.cases)) for r in self.rows)
        tables = (Table("", head, tuple(cells), self.remarks), *self.tables)
        return "\n".join(table.to_markdown() for table in tables if table.rows or table.notes)
