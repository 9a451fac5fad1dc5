"""The figures of the closed loop as tables: which rows there are, and how a number is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vlam_ros.lab.evaluation.task_counts import Counts, Done, Refused, Share
from vlam_ros.lab.report.percentiles import Percentiles
from vlam_ros.types import Halt

NOTHING = "–"
"""Stands where there is no figure."""

_Cell = Callable[[Counts], str]


@dataclass(frozen=True)
class Table:
    """Rows of text under a head; the first column names the row.

    `variant` is the one that it is about, empty where all stand side by side.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    variant: str = ""

    def to_markdown(self) -> str:
        """With its title as a heading."""
        lines = [f"### {self.title}", "", _line(self.head), "|---" * len(self.head) + "|"]
        lines += map(_line, self.rows)
        return "\n".join([*lines, *(["", self.note] if self.note else [])]) + "\n"


def tables(variants: Mapping[str, Counts], common: Mapping[str, Counts]) -> list[Table]:
    """All tables: the variants side by side, then each by kind; empty ones are left out.

    Args:
        variants: figures over all episodes that each variant has run.
        common: the same over the episodes that all have run; empty where these are all.
    """
    if not variants:
        return []
    found = [_tasks(variants), _refusals(variants)]
    if common:
        found.insert(0, _side_by_side(common))
    if len(variants) > 1:
        found.append(_success_by_kind(common or variants, bool(common)))
    for name, counts in variants.items():
        found += [_kinds(name, counts), _control_kinds(name, counts)]
    found += [_held(variants), _stops(variants), _times(variants)]
    return [table for table in found if table.rows]


def share(value: Share) -> str:
    """A share, its interval and its cases."""
    if not value.cases:
        return NOTHING
    low, high = value.interval
    return f"{value.value:.3f} ({low:.2f}–{high:.2f}) of {value.cases}"


def counted(counts: Mapping[str, int]) -> str:
    """Names with their numbers."""
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or NOTHING


def _side_by_side(common: Mapping[str, Counts]) -> Table:
    rows: dict[str, _Cell] = {
        "success": lambda c: share(c.tasks.success),
        "wrong object": lambda c: share(c.tasks.wrong_object),
        "with a collision": lambda c: share(c.collided),
        "right refusals": lambda c: share(c.control.refused),
        "time to success, median (s)": lambda c: _number(c.tasks.seconds, 1),
        "path / straight way, median": lambda c: _number(c.tasks.detour, 2),
    }
    episodes = next(iter(common.values())).episodes
    note = f"Only the {episodes} episodes that all variants have run; the other tables hold all."
    return _table("Side by side", common, rows, note)


def _tasks(variants: Mapping[str, Counts]) -> Table:
    rows: dict[str, _Cell] = {
        "success": lambda c: share(c.tasks.success),
        **{f"… {name}": _subset(name) for name in _first(variants).subsets},
        "wrong object": lambda c: share(c.tasks.wrong_object),
        "with a collision": lambda c: share(c.tasks.collided),
        "fastest contact (m/s)": lambda c: _fastest(c.tasks),
        "time to success, median (s)": lambda c: _number(c.tasks.seconds, 1),
        "path / straight way, median": lambda c: _number(c.tasks.detour, 2),
    }
    note = "Shares with their 95 % interval after Wilson, and the episodes they stand on."
    return _table("Tasks that can be done", variants, rows, note)


def _refusals(variants: Mapping[str, Counts]) -> Table:
    rows: dict[str, _Cell] = {
        "right refusals": lambda c: share(c.control.refused),
        "… for the expected reason": lambda c: share(c.control.expected),
    }
    return _table("Tasks that must be refused", variants, rows)


def _success_by_kind(variants: Mapping[str, Counts], common: bool) -> Table:
    names = dict.fromkeys(kind for c in variants.values() for kind in c.kinds)
    names |= dict.fromkeys(kind for c in variants.values() for kind in c.control_kinds)
    rows = {name: _kind(name) for name in names}
    note = "Only the episodes that all variants have run." if common else ""
    return _table("Success or right refusal by kind", variants, rows, note)


