"""One episode from its first instruction to its end, and what is written down about it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from vlam_ros.configuration import ControllerSettings, FusionNodeSettings
from vlam_ros.evaluation.episodes import STOP_AFTER, Episode
from vlam_ros.evaluation.judging import STOP_TIME, STOP_WATCH, Moment, judge
from vlam_ros.evaluation.lockstep import Decided, DecisionMaker, Lockstep
from vlam_ros.simulation.layout import stop_before
from vlam_ros.simulation.simulator import Simulator
from vlam_ros.simulation.tasks import Kind, Task
from vlam_ros.types import Halt, Outcome

LIMIT = 75.0
"""Seconds after which an episode ends."""
SETTLED = 1.0
"""Seconds for which an episode goes on after the robot is done."""
GIVEN_UP = 5.0
"""Seconds of nothing but HOLD after which an episode ends."""
CONTROL_TIME = 4.0
"""Seconds for which a robot that must not move is watched."""
WATCH = 0.1
"""Seconds from one look at the truth to the next."""
HARMLESS = 0.2
"""m/s up to which touching something does no harm."""


@dataclass(frozen=True)
class EpisodeRecord:
    """What became of an episode. Times in s, lengths in m, speeds in m/s.

    `verdicts` counts the decisions by outcome and reason, `halts` the seconds for which the
    controller stood by its reason, `stops` how often that began. `collisions` are contacts faster
    than HARMLESS with anything but the floor and the objects that are meant. `compute` are the
    seconds that each decision took; `latencies` those from a picture's stamp to its chunk, in runs
    over topics.
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

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> EpisodeRecord:
        """The inverse of `to_dict`, also after JSON."""
        lists = ("instructions", "collisions", "compute", "latencies")
        return cls(**{**values, **{name: tuple(values.get(name, ())) for name in lists}})


def run_episode(
    episode: Episode,
    decider: DecisionMaker,
    fusion: FusionNodeSettings,
    controller: ControllerSettings,
    on_decision: Callable[[float, Decided], None] = lambda seconds, decided: None,
) -> EpisodeRecord:
    """Run an episode in lockstep and judge it.

    Args:
        episode: what is asked for, in which room.
        decider: what decides.
        fusion: settings of the fusion.
        controller: settings of the controller.
        on_decision: hears of each decision, with the seconds since the start.
    """
    with Simulator(episode.task.room, seed=episode.seed) as simulator:
        loop = Lockstep(simulator, decider, fusion, controller)
        diary = _Diary(episode, simulator)

        def note(decided: Decided) -> None:
            diary.note(decided)
            on_decision(simulator.now / 1e9, decided)

        script = list(episode.script)
        # The filter of the attitude, and the LiDAR, need a moment before they say anything.
        while simulator.now < 0.3e9:
            loop.tick(lambda decided: None)
        while not diary.over:
            if script and simulator.now / 1e9 >= script[0][0] + 0.3:
                loop.instruct(script.pop(0)[1])
            command = loop.tick(note)
            diary.watch(command.halt)
        return diary.record()


class _Diary:
    """Follows the truth and the decisions of one episode."""

    def __init__(self, episode: Episode, simulator: Simulator) -> None:
        self._episode, self._simulator = episode, simulator
        self._moments: list[Moment] = [self._moment()]
        self._path = 0.0
        self._verdicts: Counter[str] = Counter()
        self._stops: Counter[str] = Counter()
        self._halts: defaultdict[str, float] = defaultdict(float)
        self._halt: Halt | None = None
        self._compute: list[float] = []
        self._last: Decided | None = None
        self._since = 0.0  # when the last outcome began
        self._looked = self._now

    @property
    def _now(self) -> float:
        return self._simulator.now / 1e9

    def note(self, decided: Decided) -> None:
        """A decision was made."""
        verdict = decided.decision.verdict
        last = self._last.decision.verdict.outcome if self._last else None
        if verdict.outcome is not last:
            self._since = self._now
        self._last = decided
        self._compute.append(decided.seconds)
        self._verdicts[f"{verdict.outcome.name} {verdict.reason.name}"] += 1

    def watch(self, halt: Halt) -> None:
        """A tick has passed."""
        now = self._now
        if halt is not self._halt:
            self._halt = halt
            if halt is not Halt.NONE:
                self._stops[halt.name] += 1
        if halt is not Halt.NONE:
            self._halts[halt.name] += now - self._looked
        self._looked = now
        if now - self._moments[-1].seconds >= WATCH:
            before = self._moments[-1].base.position[:2]
            self._moments.append(self._moment())
            self._path += math.dist(before, self._moments[-1].base.position[:2])

    @property
    def over(self) -> bool:
        """Whether nothing more is to be waited for."""
        now, kind = self._now, self._episode.task.kind
        if kind is Kind.STOP:
            return now >= 0.3 + STOP_AFTER + STOP_TIME + STOP_WATCH
        if self._episode.control:
            return now >= CONTROL_TIME
        if now >= LIMIT:
            return True
        if self._last is None:
            return False
        outcome = self._last.decision.verdict.outcome
        patience = {Outcome.DONE: SETTLED, Outcome.HOLD: GIVEN_UP}
        return now - self._since >= patience.get(outcome, math.inf)

    def record(self) -> EpisodeRecord:
        """Judge what has happened."""
        episode, task, simulator = self._episode, self._episode.task, self._simulator
        self._moments.append(self._moment(seen=True))
        judgement = judge(task, self._moments)
        verdict = self._last.decision.verdict if self._last else None
        fast = [c for c in simulator.contacts if not _is_meant(c.object, c.part, task)]
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
            straight=_straight(task, self._moments),
            collisions=tuple(
                f"{c.part} {c.other} {c.speed:.2f} m/s" for c in fast if c.speed > HARMLESS
            ),
            fastest_contact=max((c.speed for c in fast), default=0.0),
            verdicts=dict(self._verdicts),
            stops=dict(self._stops),
            halts={name: round(seconds, 2) for name, seconds in self._halts.items()},
            compute=tuple(round(seconds, 4) for seconds in self._compute),
        )

    def _moment(self, seen: bool = False) -> Moment:
        simulator = self._simulator
        visible = simulator.visible() if seen else ()
        places = tuple(position for position, _ in simulator.objects)
        return Moment(self._now, simulator.pose, simulator.speed, places, simulator.held, visible)


def _is_meant(index: int | None, part: str, task: Task) -> bool:
    """Whether a contact is part of the task: with what is meant, or of it with anything."""
    return (index is not None and index in (task.target, task.destination)) or part == "held"


def _straight(task: Task, moments: Sequence[Moment]) -> float:
    """Length of the straight way of the base, leg by leg; 0 for a task without one."""
    if task.kind not in (Kind.GO_TO, Kind.PICK_UP, Kind.PUT_ON, Kind.PUT_NEXT_TO):
        return 0.0
    places = [moments[0].objects[i][:2] for i in (task.target, task.destination) if i is not None]
    at, length = (0.0, 0.0), 0.0
    for goal in places:
        stop = stop_before(goal, at)
        length += math.dist(at, stop)
        at = stop
    return length
