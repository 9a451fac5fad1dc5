"""The closed-loop evaluation as one HTML page: gates, figures, a card for each failed episode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vlam_ros.lab.evaluation.episode_recorder import EpisodeRecord
from vlam_ros.lab.evaluation.task_counts import ending
from vlam_ros.lab.evaluation.task_figures import Gate, TaskFigures
from vlam_ros.lab.report.page import render
from vlam_ros.lab.simulation.tasks import Kind

_LESS = 4.0
"""The scale of a share that must be small reaches to so many times its bar."""


@dataclass(frozen=True)
class Failure:
    """An episode that failed, or in which something was hit, and the JPEG of what happened."""

    variant: str
    record: EpisodeRecord
    strip: bytes | None = None

    @property
    def ending(self) -> str:
        """What the episode ended in."""
        return ending(self.record)

    @property
    def wrong(self) -> list[str]:
        """What is to be blamed."""
        why = [self.record.why] if self.record.why else []
        return why + [f"hit something: {contact}" for contact in self.record.collisions]

    @property
    def facts(self) -> list[str]:
        """How long it was in time and space, and its verdicts, the most frequent first."""
        r = self.record
        way = f"drove {r.path:.2f} m" + (f", straight {r.straight:.2f} m" if r.straight else "")
        named = ((name.removesuffix(" NONE"), count) for name, count in r.verdicts.items())
        frequent = sorted(named, key=lambda pair: (-pair[1], pair[0]))
        return [f"{r.seconds:.1f} s", way, *(f"{count} × {name}" for name, count in frequent)]


def failures_of(
    records: Mapping[str, Sequence[EpisodeRecord]],
    strip: Callable[[str, EpisodeRecord], bytes | None] = lambda variant, record: None,
) -> list[Failure]:
    """All episodes that failed or hit something: by variant, by kind and by seed.

    Args:
        records: by the name of the variant.
        strip: gives the film strip of a variant's episode, None if there is none.
    """
    order = [kind.value for kind in Kind]
    return [
        Failure(variant, record, strip(variant, record))
        for variant, those in records.items()
        for record in sorted(those, key=lambda r: (order.index(r.kind), r.seed))
        if not record.success or record.collisions
    ]


def task_page(figures: TaskFigures, failures: Sequence[Failure]) -> str:
    """The page of what was measured, and of what is shown of single episodes."""
    return render(
        "tasks.html",
        title="Closed-loop evaluation",
        figures=figures,
        judged=figures.variants.get(figures.judged),
        gates=[(gate, *_scale(gate)) for gate in figures.gates],
        missed=sum(not gate.passed for gate in figures.gates),
        failures=failures,
        filters={
            "variant": Counter(f.variant for f in failures),
            "kind": Counter(f.record.kind for f in failures),
            "ending": Counter(f.ending for f in failures),
        },
    )


def _scale(gate: Gate) -> tuple[str, ...]:
    """Where the share's interval begins and how wide it is, the share, and the gate's bar, in
    percent of the scale.
    """
    share = gate.share
    end = max(_LESS * gate.bar, share.interval[1]) if gate.at_most else 1.0
    low, high = (min(1.0, value / end) for value in share.interval)
    return tuple(f"{100 * v:.1f}" for v in (low, high - low, share.value / end, gate.bar / end))
