"""The messages of a bag that a replay uses, read, with their roles and the time of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from vlam_ros.errors import BagError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.clock import BagClock
from vlam_ros.lab.replay.roles import ROLES, Assignment
from vlam_ros.ros.stamps import nanoseconds


@dataclass(frozen=True)
class Timed:
    """A message of a role, what the robot's clock said when it came (ns), whether that time had
    jumped back, when the recorder received it (ns), and its bytes (CDR).
    """

    role: str
    message: Any
    now: int
    jumped: bool
    received: int
    data: bytes = field(default=b"", repr=False)


def timed_messages(bag: BagReader, roles: Assignment, notes: Notes) -> Iterator[Timed]:
    """The messages of all roles, in order; what cannot be read is noted and passed over."""
    clock, role_of = BagClock(), roles.role_of
    early: list[Timed] = []  # what comes before the first stamp tells which clock it is
    for message in bag.messages(role_of):
        role = role_of[message.topic]
        if message.type != ROLES[role]:  # some topics have messages of several types
            notes.add(f"a message of {message.topic} is of type {message.type} and left out")
            continue
        try:
            content = message.read()
        except BagError as error:
            notes.add(str(error), once=message.topic)
            continue
        now, jumped = clock.tick(message.received, _stamp(role, content))
        if now is None:
            early.append(
                Timed(role, content, message.received, False, message.received, message.data)
            )
            continue
        while early:
            yield replace(early.pop(0), now=now)
        yield Timed(role, content, now, jumped, message.received, message.data)
    if clock.by_stamps:
        notes.add("the recorder's clock is not the one of the stamps: the stamps are the time")


def _stamp(role: str, content: Any) -> int | None:
    """The stamp (ns) of a message of a sensor; what is made of others' data is no clock, and a
    calibration may be as old as it likes. Zero is a stamp that nobody filled in.
    """
    header = getattr(content, "header", None)
    if header is None or role in ("action_chunk", "scene", "decision_inputs", "camera_info"):
        return None
    return nanoseconds(header.stamp) or None
