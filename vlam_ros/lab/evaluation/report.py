"""What an evaluation measured, against which bar, and how it is written down."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean


def mean_and_spread(values: Sequence[float], sign: str = "") -> str:
    """The mean of several runs, with half the distance between the lowest and the highest; `sign`
    "+" shows that of the mean.
    """
    spread = f" ± {(max(values) - min(values)) / 2:.3f}" if len(values) > 1 else ""
    return f"{fmean(values):{sign}.3f}{spread}"


@dataclass(frozen=True)
class Row:
    """One measured figure, its bar, and how many cases it stands on."""

    name: str
    value: float
    cases: int
    gate: float | None = None
    at_most: bool = False

    @property
    def passed(self) -> bool | None:
        """Whether the gate is met; None where there is none."""
        if self.gate is None:
            return None
        return self.value <= self.gate if self.at_most else self.value >= self.gate


@dataclass(frozen=True)
class Report:
    """The figures of one evaluation, what it was made with, and remarks for people."""

    rows: tuple[Row, ...]
    made_with: Mapping[str, str | int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all gates are met."""
        return all(row.passed is not False for row in self.rows)

    def to_json(self) -> str:
        """All figures, indented."""
        return json.dumps({**dataclasses.asdict(self), "passed": self.passed}, indent=2) + "\n"

    def to_markdown(self) -> str:
        """The figures as a table, and the remarks."""
        lines = ["| figure | measured | gate | cases |", "|---|---|---|---|"]
        for row in self.rows:
            gate = "" if row.gate is None else f"{'≤' if row.at_most else '≥'} {row.gate:g} "
            mark = {True: "met", False: "**missed**", None: ""}[row.passed]
            lines.append(f"| {row.name} | {row.value:.3f} | {gate}{mark} | {row.cases} |")
        return "\n".join([*lines, *(["", *self.remarks] if self.remarks else [])]) + "\n"
