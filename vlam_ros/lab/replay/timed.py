"""The messages of a bag that a replay uses, read, with their roles and the time of each; and the
instructions that are given on the command line in place of the bag's.

A bag says when its recorder got each message. Where that was another clock than the one that
stamped the data (a simulation recorded without its /clock), the newest stamp is the time. Images
without stamps of that clock get the time at which they came.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vlam_ros.errors import BagError, ReplayError
from vlam_ros.interface import ROBOT, TABLE
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.roles import DECISIONS, IMAGES, ROLES, Assignment
from vlam_ros.ros.stamps import nanoseconds

OTHER_CLOCK = 5_000_000_000
"""ns between a message's stamp and when it was received from which these are two clocks."""
JUMP = 1_000_000_000
"""ns that time must go back to have jumped: messages come a little out of order."""
LOOKED_AT = 2_000_000_000
"""ns from the first stamp in which it is looked at what clock each sensor's stamps are of."""
SAME = 3
"""Messages in that time that must not all have the same stamp."""
_SENSORS = {t.role for t in TABLE if t.publisher == ROBOT and t.field not in ("", "camera")}
"""Whose stamps are looked at."""
_TIMED = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*:(.*)", re.DOTALL)


class BagClock:
    """The robot's clock, by receive times or stamps, whichever the first stamped message tells:
    `by_stamps`, None before.
    """

    def __init__(self, by_stamps: bool | None = None) -> None:
        self.by_stamps = by_stamps
        self._now: int | None = None

    def tick(self, received: int, stamp: int | None) -> tuple[int | None, bool]:
        """A message was received at a time of the recorder's clock (ns), stamped so if at all: the
        time now, None while it is not known, and whether it jumped back.
        """
        if self.by_stamps is None and stamp is not None:
            self.by_stamps = abs(received - stamp) > OTHER_CLOCK
        if self.by_stamps is None:
            return None, False
        time = stamp if self.by_stamps else received
        if time is None:
            return self._now, False
        before = time if self._now is None else self._now
        jumped = time < before - JUMP
        self._now = time if jumped else max(before, time)
        return self._now, jumped


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


def timed_messages(
    bag: BagReader,
    roles: Assignment,
    notes: Notes,
    progress: Callable[[int], None] = lambda received: None,
    restamps: bool = True,
) -> Iterator[Timed]:
    """The messages of all roles, in order; what cannot be read is noted and passed over. `progress`
    hears when each was received, ns. Stamps are left as they are if not `restamps`.
    """
    role_of = {topic: role for role, topic in roles.topics.items()}
    own = _Stamps(bag, roles)
    clock, unstamped = BagClock(own.known), not own.strangers.isdisjoint(IMAGES)

    def stamped(timed: Timed) -> Timed:
        is_image = timed.role in IMAGES
        if not restamps or not (is_image or timed.role == "camera_info"):
            return timed
        if not unstamped and not (is_image and nanoseconds(timed.message.header.stamp) == 0):
            return timed
        if is_image:
            notes.add(
                f"an image of {roles.images} has no stamp, or one of another clock: the time at "
                "which it came counts; vlam_node would not decide on it: let its driver stamp it",
                once="no stamp",
            )
        return _restamped(timed)

    early: list[Timed] = []  # what comes before the first stamp tells which clock it is
    for message in bag.messages(role_of):
        progress(message.received)
        role = role_of[message.topic]
        if message.type != ROLES[role]:  # some topics have messages of several types
            notes.add(f"a message of {message.topic} is of type {message.type} and left out")
            continue
        try:
            content = message.read()
        except BagError as error:
            notes.add(str(error), once=message.topic)
            continue
        stamp = None if role in own.strangers else _stamp(role, content)
        now, jumped = clock.tick(message.received, stamp)
        if now is None:
            early.append(Timed(role, content, 0, False, message.received, message.data))
            continue
        while early:
            yield stamped(replace(early.pop(0), now=now))
        yield stamped(Timed(role, content, now, jumped, message.received, message.data))
    if clock.by_stamps:
        notes.add("the recorder's clock is not the one of the stamps: the stamps are the time")


class _Stamps:
    """What the stamps at the beginning of a bag are worth: `strangers` are roles whose stamps are
    not of the clock that most have, or are all 0 or the same. `known` is False if there is no good
    stamp: then the recorder's clock is the only one.
    """

    def __init__(self, bag: BagReader, roles: Assignment) -> None:
        role_of = {topic: role for role, topic in roles.topics.items() if role in _SENSORS}
        ages: defaultdict[str, list[int]] = defaultdict(list)
        stamps: defaultdict[str, set[int]] = defaultdict(set)
        end: int | None = None
        for message in bag.messages(role_of):
            role = role_of[message.topic]
            if end is not None and message.received > end:
                break
            try:
                stamp = _stamp(role, message.read()) if message.type == ROLES[role] else None
            except BagError:
                continue
            ages[role] += [] if stamp is None else [message.received - stamp]
            stamps[role].add(stamp or 0)
            end = message.received + LOOKED_AT if end is None and stamp else end
        good = {r: a for r, a in ages.items() if a and (len(a) < SAME or len(stamps[r]) > 1)}

        def are_of(role: str, clock: int) -> bool:
            return any(abs(age - clock) <= OTHER_CLOCK for age in good.get(role, ()))

        clocks = [0, *(of_role[0] for of_role in good.values())]
        most = max(clocks, key=lambda clock: sum(are_of(role, clock) for role in good))
        self.strangers = {role for role in ages if not are_of(role, most)}
        self.known = None if good else False


def _restamped(timed: Timed) -> Timed:
    """With the time at which it came as its stamp, which is what a message begins with."""
    data, stamp = bytearray(timed.data), divmod(timed.now, 10**9)
    struct.pack_into("<iI" if data[1] else ">iI", data, 4, *stamp)
    header = timed.message.header
    time = replace(header.stamp, sec=stamp[0], nanosec=stamp[1])
    message = replace(timed.message, header=replace(header, stamp=time))
    return replace(timed, message=message, data=bytes(data))


def _stamp(role: str, content: Any) -> int | None:
    """The stamp (ns) of a message of a sensor; what is made of others' data is no clock, and a
    calibration may be as old as it likes. Zero is a stamp that nobody filled in.
    """
    header = getattr(content, "header", None)
    if header is None or role in (*DECISIONS, "camera_info"):
        return None
    return nanoseconds(header.stamp) or None


@dataclass(frozen=True)
class Cue:
    """What is said, and when: seconds from the first message of the bag."""

    seconds: float
    text: str


def parse_script(lines: Sequence[str]) -> tuple[Cue, ...]:
    """Cues in order of time from "go to the red cup" (at once) or "12.5: stop".

    Raises:
        ReplayError: an instruction is empty.
    """
    cues = []
    for line in lines:
        match = _TIMED.fullmatch(line)
        seconds, text = (float(match[1]), match[2]) if match else (0.0, line)
        if not text.strip():
            raise ReplayError(f"an instruction is TEXT or SECONDS: TEXT, got {line!r}")
        cues.append(Cue(seconds, text.strip()))
    return tuple(sorted(cues, key=lambda cue: cue.seconds))
