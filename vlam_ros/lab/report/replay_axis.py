"""Where the decisions of a run lie on the time axis of its report.

The axis is in seconds and is cut where the images' time jumps: where an era begins, where a stamp
is before the one that came before it, and where a long time passes without a decision. The parts
follow each other, each as long as it lasted. In a run that is in too many parts to be told apart,
the axis counts decisions instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from vlam_ros.lab.replay.records import DecisionRecord

LONGEST_GAP = 30.0
"""Seconds without a decision, and periods, beyond both of which the axis is cut."""
LASTS = 3.0
"""Periods for which a decision is drawn at most, if no other one follows."""
MOST_PARTS = 40
LONE = 1.0
"""Seconds that a decision is drawn for if there is no other one to tell a period from."""


@dataclass(frozen=True)
class Part:
    """Between two cuts: where the part starts on the axis and how long it is there, and the seconds
    from the run's first image to its first.
    """

    start: float
    length: float
    after: float


@dataclass(frozen=True)
class Axis:
    """`positions` (ascending) and `widths` of all decisions, in seconds, or in decisions if it is
    `by_index`; its `parts`; how often time jumped `back`, and how many long `gaps` there are.
    """

    positions: tuple[float, ...]
    widths: tuple[float, ...]
    parts: tuple[Part, ...]
    by_index: bool
    back: int
    gaps: int

    @property
    def note(self) -> str:
        """What a reader must know about it; empty if it is one straight line."""
        cuts = [f"time jumped back {_times(self.back)}"] * bool(self.back)
        cuts += [f"nothing was decided for a long time {_times(self.gaps)}"] * bool(self.gaps)
        if self.by_index:
            return f"The axis counts decisions, because {' and '.join(cuts)}."
        return f"The axis is cut where {' and '.join(cuts)}." if cuts else ""


def axis_of(decisions: Sequence[DecisionRecord]) -> Axis:
    """Lay the decisions of a run on an axis, in the order in which they were made."""
    pairs = list(pairwise(decisions))
    steps = [b.stamp - a.stamp for a, b in pairs if a.era == b.era and b.stamp > a.stamp]
    period = median(steps) / 1e9 if steps else LONE
    longest = LONGEST_GAP * max(1.0, period)
    back = {i for i, (a, b) in enumerate(pairs, 1) if a.era != b.era or b.stamp < a.stamp}
    gaps = {i for i, (a, b) in enumerate(pairs, 1) if b.stamp - a.stamp > longest * 1e9} - back
    firsts = sorted({0} | back | gaps) if decisions else []
    if len(firsts) > MOST_PARTS:
        count = len(decisions)
        parts = (Part(0.0, float(count), 0.0),)
        places = tuple(map(float, range(count)))
        return Axis(places, (1.0,) * count, parts, True, len(back), len(gaps))
    positions: list[float] = []
    widths: list[float] = []
    cut: list[Part] = []
    start = 0.0
    for first, end in pairwise([*firsts, len(decisions)]):
        stamps = [d.stamp for d in decisions[first:end]]
        here = [start + (stamp - stamps[0]) / 1e9 for stamp in stamps]
        length = here[-1] - start + period
        positions += here
        widths += [min(LASTS * period, b - a) for a, b in pairwise([*here, start + length])]
        cut.append(Part(start, length, (stamps[0] - decisions[0].stamp) / 1e9))
        start += length
    return Axis(tuple(positions), tuple(widths), tuple(cut), False, len(back), len(gaps))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
