"""The figures of the closed loop as tables: which rows there are, and how a number is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from vlam_ros.lab.evaluation.task_counts import Counts, Done, Share
from vlam_ros.lab.report.percentiles import Percentiles
from vlam_ros.lab.report.table import NOTHING, Table, number
from vlam_ros.types import Halt


def tables(variants: Mapping[str, Counts], common: Mapping[str, Counts]) -> list[Table]:
    """All tables: the variants side by side, then each by kind; empty ones are left out.

    `common` are figures over the episodes that all have run, empty where these are all.
    """
    if not variants:
        return []
    found = []
    if common:
        episodes = next(iter(common.values())).episodes
        note = (
            f"Only the {episodes} episodes that all variants have run; the other tables hold all."
        )
        found.append(_table("Side by side", common, _in_short, note))
    note = "Shares with their 95 % interval after Wilson, and the episodes they stand on."
    found.append(_table("Tasks that can be done", variants, _tasks, note))
    found.append(_table("Tasks that must be refused", variants, _refusals))
    if len(variants) > 1:
        note = "Only the episodes that all variants have run." if common else ""
        title = "Success or right refusal by kind"
        found.append(_table(title, common or variants, _success_by_kind, note))
    for place, (name, counts) in enumerate(variants.items()):
        found += [_kinds(name, counts, place > 0), _control_kinds(name, counts, place > 0)]
    note = "Tasks that can be done, were not, and ended in a HOLD."
    found.append(_table("Refused wrongly", variants, _held, note, missing="0"))
    note = (
        "How often the controller let the robot stand in tasks that can be done, and how long, "
        "where that was measured."
    )
    found.append(_table("Stops", variants, _stops, note))
    note = "p50 / p95 / p99 in ms, of all decisions."
    found.append(_table("Time per decision", variants, _times, note))
    return [table for table in found if table.rows]


def share(value: Share) -> str:
    if not value.cases:
        return NOTHING
    low, high = value.interval
    return f"{value.value:.3f} ({low:.2f}–{high:.2f}) of {value.cases}"


def _table(
    title: str,
    variants: Mapping[str, Counts],
    cells: Callable[[Counts], dict[str, str]],
    note: str = "",
    missing: str = NOTHING,
) -> Table:
    """A table with a column for each variant, which says on how many episodes it stands.

    `cells` are a column's by the names of their rows; `missing` stands where one does not know a
    row.
    """
    columns = [cells(counts) for counts in variants.values()]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(name, *(column.get(name, missing) for column in columns)) for name in names]
    head = ("", *(f"{name}, {c.episodes} episodes" for name, c in variants.items()))
    full = tuple(row for row in rows if any(text != NOTHING for text in row[1:]))
    return Table(title, head, full, (note,) if note else ())


def _in_short(counts: Counts) -> dict[str, str]:
    return {
        "success": share(counts.tasks.success),
        "wrong object": share(counts.tasks.wrong_object),
        "with a collision": share(counts.collided),
        "right refusals": share(counts.control.refused),
        **_times_and_paths(counts.tasks),
    }


def _tasks(counts: Counts) -> dict[str, str]:
    tasks = counts.tasks
    return {
        "success": share(tasks.success),
        **{f"… {name}": share(subset) for name, subset in counts.subsets.items()},
        "wrong object": share(tasks.wrong_object),
        "with a collision": share(tasks.collided),
        "fastest contact (m/s)": _fastest(tasks),
        **_times_and_paths(tasks),
    }


def _times_and_paths(done: Done) -> dict[str, str]:
    return {
        "time to success, median (s)": number(done.seconds, 1),
        "path / straight way, median": number(done.detour, 2),
    }


def _refusals(counts: Counts) -> dict[str, str]:
    return {
        "right refusals": share(counts.control.refused),
        "… for the expected reason": share(counts.control.expected),
    }


def _success_by_kind(counts: Counts) -> dict[str, str]:
    done = {kind: share(done.success) for kind, done in counts.kinds.items()}
    return done | {kind: share(found.refused) for kind, found in counts.control_kinds.items()}


def _kinds(name: str, counts: Counts, folded: bool) -> Table:
    head = ("kind", "success", "wrong object", "with a collision", "fastest contact (m/s)",
            *_times_and_paths(counts.tasks))  # fmt: skip
    rows = tuple(
        (
            kind,
            share(done.success),
            str(done.wrong_object.hits),
            str(done.collided.hits),
            _fastest(done),
            *_times_and_paths(done).values(),
        )
        for kind, done in counts.kinds.items()
    )
    return Table(f"{name}: tasks that can be done, by kind", head, rows, folded=folded)


def _control_kinds(name: str, counts: Counts, folded: bool) -> Table:
    head = ("kind", "right refusals", "… for the expected reason", "ended in")
    rows = tuple(
        (kind, share(r.refused), share(r.expected), _listed(r.reasons))
        for kind, r in counts.control_kinds.items()
    )
    return Table(f"{name}: tasks that must be refused, by kind", head, rows, folded=folded)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or NOTHING


def _held(counts: Counts) -> dict[str, str]:
    if not counts.held:
        return {}
    return {"in all": str(sum(counts.held.values())), **{r: str(n) for r, n in counts.held.items()}}


def _stops(counts: Counts) -> dict[str, str]:
    return {
        _halt(name): f"{stop.times} ×" + (f", {stop.seconds:.0f} s" if stop.seconds else "")
        for name, stop in counts.stops.items()
    }


def _halt(name: str) -> str:
    return Halt[name].value if name in Halt.__members__ and Halt[name].value else name


def _times(counts: Counts) -> dict[str, str]:
    return {
        "computing": _milliseconds(counts.compute),
        "from an image's stamp to its chunk": _milliseconds(counts.latency),
        "the same on the wall": _milliseconds(counts.wall_latency),
    }


def _milliseconds(times: Percentiles) -> str:
    return f"{times.text(1000, 0)} of {times.cases}" if times.cases else NOTHING


def _fastest(done: Done) -> str:
    return number(done.fastest if done.success.cases else math.nan, 2)
