"""Two runs over one bag, decision by decision: what is decided differently from the baseline."""

from __future__ import annotations

import math
from bisect import bisect, bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vlam_ros.actions import ActionTokenizer
from vlam_ros.lab.replay.records import DESTINATION, TARGET, DecisionRecord, FoundObject, ReplayRun
from vlam_ros.lab.report.percentiles import Percentiles
from vlam_ros.types import Outcome

VERDICT, REASON, SKILL, INSTRUCTION = "verdict", "reason", "skill", "instruction"
WAYPOINTS, SHAPE = "waypoints", "shape"
CHANGES = (VERDICT, REASON, SKILL, TARGET, DESTINATION, INSTRUCTION, WAYPOINTS, SHAPE)
"""What can differ. WAYPOINTS: the same ones elsewhere; SHAPE: at other times, of other commands, or
of other dimensions."""
MISSING, NEW = "missing", "new"
DIFFERENCES = (*CHANGES, MISSING, NEW)

SAME_PLACE = 0.1
"""Metres between two positions up to which they are taken for one object's."""
LONGEST = 60
"""Characters of an instruction that a remark repeats."""
DIGITS = 9
"""Of metres and radians that count: the rest is the arithmetic of two action spaces."""


@dataclass(frozen=True)
class Difference:
    """A decision of the baseline, `before`, and its partner in the run, `after`.

    `index` is the partner's place in the run. `changed` holds those of CHANGES that differ, in that
    order; `equal` says whether the records are the same to the byte. `distance` is the largest (m)
    between waypoints due equally long after their images, `angle` (rad) likewise; None where there
    are no two to compare, as with another verdict or skill. `seconds` are of both.
    """

    before: DecisionRecord
    after: DecisionRecord
    index: int
    changed: tuple[str, ...]
    equal: bool
    distance: float | None
    angle: float | None
    seconds: tuple[float, float]

    @property
    def sets_off(self) -> bool:
        """Whether the robot now moves where it stood, by HOLD or DONE."""
        moves = Outcome.EXECUTE.name
        return self.after.outcome == moves != self.before.outcome


@dataclass(frozen=True)
class Comparison:
    """All decisions of two runs: `pairs` of the same images in the order of the baseline, and the
    places of those without a partner, `missing` from the run and `new` in it.

    `remarks` say what makes the two hard to compare, a line each.
    """

    baseline: ReplayRun
    run: ReplayRun
    pairs: tuple[Difference, ...]
    missing: tuple[int, ...]
    new: tuple[int, ...]
    remarks: tuple[str, ...]

    @cached_property
    def different(self) -> tuple[Difference, ...]:
        """The pairs in which anything of CHANGES differs."""
        return tuple(pair for pair in self.pairs if pair.changed)

    @property
    def same(self) -> bool:
        """Whether every decision has a partner that does the same."""
        return not (self.different or self.missing or self.new)

    @property
    def differing(self) -> int:
        """How many decisions differ, are missing or are new."""
        return len(self.different) + len(self.missing) + len(self.new)

    @property
    def total(self) -> int:
        """How many there are in both runs together, pairs once."""
        return len(self.pairs) + len(self.missing) + len(self.new)

    def stamps(self, difference: str) -> tuple[int, ...]:
        """Those (ns) of the images where there is one of DIFFERENCES."""
        if difference == MISSING:
            return tuple(self.baseline.decisions[place].stamp for place in self.missing)
        if difference == NEW:
            return tuple(self.run.decisions[place].stamp for place in self.new)
        return tuple(pair.after.stamp for pair in self.pairs if difference in pair.changed)

    def share(self, difference: str) -> float:
        """How many these are, as a share of all pairs, for MISSING of the baseline's decisions and
        for NEW of the run's; 0..1.
        """
        wholes = {MISSING: self.baseline.decisions, NEW: self.run.decisions}
        whole = len(wholes.get(difference, self.pairs))
        return len(self.stamps(difference)) / whole if whole else 0.0

    @property
    def distance(self) -> float | None:
        """The largest distance between waypoints, m; None where no pair has any to compare."""
        return max((p.distance for p in self.pairs if p.distance is not None), default=None)

    @property
    def distance_p95(self) -> float | None:
        """What 95 % of the pairs' distances are below."""
        distances = [p.distance for p in self.pairs if p.distance is not None]
        return float(np.percentile(distances, 95)) if distances else None

    @property
    def angle(self) -> float | None:
        """The largest angle between waypoints, rad."""
        return max((p.angle for p in self.pairs if p.angle is not None), default=None)

    @property
    def confidence(self) -> float:
        """The largest change of confidence, up or down."""
        changes = (abs(p.after.confidence - p.before.confidence) for p in self.pairs)
        return max(changes, default=0.0)

    @cached_property
    def latencies(self) -> tuple[Percentiles, Percentiles]:
        """Of the baseline and of the run, over all their decisions."""
        return Percentiles.of(self.baseline.seconds), Percentiles.of(self.run.seconds)

    @property
    def latency_ratio(self) -> float | None:
        """The run's median as a multiple of the baseline's; None where one has none."""
        before, after = self.latencies
        return after.p50 / before.p50 if before.p50 > 0 and after.p50 >= 0 else None


