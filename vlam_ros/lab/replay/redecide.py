"""Decides on a bag as the nodes would if its robot stood here now.

An image waits for its LiDAR sweep as it does in the nodes; what is decided on is the newest that
need not wait any longer, every `period`. Computing takes no time, so that two runs are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vlam_ros.lab.replay.decide import Decided, Decider
from vlam_ros.lab.replay.roles import IMAGES
from vlam_ros.lab.replay.script import Cue
from vlam_ros.lab.replay.sensing import BagSensors
from vlam_ros.lab.replay.timed import Timed
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.synchroniser import IMAGES_KEPT, Synchroniser
from vlam_ros.types import InstructionRequest


class Redecider:
    """Goes through the messages of one bag."""

    def __init__(
        self,
        sensors: BagSensors,
        decider: Decider,
        script: Sequence[Cue],
        wait: float,
        period: float,
        max_image_age: float,
    ) -> None:
        """An image waits for its depth for `wait` s. Without a script the bag's own instructions
        count. An image older than the newest by more than `max_image_age` s is of another time.
        """
        self._sensors = sensors
        self._decider = decider
        self._script = script
        self._cues = deque(script)
        self._room: Synchroniser[Any] = Synchroniser(round(wait * 1e9), IMAGES_KEPT)
        self._period = round(period * 1e9)
        self._max_image_age = round(max_image_age * 1e9)
        self._request: InstructionRequest | None = None
        self._asked = 0
        self._newest: int | None = None
        self._pending: tuple[int, Any] | None = None
        self._last: int | None = None
        self._start: int | None = None
        self._era = 0

    def run(self, messages: Iterable[Timed]) -> Iterator[Decided]:
        """The decisions, in order."""
        now = 0
        for timed in messages:
            now = timed.now
            if timed.jumped:
                self._jump()
            else:
                yield from self._pass_time(now)
            self._say(timed.received)
            if timed.role in IMAGES:
                self._image(timed.message, now)
            elif timed.role == "instruction":
                if not self._script:
                    self._ask(timed.message.data)
            else:
                self._sensors.feed(timed.role, timed.message, now)
            yield from self._look(now)
        for stamp, image in self._room.due(now, lambda stamp: True):
            self._pending = stamp, image
        yield from self._look(now)

    def _pass_time(self, until: int) -> Iterator[Decided]:
        """What is due before the next message comes: that may be hours later."""
        while True:
            moments = [] if self._room.deadline is None else [self._room.deadline]
            if self._pending is not None and self._last is not None:
                moments.append(self._last + self._period)
            if not moments or min(moments) >= until:
                return
            yield from self._look(min(moments))

    def _say(self, received: int) -> None:
        """Give the cues whose time has come on the recorder's clock, which never jumps back."""
        if self._start is None:
            self._start = received
        while self._cues and received - self._start >= self._cues[0].seconds * 1e9:
            self._ask(self._cues.popleft().text)

    def _ask(self, text: str) -> None:
        self._asked += 1
        self._request = InstructionRequest(text, 1, self._asked) if text.strip() else None

    def _image(self, message: Any, now: int) -> None:
        stamp = nanoseconds(message.header.stamp)
        if self._newest is not None and stamp < self._newest - self._max_image_age:
            self._jump()
        if self._newest is not None and stamp <= self._newest:
            return
        self._newest = stamp
        self._room.put(stamp, message)

    def _jump(self) -> None:
        """Time went back: nothing that came is of this time."""
        self._sensors.forget()
        self._room.clear()
        self._newest = self._pending = self._last = None
        self._era += 1

    def _look(self, now: int) -> Iterator[Decided]:
        for stamp, frame in self._room.due(now, self._sensors.ready):
            self._pending = stamp, frame
        if self._pending is None or (self._last is not None and now - self._last < self._period):
            return
        (stamp, frame), self._pending, self._last = self._pending, None, now
        decided = self._decider.on_image(
            frame, lambda image: self._sensors.observation(image, stamp, now), self._request,
            self._era,
        )  # fmt: skip
        if decided is not None:
            yield decided
