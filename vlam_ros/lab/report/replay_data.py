"""What the script of a report knows: a run, its images and its baseline, as JSON.

Texts and rows of tokens that recur are in it once; stamps, too large for a number of JavaScript,
are texts and seconds since the first image, of the baseline where the run has none.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from vlam_ros.actions import ActionTokenizer
from vlam_ros.lab.replay.compare import CHANGES, Comparison
from vlam_ros.lab.replay.images import DecisionImages
from vlam_ros.lab.replay.records import DecisionRecord, FoundObject, ReplayRun
from vlam_ros.lab.report.replay_axis import Axis

T = TypeVar("T", bound=Hashable)

MISSING, NEW = "missing", "new"


def page_data(
    run: ReplayRun,
    axis: Axis,
    images: Mapping[int, DecisionImages],
    comparison: Comparison | None,
) -> dict[str, Any]:
    """All of it, of finite numbers.

    Args:
        run: the run.
        axis: of its decisions.
        images: by the places of their decisions, in that order.
        comparison: with the baseline, None if there is none.
    """
    first = run.decisions or (comparison.baseline.decisions if comparison else ())
    start = first[0].stamp if first else 0
    texts: dict[str, int] = {}
    chunks: dict[tuple[Any, ...], int] = {}
    now = _Teller(ActionTokenizer(run.space), start, texts, chunks)
    decisions = [now.told(d, s) for d, s in zip(run.decisions, run.seconds, strict=True)]
    for told, at, width in zip(decisions, axis.positions, axis.widths, strict=True):
        told |= {"at": _number(at), "width": _number(width)}
    differences: list[dict[str, Any]] = []
    if comparison:
        before = _Teller(ActionTokenizer(comparison.baseline.space), start, texts, chunks)
        differences = _differences(comparison, before)
        for pair in comparison.pairs:
            decisions[pair.index]["before"] = {
                "outcome": pair.before.outcome,
                "confidence": _number(pair.before.confidence),
                "seconds": _number(pair.seconds[0]),
            }
        for place, difference in enumerate(differences):
            if difference["kind"] != MISSING:
                decisions[difference["index"]]["difference"] = place
    return {
        "decisions": decisions,
        "differences": differences,
        "changes": [*CHANGES, MISSING, NEW],
        "compared": comparison is not None,
        "texts": list(texts),
        "chunks": [_chunk(rows) for rows in chunks],
        "parts": [[_number(p.start), _number(p.length), _number(p.after)] for p in axis.parts],
        "byIndex": axis.by_index,
        "images": [[i, p.top_view is not None] for i, p in images.items()],
    }


class Nearest:
    """Finds the decisions of a run that are nearest in time to others."""

    def __init__(self, decisions: Sequence[DecisionRecord]) -> None:
        self._stamps = np.array([d.stamp for d in decisions], np.int64)
        self._eras = np.array([d.era for d in decisions], np.int64)

    def to(self, stamp: int, era: int | None = None) -> int | None:
        """The place of the one on the image nearest to a stamp (ns), the first of equally near
        ones, in that era if it has any; None among no decisions.
        """
        among = np.flatnonzero(self._eras == era)
        if not len(among):
            among = np.arange(len(self._stamps))
        if not len(among):
            return None
        return int(among[np.abs(self._stamps[among] - stamp).argmin()])


@dataclass(frozen=True)
class _Teller:
    """Tells the decisions of one run since `start`; texts and chunks that recur have one place."""

    tokenizer: ActionTokenizer
    start: int
    texts: dict[str, int]
    chunks: dict[tuple[Any, ...], int]

    def told(self, decision: DecisionRecord, seconds: float) -> dict[str, Any]:
        """One decision, which took so many seconds."""
        d = decision
        return {
            "stamp": f"{d.stamp // 10**9}.{d.stamp % 10**9:09d}",
            "after": _number((d.stamp - self.start) / 1e9),
            "waited": _number((d.now - d.stamp) / 1e9),
            "era": d.era,
            "instruction": _place(self.texts, d.instruction),
            "outcome": d.outcome,
            "reason": d.reason,
            "message": _place(self.texts, d.message),
            "confidence": _number(d.confidence),
            "seconds": _number(seconds),
            "skill": d.skill,
            "trace": _place(self.texts, d.trace),
            "chunk": _place(self.chunks, self._rows(d)),
            "objects": [_object(thing) for thing in d.objects],
        }

    def _rows(self, decision: DecisionRecord) -> tuple[Any, ...]:
        """Seconds after the image, tokens, command and values of each row."""
        d = decision
        values = self.tokenizer.decode(np.array(d.tokens, np.int64).reshape(-1, 5))
        commands = self.tokenizer.space.names
        return tuple(
            (
                _number((d.start_offset + i * d.step) / 1e9),
                tuple(map(int, row)),
                commands[int(decoded[0])],
                tuple(map(_number, decoded[1:])),
            )
            for i, (row, decoded) in enumerate(zip(d.tokens, values, strict=True))
        )


def _place(places: dict[T, int], value: T) -> int:
    return places.setdefault(value, len(places))


def _differences(comparison: Comparison, before: _Teller) -> list[dict[str, Any]]:
    """In the order of the run: what is decided differently, is missing or is new."""
    baseline, run = comparison.baseline, comparison.run
    found = [
        {
            "kind": "changed",
            "index": pair.index,
            "changed": list(pair.changed),
            "distance": _number(pair.distance),
            "angle": _number(pair.angle),
            "setsOff": pair.sets_off,
            "before": before.told(pair.before, pair.seconds[0]),
        }
        for pair in comparison.different
    ]
    nearest = Nearest(run.decisions)
    for place in comparison.missing:
        decision = baseline.decisions[place]
        found.append(
            {
                "kind": MISSING,
                "index": nearest.to(decision.stamp, decision.era),
                "changed": [MISSING],
                "before": before.told(decision, baseline.seconds[place]),
            }
        )
    found += [{"kind": NEW, "index": place, "changed": [NEW]} for place in comparison.new]
    return sorted(found, key=lambda d: -1 if d["index"] is None else d["index"])


def _object(thing: FoundObject) -> dict[str, Any]:
    return {
        "phrase": thing.phrase,
        "role": thing.role,
        "box": list(thing.box),
        "score": _number(thing.score),
        "position": None if thing.position is None else list(map(_number, thing.position)),
        "spread": _number(thing.spread),
    }


def _chunk(rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [
        {"due": due, "tokens": list(tokens), "command": command, "values": list(values)}
        for due, tokens, command, values in rows
    ]


def _number(value: float | None) -> float | None:
    """With as many digits as are of interest, None for what is no number."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), 4)