def compare(baseline: ReplayRun, run: ReplayRun) -> Comparison:
    """Compare decisions as they are to be with those over the same bag as they are now, on the same
    images; `match` says which those are.
    """
    matching = match(baseline, run)
    readers = ActionTokenizer(baseline.space), ActionTokenizer(run.space)
    pairs: list[Difference] = []
    for i, j in matching.pairs:
        before, after = baseline.decisions[i], run.decisions[j]
        alike = (before.outcome, before.skill) == (after.outcome, after.skill)
        gap = _gap(before, readers[0], after, readers[1]) if alike else _Gap()
        pairs.append(
            Difference(
                before,
                after,
                index=j,
                changed=_changes(before, after, gap),
                equal=before.to_json() == after.to_json(),
                distance=gap.distance,
                angle=gap.angle,
                seconds=(baseline.seconds[i], run.seconds[j]),
            )
        )
    remarks = _remarks(baseline, run, pairs)
    return Comparison(baseline, run, tuple(pairs), matching.missing, matching.new, remarks)


@dataclass(frozen=True)
class Matching:
    """Places in the decisions of a baseline and of a run.

    `pairs` are (baseline, run), each place in one at most; `missing` are those of the baseline
    without a partner, `new` those of the run. `tolerance`: how far (ns) the stamps of a pair may be
    apart.
    """

    pairs: tuple[tuple[int, int], ...]
    missing: tuple[int, ...]
    new: tuple[int, ...]
    tolerance: int


def match(baseline: ReplayRun, run: ReplayRun) -> Matching:
    """Match decisions by the stamps of their images, era by era, in the order of the stamps.

    Equal stamps come first, then the nearest ones that are half a period apart at most: half the
    shorter of the two runs' median times between decisions. Of several decisions on one image,
    those on the same instruction are matched first. Eras are matched in their order if both runs
    have equally many of them, by their numbers otherwise.
    """
    old, new = _by_era(baseline), _by_era(run)
    if len(old) == len(new):
        new = dict(zip(old, new.values(), strict=True))
    periods = [p for p in (_period(old, baseline), _period(new, run)) if p is not None]
    tolerance = min(periods, default=0) // 2
    pairs: list[tuple[int, int]] = []
    for era, places in old.items():
        others = new.get(era, [])
        matched = _nearest(
            [baseline.decisions[i] for i in places], [run.decisions[j] for j in others], tolerance
        )
        pairs += [(places[i], others[j]) for i, j in matched]
    missing = set(range(len(baseline.decisions))) - {i for i, _ in pairs}
    added = set(range(len(run.decisions))) - {j for _, j in pairs}
    unmatched = tuple(sorted(missing)), tuple(sorted(added))
    return Matching(tuple(sorted(pairs)), *unmatched, tolerance)


def _by_era(run: ReplayRun) -> dict[int, list[int]]:
    eras: dict[int, list[int]] = {}
    for place, decision in enumerate(run.decisions):
        eras.setdefault(decision.era, []).append(place)
    for places in eras.values():
        places.sort(key=lambda i: run.decisions[i].stamp)
    return eras


def _period(eras: dict[int, list[int]], run: ReplayRun) -> int | None:
    """The median time (ns) between decisions of an era, None where no era has two."""
    stamps = ([run.decisions[i].stamp for i in places] for places in eras.values())
    times = [b - a for era in stamps for a, b in pairwise(era)]
    return int(median(times)) if times else None


def _nearest(
    old: Sequence[DecisionRecord], new: Sequence[DecisionRecord], tolerance: int
) -> list[tuple[int, int]]:
    """Pairs of places in two sequences in the order of stamps, both places growing."""
    stamps = [d.stamp for d in new]
    candidates = sorted(
        (abs(d.stamp - new[j].stamp), d.instruction != new[j].instruction, i, j)
        for i, d in enumerate(old)
        for j in range(
            bisect_left(stamps, d.stamp - tolerance), bisect(stamps, d.stamp + tolerance)
        )
    )
    pairs: list[tuple[int, int]] = []
    for *_, i, j in candidates:
        place = bisect(pairs, (i, j))
        before = pairs[place - 1] if place else (-1, -1)
        after = pairs[place] if place < len(pairs) else (len(old), len(new))
        if before[0] < i < after[0] and before[1] < j < after[1]:
            pairs.insert(place, (i, j))
    return pairs


