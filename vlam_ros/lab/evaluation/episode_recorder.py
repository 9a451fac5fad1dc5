"""What is written down about an episode, wherever it runs: its decisions, and the truth."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vlam_ros.lab.evaluation.episodes import STOP_AFTER, Episode
from vlam_ros.lab.evaluation.judging import STOP_TIME, STOP_WATCH, judge
from vlam_ros.lab.simulation.task_objects import stop_before
from vlam_ros.lab.simulation.tasks import Kind, TaskSpec
from vlam_ros.lab.simulation.truth import Truth
from vlam_ros.types import Halt, Outcome, Verdict

SETTLING = 0.3
"""Seconds from the start to the first instruction: the filter of the attitude, and the LiDAR, need
a moment before they say anything.
"""
LIMIT = 75.0
"""Seconds after which an episode ends."""
SETTLED = 1.0
"""Seconds for which an episode goes on after the robot is done."""
GIVEN_UP = 5.0
"""Seconds of nothing but HOLD after which an episode ends."""
CONTROL_TIME = 4.0
"""Seconds for which a robot that must not move is watched."""
HARMLESS = 0.2
"""m/s up to which touching something does no harm."""


@dataclass(frozen=True)
class EpisodeRecord:
    """What became of an episode. Times in s, lengths in m, speeds in m/s.

    `verdicts` counts the decisions by outcome and reason, `halts` the seconds for which the
    controller stood by its reason, `stops` how often that began. `collisions` are contacts faster
    than HARMLESS with anything but the floor and the objects that are meant. `compute` are the
    seconds that each decision took, where they are known; `latencies` those from an image's stamp
    to its chunk in runs over topics, on the robot's clock, and `wall_latencies` the same on the
    wall, where more passes if the machine is too slow for the simulation.
    """

    name: str
    seed: int
    kind: str
    control: bool
    instructions: tuple[str, ...]
    relational: bool
    held_out: bool
    paraphrased: bool
    success: bool
    wrong_object: bool
    why: str
    outcome: str
    reason: str
    message: str
    seconds: float
    path: float
    straight: float
    collisions: tuple[str, ...] = ()
    fastest_contact: float = 0.0
    verdicts: dict[str, int] = field(default_factory=dict)
    stops: dict[str, int] = field(default_factory=dict)
    halts: dict[str, float] = field(default_factory=dict)
    compute: tuple[float, ...] = ()
    latencies: tuple[float, ...] = ()
    wall_latencies: tuple[float, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> EpisodeRecord:
        """The inverse of `dataclasses.asdict`, also after JSON."""
        lists = ("instructions", "collisions", "compute", "latencies", "wall_latencies")
        return cls(**{**values, **{name: tuple(values.get(name, ())) for name in lists}})


class EpisodeRecorder:
    """Follows one episode. All times are seconds since its `start` (ns), in order."""

    def __init__(self, episode: Episode, first: Truth, start: int = 0) -> None:
        self._episode, self._start = episode, start
        self._truths = [first]
        self._now = self.looked_at
        self._path = 0.0
        self._verdicts: Counter[str] = Counter()
        self._stops: Counter[str] = Counter()
        self._halts: defaultdict[str, float] = defaultdict(float)
        self._halt: Halt | None = None
        self._looked = self._now
        self._compute: list[float] = []
        self._latencies: list[float] = []
        self._wall_latencies: list[float] = []
        self._last: Verdict | None = None
        self._since = self._now  # when the last outcome began

    @property
    def looked_at(self) -> float:
        return (self._truths[-1].stamp - self._start) / 1e9

    def decided(self, seconds: float, verdict: Verdict) -> None:
        if self._last is None or verdict.outcome is not self._last.outcome:
            self._since = seconds
        self._last, self._now = verdict, seconds
        self._verdicts[f"{verdict.outcome.name} {verdict.reason.name}"] += 1

    def computed(self, seconds: float) -> None:
        self._compute.append(seconds)

    def waited(self, seconds: float, on_the_wall: float) -> None:
        """A chunk came so long after its image's stamp, on the robot's clock and on the wall."""
        self._latencies.append(seconds)
        self._wall_latencies.append(on_the_wall)

    def stood(self, seconds: float, halt: Halt) -> None:
        if halt is not self._halt:
            self._halt = halt
            if halt is not Halt.NONE:
                self._stops[halt.name] += 1
        if halt is not Halt.NONE:
            self._halts[halt.name] += seconds - self._looked
        self._looked = self._now = seconds

    def stopped(self, stops: Mapping[str, int]) -> None:
        self._stops.update(stops)

    def saw(self, truth: Truth) -> None:
        self._path += math.dist(self._truths[-1].pose.position[:2], truth.pose.position[:2])
        self._truths.append(truth)
        self._now = self.looked_at

    @property
    def over(self) -> bool:
        now, kind = self._now, self._episode.task.kind
        if kind is Kind.STOP:
            return now >= SETTLING + STOP_AFTER + STOP_TIME + STOP_WATCH
        if self._episode.control:
            return now >= CONTROL_TIME
        if now >= LIMIT:
            return True
        if self._last is None:
            return False
        patience = {Outcome.DONE: SETTLED, Outcome.HOLD: GIVEN_UP}
        return now - self._since >= patience.get(self._last.outcome, math.inf)

    def record(self, last: Truth) -> EpisodeRecord:
        """Judge it by the truth at the end, with what is visible."""
        episode, task = self._episode, self._episode.task
        truths = [*self._truths, last]
        judgement = judge(task, truths)
        if episode.control and any(not said.startswith("HOLD") for said in self._verdicts):
            judgement = replace(judgement, why=judgement.why or "did not refuse")
        verdict = self._last
        meant = {i for i in (task.target, task.destination) if i is not None}
        counted = [c for c in last.contacts if c.object not in meant]
        return EpisodeRecord(
            name=episode.name,
            seed=episode.seed,
            kind=task.kind.value,
            control=episode.control,
            instructions=tuple(text for _, text in episode.script),
            relational=task.relational,
            held_out=task.held_out,
            paraphrased=episode.paraphrased,
            success=judgement.success,
            wrong_object=judgement.wrong_object,
            why=judgement.why,
            outcome=verdict.outcome.name if verdict else "",
            reason=verdict.reason.name if verdict else "",
            message=verdict.message if verdict else "",
            seconds=self._now,
            path=self._path,
            straight=_straight(task, truths[0]),
            collisions=tuple(
                f"{c.part} {c.other} {c.speed:.2f} m/s" for c in counted if c.speed > HARMLESS
            ),
            fastest_contact=max((c.speed for c in counted), default=0.0),
            verdicts=dict(self._verdicts),
            stops=dict(self._stops),
            halts={name: round(seconds, 2) for name, seconds in self._halts.items()},
            compute=_rounded(self._compute),
            latencies=_rounded(self._latencies),
            wall_latencies=_rounded(self._wall_latencies),
        )


def _rounded(seconds: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in seconds)


def _straight(task: TaskSpec, first: Truth) -> float:
    """Metres that the base drives at the least, leg by leg; 0 for a task without a way."""
    if task.kind not in (Kind.GO_TO, Kind.PICK_UP, Kind.PUT_ON, Kind.PUT_NEXT_TO):
        return 0.0
    places = [
        first.objects[i].position[:2] for i in (task.target, task.destination) if i is not None
    ]
    at, length = (0.0, 0.0), 0.0
    for goal in places:
        stop = stop_before(goal, at)
        length += math.dist(at, stop)
        at = stop
    return length
