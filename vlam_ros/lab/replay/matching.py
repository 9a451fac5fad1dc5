"""Which decisions of two runs over a bag are on the same image, or on neighbouring ones."""

from __future__ import annotations

from bisect import bisect, bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from vlam_ros.lab.replay.records import DecisionRecord, ReplayRun


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
    with_partner = {i for i, _ in pairs}, {j for _, j in pairs}
    missing, added = (
        tuple(i for i in range(len(those.decisions)) if i not in found)
        for those, found in zip((baseline, run), with_partner, strict=True)
    )
    return Matching(tuple(sorted(pairs)), missing, added, tolerance)


def _by_era(run: ReplayRun) -> dict[int, list[int]]:
    """The places of the decisions of each era, in the order of their stamps."""
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