def _kinds(name: str, counts: Counts) -> Table:
    head = ("kind", "success", "wrong object", "with a collision", "fastest contact (m/s)",
            "time to success, median (s)", "path / straight way, median")  # fmt: skip
    rows = tuple(
        (
            kind,
            share(done.success),
            str(done.wrong_object.hits),
            str(done.collided.hits),
            _fastest(done),
            _number(done.seconds, 1),
            _number(done.detour, 2),
        )
        for kind, done in counts.kinds.items()
    )
    return Table(f"{name}: tasks that can be done, by kind", head, rows, variant=name)


def _control_kinds(name: str, counts: Counts) -> Table:
    head = ("kind", "right refusals", "… for the expected reason", "ended in")
    rows = tuple(
        (kind, share(r.refused), share(r.expected), counted(r.reasons))
        for kind, r in counts.control_kinds.items()
    )
    return Table(f"{name}: tasks that must be refused, by kind", head, rows, variant=name)


def _held(variants: Mapping[str, Counts]) -> Table:
    total: dict[str, _Cell] = {"in all": lambda c: str(sum(c.held.values()))}
    reasons = dict.fromkeys(reason for c in variants.values() for reason in c.held)
    rows = total | {reason: _held_for(reason) for reason in reasons} if reasons else {}
    note = "Tasks that can be done, were not, and ended in a HOLD."
    return _table("Refused wrongly", variants, rows, note)


def _stops(variants: Mapping[str, Counts]) -> Table:
    names = dict.fromkeys(name for c in variants.values() for name in c.stops)
    rows = {_halt(name): _stop(name) for name in names}
    note = "How often the controller let the robot stand in tasks that can be done, and how long"
    note += ", where that was measured."
    return _table("Stops", variants, rows, note)


def _times(variants: Mapping[str, Counts]) -> Table:
    rows: dict[str, _Cell] = {"computing": lambda c: _percentiles(c.compute)}
    if any(c.latency.cases for c in variants.values()):
        rows["from an image's stamp to its chunk"] = lambda c: _percentiles(c.latency)
        rows["the same on the wall"] = lambda c: _percentiles(c.wall_latency)
    note = "p50 / p95 / p99 in ms, of all decisions."
    return _table("Time per decision", variants, rows, note)


def _table(
    title: str, variants: Mapping[str, Counts], rows: Mapping[str, _Cell], note: str = ""
) -> Table:
    """A table with a column for each variant, which says on how many episodes it stands."""
    head = ("", *(f"{name}, {c.episodes} episodes" for name, c in variants.items()))
    lines = [(label, *(cell(c) for c in variants.values())) for label, cell in rows.items()]
    full = (line for line in lines if any(text != NOTHING for text in line[1:]))
    return Table(title, head, tuple(full), note)


def _first(variants: Mapping[str, Counts]) -> Counts:
    return next(iter(variants.values()))


def _subset(name: str) -> _Cell:
    return lambda c: share(c.subsets[name])


def _kind(name: str) -> _Cell:
    def cell(counts: Counts) -> str:
        found: Done | Refused | None = counts.kinds.get(name) or counts.control_kinds.get(name)
        if found is None:
            return NOTHING
        return share(found.success if isinstance(found, Done) else found.refused)

    return cell


def _held_for(reason: str) -> _Cell:
    return lambda c: str(c.held.get(reason, 0))


def _stop(name: str) -> _Cell:
    def cell(counts: Counts) -> str:
        stop = counts.stops.get(name)
        if stop is None:
            return NOTHING
        return f"{stop.times} ×" + (f", {stop.seconds:.0f} s" if stop.seconds else "")

    return cell


def _halt(name: str) -> str:
    """What a person reads of the name of a Halt."""
    return Halt[name].value if name in Halt.__members__ and Halt[name].value else name


def _percentiles(times: Percentiles) -> str:
    if not times.cases:
        return NOTHING
    p50, p95, p99 = (f"{1000 * t:.0f}" for t in (times.p50, times.p95, times.p99))
    return f"{p50} / {p95} / {p99} of {times.cases}"


def _fastest(done: Done) -> str:
    return _number(done.fastest if done.success.cases else math.nan, 2)


def _number(value: float, digits: int) -> str:
    return NOTHING if math.isnan(value) else f"{value:.{digits}f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