class _Gap(NamedTuple):
    """The largest distance (m) and angle (rad, 0..π) between rows that are due equally long after
    their images, None where no two rows use them; `reshaped` where rows are due at other times,
    are of other commands, or use other dimensions.
    """

    distance: float | None = None
    angle: float | None = None
    reshaped: bool = False


def _gap(
    before: DecisionRecord, reader: ActionTokenizer, after: DecisionRecord, other: ActionTokenizer
) -> _Gap:
    """Of the waypoints of two decisions, each decoded in its own run's action space."""
    old, new = reader.decode(_tokens(before)), other.decode(_tokens(after))
    due, i, j = np.intersect1d(_due(before), _due(after), return_indices=True)
    old_commands = [reader.space.names[int(row[0])] for row in old[i]]
    new_commands = [other.space.names[int(row[0])] for row in new[j]]
    old_used, new_used = ~np.isnan(old[i, 1:]), ~np.isnan(new[j, 1:])
    both = old_used & new_used
    apart = np.where(both, new[j, 1:] - old[i, 1:], 0.0)
    distances = np.linalg.norm(apart[:, :3], axis=1)[both[:, :3].any(axis=1)]
    angles = np.abs(np.remainder(apart[:, 3] + np.pi, 2 * np.pi) - np.pi)[both[:, 3]]
    return _Gap(
        distance=_largest(distances),
        angle=_largest(angles),
        reshaped=len(due) != max(len(old), len(new))
        or old_commands != new_commands
        or bool((old_used != new_used).any()),
    )


def _tokens(decision: DecisionRecord) -> npt.NDArray[np.int64]:
    return np.array(decision.tokens, np.int64).reshape(len(decision.tokens), -1)


def _due(decision: DecisionRecord) -> npt.NDArray[np.int64]:
    return decision.start_offset + decision.step * np.arange(len(decision.tokens))


def _largest(values: npt.NDArray[np.float64]) -> float | None:
    return round(float(values.max()), DIGITS) if len(values) else None


def _changes(before: DecisionRecord, after: DecisionRecord, gap: _Gap) -> tuple[str, ...]:
    differs = {
        VERDICT: before.outcome != after.outcome,
        REASON: before.reason != after.reason,
        SKILL: before.skill != after.skill,
        TARGET: _another(before.first(TARGET), after.first(TARGET)),
        DESTINATION: _another(before.first(DESTINATION), after.first(DESTINATION)),
        INSTRUCTION: before.instruction != after.instruction,
        WAYPOINTS: bool(gap.distance or gap.angle),
        SHAPE: gap.reshaped,
    }
    return tuple(change for change in CHANGES if differs[change])


def _another(before: FoundObject | None, after: FoundObject | None) -> bool:
    """Whether two objects of one role are not the same one, or only one is seen or has a place."""
    if before is None or after is None:
        return before is not after
    if before.phrase != after.phrase:
        return True
    if before.position is None or after.position is None:
        return before.position is not after.position
    return math.dist(before.position, after.position) > SAME_PLACE


def _remarks(baseline: ReplayRun, run: ReplayRun, pairs: Iterable[Difference]) -> tuple[str, ...]:
    remarks: list[str] = []
    bags = baseline.about.get("bag", ""), run.about.get("bag", "")
    if all(bags) and bags[0] != bags[1]:
        remarks.append(f"the bags differ: {bags[0]}, now {bags[1]}")
    fields = {"commands": "names", "low": "low", "high": "high", "bins": "unused"}
    for name, field in fields.items():
        old, new = getattr(baseline.space, field), getattr(run.space, field)
        if new != old:
            remarks.append(
                f"the action spaces differ in {name}: {_listed(old)}, now {_listed(new)}"
            )
    told = [dict.fromkeys(d.instruction for d in r.decisions) for r in (baseline, run)]
    if told[0].keys() != told[1].keys():
        only = (
            ", ".join(repr(_short(t)) for t in told[k] if t not in told[1 - k]) or "no others"
            for k in (0, 1)
        )
        remarks.append("the instructions differ: {}, now {}".format(*only))
    jumps = [max(0, len({d.era for d in r.decisions}) - 1) for r in (baseline, run)]
    if jumps[0] != jumps[1]:
        remarks.append(f"jumps back in time: {jumps[0]}, now {jumps[1]}")
    away = [abs(p.after.stamp - p.before.stamp) for p in pairs]
    if near := [ns for ns in away if ns]:
        remarks.append(
            f"on another image, up to {max(near) / 1e6:.0f} ms away: {len(near)} of {len(away)}"
        )
    return tuple(remarks)


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
