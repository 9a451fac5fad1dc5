"""What tables say of replays: of one run, of a run and its baseline, of many bags."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vlam_ros.lab.replay.compare import DIFFERENCES, WAYPOINTS, Comparison, Difference
from vlam_ros.lab.replay.records import DESTINATION, TARGET, DecisionRecord, ReplayRun, stamp_text
from vlam_ros.lab.replay.thresholds import Exceeded
from vlam_ros.lab.report.percentiles import Percentiles
from vlam_ros.lab.report.table import NOTHING, Table, number, plural
from vlam_ros.types import Outcome, Reason

OUTCOMES = (Outcome.EXECUTE.name, Outcome.HOLD.name, Outcome.DONE.name)
LISTED = 20
"""How many decisions that differ are listed one by one."""


@dataclass(frozen=True)
class BagRow:
    """What became of one of many bags. `outcomes` counts its decisions by the names of Outcome;
    `differences` is None where there is no baseline; `exceeded` names thresholds; `error` says why
    the bag was not replayed.
    """

    bag: str
    outcomes: Mapping[str, int] = field(default_factory=dict)
    differences: int | None = None
    exceeded: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""

    @classmethod
    def of(
        cls,
        bag: str,
        run: ReplayRun,
        seconds: float,
        comparison: Comparison | None = None,
        exceeded: Iterable[Exceeded] = (),
    ) -> BagRow:
        """Of a bag that was replayed in so many seconds."""
        outcomes = dict(Counter(d.outcome for d in run.decisions))
        differences = comparison.differing if comparison else None
        return cls(bag, outcomes, differences, tuple(e.name for e in exceeded), seconds)

    @property
    def passed(self) -> bool:
        """Whether it was replayed, and no threshold was passed over."""
        return not (self.error or self.exceeded)


def run_tables(run: ReplayRun) -> list[Table]:
    """What a run was, what it decided, and on which instructions; empty ones are left out."""
    decisions = run.decisions
    facts = [*run.about.items(), ("decisions", str(len(decisions)))]
    if decisions:
        stamps = [d.stamp for d in decisions]
        facts += [
            ("first image", stamp_text(min(stamps))),
            ("last image", stamp_text(max(stamps))),
            ("seconds per decision, p50 / p95 / p99", Percentiles.of(run.seconds).text()),
        ]
    kinds = Counter((d.outcome, d.reason) for d in decisions)
    by_outcome = sorted(kinds.items(), key=lambda k: (OUTCOMES.index(k[0][0]), -k[1]))
    told: dict[str, list[DecisionRecord]] = {}
    for decision in decisions:
        told.setdefault(decision.instruction, []).append(decision)
    verdicts = tuple((*kind, str(n), number(n / len(decisions))) for kind, n in by_outcome)
    instructions = tuple(
        (text or NOTHING, stamp_text(d[0].stamp), *_counts(Counter(each.outcome for each in d)))
        for text, d in told.items()
    )
    found = [
        Table("Run", ("", ""), tuple(facts), run.notes),
        Table("Decisions", ("verdict", "reason", "decisions", "share"), verdicts),
        Table("Instructions", ("instruction", "first image", "decisions", *OUTCOMES), instructions),
    ]
    return [table for table in found if table.rows]


def exceeded_table(exceeded: Iterable[Exceeded]) -> Table:
    """The thresholds that were passed over, and the images on which that begins."""
    return Table(
        "Thresholds passed over",
        ("threshold", "measured", "allowed", "first at"),
        tuple(
            (
                e.name,
                NOTHING if math.isnan(e.measured) else f"{e.measured:.4g}",
                f"{e.limit:g}",
                ", ".join(map(stamp_text, e.where)) or NOTHING,
            )
            for e in exceeded
        ),
    )


def comparison_tables(comparison: Comparison, exceeded: Sequence[Exceeded] = ()) -> list[Table]:
    """How far a run is from its baseline: thresholds passed over first; empty ones are left out."""
    c = comparison
    rows = [
        (name, str(count), number(c.share(name)), _size(c, name, True))
        for name in DIFFERENCES
        if (count := len(c.stamps(name)))
    ]
    equal = sum(pair.equal for pair in c.pairs)
    rows.append(("equal to the byte", str(equal), number(equal / max(1, len(c.pairs))), ""))
    listed = tuple(_listed(pair) for pair in c.different[:LISTED])
    left_out = len(c.different) - len(listed)
    before, after = c.latencies
    times = [("baseline", before.text()), ("now", after.text())]
    if c.latency_ratio is not None:
        times.append(("now / baseline, p50", f"{c.latency_ratio:.2f}"))
    found = [
        exceeded_table(exceeded),
        Table(
            f"Differences among {len(c.pairs)} decisions on the same images",
            ("what", "decisions", "share", "how far"),
            tuple(rows),
            c.remarks,
        ),
        Table(
            "Decisions that differ",
            ("image", "what", "baseline", "now"),
            listed,
            (f"{left_out} more are not listed",) if left_out else (),
        ),
        Table("Seconds per decision", ("", "p50 / p95 / p99"), tuple(times)),
    ]
    return [table for table in found if table.rows]


def bags_table(bags: Sequence[BagRow]) -> Table:
    """One row a bag, and their sum."""
    compared = any(bag.differences is not None for bag in bags)
    broken = any(bag.error for bag in bags)
    head = ["bag", "decisions", *OUTCOMES]
    head += ["differences", "thresholds passed over"] * compared + ["seconds"] + ["error"] * broken
    total = BagRow(
        f"all {len(bags)}",
        total_outcomes(bags),
        sum(bag.differences or 0 for bag in bags),
        (f"in {sum(bool(bag.exceeded) for bag in bags)}",),
        sum(bag.seconds for bag in bags),
        f"in {sum(bool(bag.error) for bag in bags)}",
    )
    rows = []
    for bag in (*bags, total) if len(bags) > 1 else bags:
        differences = NOTHING if bag.differences is None else str(bag.differences)
        against = [differences, ", ".join(bag.exceeded) or NOTHING] * compared
        error = [bag.error or NOTHING] * broken
        rows.append((bag.bag, *_counts(bag.outcomes), *against, f"{bag.seconds:.1f}", *error))
    return Table("Bags", tuple(head), tuple(rows))


def total_outcomes(bags: Iterable[BagRow]) -> Counter[str]:
    """The decisions of all bags, counted by the names of Outcome."""
    return sum((Counter(bag.outcomes) for bag in bags), Counter[str]())


def verdict_line(comparison: Comparison, exceeded: Sequence[Exceeded] = ()) -> str:
    """What came out, in one line."""
    c = comparison
    if not c.total:
        line = "nothing was compared: neither the baseline nor this run has a decision"
    elif c.same:
        line = f"same as the baseline: {plural(c.total, 'decision')}"
        if round(c.confidence, 2):
            line += f", confidence differs by up to {c.confidence:.2f}"
    else:
        kinds = ", ".join(
            f"{name} {count}{_in_brackets(_size(c, name))}"
            for name in DIFFERENCES
            if (count := len(c.stamps(name)))
        )
        line = f"{c.differing} of {plural(c.total, 'decision')} differ: {kinds}"
    if exceeded:
        line += f"; thresholds passed over: {', '.join(e.text for e in exceeded)}"
    return line


def _size(comparison: Comparison, name: str, most: bool = False) -> str:
    """How far the waypoints are apart, where the change is theirs; also how far `most` of them."""
    if name != WAYPOINTS:
        return ""
    parts = [f"up to {size}" for size in _sizes(comparison)]
    if most and comparison.distance_p95 is not None:
        parts.append(f"95 % within {comparison.distance_p95:.3g} m")
    return ", ".join(parts)


def _sizes(apart: Comparison | Difference) -> list[str]:
    size = [f"{apart.distance:.3g} m"] if apart.distance else []
    return size + ([f"{apart.angle:.3g} rad"] if apart.angle else [])


def _listed(pair: Difference) -> tuple[str, ...]:
    what = ", ".join(pair.changed) + _in_brackets(", ".join(_sizes(pair)))
    return stamp_text(pair.after.stamp), what, _told(pair.before), _told(pair.after)


def _told(decision: DecisionRecord) -> str:
    """A decision in a few words: EXECUTE go_to, target red cup (1.00, 0.20, 0.05)."""
    why = decision.skill if decision.outcome == Outcome.EXECUTE.name else decision.reason
    words = [decision.outcome if why == Reason.NONE.name else f"{decision.outcome} {why}"]
    for role in (TARGET, DESTINATION):
        if thing := decision.first(role):
            place = ", ".join(f"{value:.2f}" for value in thing.position or ())
            words.append(f"{role} {thing.phrase}{_in_brackets(place)}")
    return ", ".join(words)


def _counts(outcomes: Mapping[str, int]) -> list[str]:
    return [str(sum(outcomes.values())), *(str(outcomes.get(name, 0)) for name in OUTCOMES)]


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""
