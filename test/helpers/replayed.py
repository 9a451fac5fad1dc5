"""Bags replayed in tests, and decisions on them that are as good as what was seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from made_bags import Recorded
from told_decisions import decision

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.lab.bags import BagReader, BagWriter
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.offline import ReplayOptions, replay_offline
from vlam_ros.lab.replay.records import DecisionRecord
from vlam_ros.lab.replay.roles import assign
from vlam_ros.lab.replay.timed import Timed
from vlam_ros.runtime import DecisionMaker, DecisionResult
from vlam_ros.types import Decision, InstructionRequest, Observation

BAGS = Path(__file__).parents[1] / "data" / "bags"
SETTINGS = Settings.load(), FusionNodeSettings.load()
SECOND, MS = 10**9, 10**6


@dataclass
class Witness:
    """Makes decisions whose trace is a fingerprint of all that it was shown, and counts what it
    was shown since the last reset: it remembers, as a pipeline does.
    """

    observations: list[Observation] = field(default_factory=list)
    requests: list[InstructionRequest | None] = field(default_factory=list)
    resets: int = 0
    since: int = 0

    def reset(self) -> None:
        self.resets += 1
        self.since = 0

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        self.observations.append(observation)
        self.requests.append(request)
        self.since += 1
        trace = f"{self.since} {fingerprint(observation)}"
        return decision(request=request, stamp=observation.stamp, trace=trace)


def fingerprint(thing: Any) -> str:
    """The same text if and only if two things are the same to the byte."""
    digest = hashlib.sha256()
    for part in _parts(thing):
        digest.update(part)
    return digest.hexdigest()[:16]


def _parts(thing: Any) -> Iterator[bytes]:
    if isinstance(thing, np.ndarray):
        yield f"{thing.dtype}{thing.shape}".encode()
        yield thing.tobytes()
    elif is_dataclass(thing):
        yield type(thing).__name__.encode()
        for part in fields(thing):
            yield from _parts(getattr(thing, part.name))
    else:
        yield repr(thing).encode()


@dataclass(frozen=True)
class Replay:
    """What came of one."""

    decided: list[DecisionResult]
    notes: tuple[str, ...]
    damage: tuple[str, ...]

    @property
    def records(self) -> list[DecisionRecord]:
        """As they are kept."""
        return [DecisionRecord.of(d.decision, d.inputs) for d in self.decided]

    @property
    def lines(self) -> list[str]:
        """As they are compared."""
        return [record.to_json() for record in self.records]


def replay(
    path: Path, maker: DecisionMaker, mapping: Mapping[str, str] | None = None, **options: Any
) -> Replay:
    """Replay a bag as `vlam replay` does."""
    how, notes = ReplayOptions(mapping or {}, **options), Notes()
    with BagReader(path) as bag:
        roles = assign(bag.topics, how.mapping)
        decided = list(replay_offline(bag, roles, maker, SETTINGS, how, notes))
        return Replay(decided, notes.lines, tuple(bag.notes))


def contents(path: Path) -> list[Recorded]:
    """All messages of a bag."""
    with BagReader(path) as bag:
        return [Recorded(m.topic, m.type, m.received, m.data) for m in bag.messages()]


def written(path: Path, messages: Iterable[Recorded]) -> Path:
    """A bag of messages."""
    listed = list(messages)
    with BagWriter(path, compression=False) as writer:
        for topic, kind in {m.topic: m.kind for m in listed}.items():
            writer.add(topic, kind)
        for message in listed:
            writer.write(message.topic, message.received, message.data)
    return path


def image(stamp: int, grey: int = 0, size: tuple[int, int] = (4, 3)) -> Any:
    """A message with a small grey image."""
    width, height = size
    return SimpleNamespace(
        header=SimpleNamespace(stamp=time(stamp), frame_id="camera_optical"),
        encoding="rgb8",
        width=width,
        height=height,
        step=3 * width,
        data=np.full(3 * width * height, grey, np.uint8),
    )


def time(stamp: int) -> Any:
    """A stamp (ns) as in a message."""
    return SimpleNamespace(sec=stamp // SECOND, nanosec=stamp % SECOND)


def timed(role: str, message: Any, now: int, jumped: bool = False) -> Timed:
    """A message of a role, received at the time (ns) that the robot's clock said."""
    return Timed(role, message, now, jumped, now)


def show(*stamps: int, delay: int = 0) -> Sequence[Timed]:
    """Images at these times in ms, each received `delay` ms later."""
    return [timed("image", image(s * MS), (s + delay) * MS) for s in stamps]
