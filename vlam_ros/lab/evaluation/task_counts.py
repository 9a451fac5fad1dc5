"""What became of the episodes of one variant, counted: shares with their intervals, and medians."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vlam_ros.lab.evaluation.episode_recorder import EpisodeRecord
from vlam_ros.lab.report.percentiles import Percentiles
from vlam_ros.lab.simulation.tasks import Kind
from vlam_ros.types import Outcome, Reason

NORMAL_95 = 1.959963984540054
"""Standard deviations within which 95 % of a normal distribution lie."""
SHORTEST = 0.2
"""Metres of a straight way from which a path is compared with it."""

EXPECTED: dict[Kind, tuple[Reason, ...]] = {
    Kind.ABSENT: (Reason.TARGET_NOT_FOUND, Reason.DESTINATION_NOT_FOUND),
    Kind.AMBIGUOUS: (Reason.TARGET_AMBIGUOUS,),
    Kind.BLOCKED: (Reason.PATH_BLOCKED,),
    Kind.TOO_FAR: (Reason.UNREACHABLE, Reason.TARGET_NOT_FOUND, Reason.NO_POSITION),
    Kind.NONSENSE: (
        Reason.INSTRUCTION_INVALID,
        Reason.UNKNOWN_SKILL,
        Reason.TARGET_NOT_FOUND,
        Reason.LOW_CONFIDENCE,
    ),
}
"""Reasons for which each kind of the control set should be refused."""

SUBSETS: dict[str, Callable[[EpisodeRecord], bool]] = {
    "told apart by a relation": lambda r: r.relational,
    "in words never trained": lambda r: r.paraphrased,
    "with a pair never trained": lambda r: r.held_out,
    "none of these": lambda r: not (r.relational or r.paraphrased or r.held_out),
}
"""Subsets of the tasks that can be done; all but the last one overlap."""


@dataclass(frozen=True)
class Share:
    """So many of so many cases."""

    hits: int
    cases: int

    @classmethod
    def of(cls, hits: Iterable[bool]) -> Share:
        all_hits = list(hits)
        return cls(sum(all_hits), len(all_hits))

    @property
    def value(self) -> float:
        """In 0..1; NaN of no cases."""
        return self.hits / self.cases if self.cases else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence, after Wilson (1927); 0..1 of no cases."""
        if not self.cases:
            return 0.0, 1.0
        n, p, z = self.cases, self.value, NORMAL_95
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        # Exact at the ends, where rounding would leave them a little inside.
        low = 0.0 if self.hits == 0 else middle - half
        return low, 1.0 if self.hits == n else middle + half

    def to_dict(self) -> dict[str, object]:
        low, high = self.interval
        value = self.value if self.cases else None
        return {"hits": self.hits, "cases": self.cases, "share": value, "low": low, "high": high}


@dataclass(frozen=True)
class Done:
    """How tasks that can be done were done, of one kind or of all.

    `seconds` is the median length of successful episodes, `detour` the median of their paths as
    multiples of the straight way, where that is longer than SHORTEST; both are NaN where there is
    none. `fastest` is the fastest contact in m/s with anything that is not meant.
    """

    success: Share
    wrong_object: Share
    collided: Share
    fastest: float
    seconds: float
    detour: float

    @classmethod
    def of(cls, records: Sequence[EpisodeRecord]) -> Done:
        done = [r for r in records if r.success]
        return cls(
            success=Share.of(r.success for r in records),
            wrong_object=Share.of(r.wrong_object for r in records),
            collided=Share.of(bool(r.collisions) for r in records),
            fastest=max((r.fastest_contact for r in records), default=0.0),
            seconds=_median(r.seconds for r in done),
            detour=_median(r.path / r.straight for r in done if r.straight > SHORTEST),
        )


@dataclass(frozen=True)
class Refused:
    """How tasks that must be refused were refused, of one kind or of all.

    `refused` counts the episodes in which the robot did not move, `expected` those of them that
    ended in one of the EXPECTED reasons; `reasons` what all of them ended in.
    """

    refused: Share
    expected: Share
    reasons: dict[str, int]

    @classmethod
    def of(cls, records: Sequence[EpisodeRecord]) -> Refused:
        return cls(
            refused=Share.of(r.success for r in records),
            expected=Share.of(_is_expected(r) for r in records if r.success),
            reasons=_counted(map(ending, records)),
        )


@dataclass(frozen=True)
class StopCount:
    """How often the controller stood still for one reason, and for how many seconds in all."""

    times: int
    seconds: float


@dataclass(frozen=True)
class Counts:
    """All figures of one variant.

    `held` counts the reasons of tasks that could be done, were not, and ended in a HOLD. `stops`
    are those in tasks that can be done. `collided` counts all episodes, also of the control set.
    """

    episodes: int
    tasks: Done
    kinds: dict[str, Done]
    subsets: dict[str, Share]
    held: dict[str, int]
    control: Refused
    control_kinds: dict[str, Refused]
    collided: Share
    stops: dict[str, StopCount]
    compute: Percentiles
    latency: Percentiles
    wall_latency: Percentiles

    @classmethod
    def of(cls, records: Sequence[EpisodeRecord]) -> Counts:
        """Counted over these episodes; kinds without any are left out."""
        tasks = [r for r in records if not r.control]
        control = [r for r in records if r.control]
        given_up = (r for r in tasks if not r.success and r.outcome == Outcome.HOLD.name)
        return cls(
            episodes=len(records),
            tasks=Done.of(tasks),
            kinds={kind: Done.of(rs) for kind, rs in _by_kind(tasks).items()},
            subsets={n: Share.of(r.success for r in tasks if f(r)) for n, f in SUBSETS.items()},
            held=_counted(r.reason for r in given_up),
            control=Refused.of(control),
            control_kinds={kind: Refused.of(rs) for kind, rs in _by_kind(control).items()},
            collided=Share.of(bool(r.collisions) for r in records),
            stops=_stops(tasks),
            compute=Percentiles.of(s for r in records for s in r.compute),
            latency=Percentiles.of(s for r in records for s in r.latencies),
            wall_latency=Percentiles.of(s for r in records for s in r.wall_latencies),
        )


def ending(record: EpisodeRecord) -> str:
    """What an episode ended in: the reason of a HOLD, or another outcome."""
    return record.reason if record.outcome == Outcome.HOLD.name else record.outcome or "no decision"


def _is_expected(record: EpisodeRecord) -> bool:
    return ending(record) in [reason.name for reason in EXPECTED[Kind(record.kind)]]


def _by_kind(records: Sequence[EpisodeRecord]) -> dict[str, list[EpisodeRecord]]:
    groups = {kind.value: [r for r in records if r.kind == kind.value] for kind in Kind}
    return {kind: group for kind, group in groups.items() if group}


def _stops(records: Sequence[EpisodeRecord]) -> dict[str, StopCount]:
    times: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    for record in records:
        times.update(record.stops)
        for name, value in record.halts.items():
            seconds[name] = seconds.get(name, 0.0) + value
    names = sorted(times | seconds, key=lambda name: (-seconds.get(name, 0.0), name))
    return {name: StopCount(times[name], round(seconds.get(name, 0.0), 2)) for name in names}


def _counted(names: Iterable[str]) -> dict[str, int]:
    """The most frequent first; of equal ones by name."""
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def _median(values: Iterable[float]) -> float:
    numbers = list(values)
    return float(np.median(numbers)) if numbers else math.nan
