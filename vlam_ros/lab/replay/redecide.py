"""Decides on a bag as the nodes would if its robot stood here now.

An image waits for its LiDAR sweep as it does in the nodes; what is decided on is the newest that
need not wait any longer, every `period`. Computing takes no time, so that two runs are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.roles import IMAGES
from vlam_ros.lab.replay.script import Cue
from vlam_ros.lab.replay.sensing import BagSensors, decide
from vlam_ros.lab.replay.timed import Timed
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.runtime import DecisionMaker, DecisionResult, ImageSelector, Runtime


class Redecider:
    """Goes through the messages of one bag."""

    def __init__(
        self,
        sensors: BagSensors,
        maker: DecisionMaker,
        script: Sequence[Cue],
        wait: float,
        period: float,
        max_image_age: float,
        notes: Notes,
    ) -> None:
        """An image waits for its depth for `wait` s. Without a script the bag's own instructions
        count. An image older than the newest by more than `max_image_age` s is of another time.
        """
        self._sensors, self._notes = sensors, notes
        self._script = script
        self._cues = deque(script)
        images = ImageSelector(round(wait * 1e9), sensors.ready, round(period * 1e9))
        self._runtime = Runtime(maker, sensors.observe, images, max_image_age)
        self._start: int | None = None

    def run(self, messages: Iterable[Timed]) -> Iterator[DecisionResult]:
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
                self._image(timed.message)
            elif timed.role == "instruction":
                if not self._script:
                    self._runtime.instruct(timed.message.data)
            else:
                self._sensors.feed(timed.role, timed.message, timed.now)
            yield from self._look(now)
        yield from self._look(now, last=True)

    def _pass_time(self, until: int) -> Iterator[DecisionResult]:
        """What is due before the next message comes: that may be hours later."""
        while (moment := self._runtime.images.deadline) is not None and moment < until:
            yield from self._look(moment)

    def _say(self, received: int) -> None:
        """Give the cues whose time has come on the recorder's clock, which never jumps back."""
        if self._start is None:
            self._start = received
        while self._cues and received - self._start >= self._cues[0].seconds * 1e9:
            self._runtime.instruct(self._cues.popleft().text)

    def _image(self, message: Any) -> None:
        stamp = nanoseconds(message.header.stamp)
        if self._runtime.jumped_back(stamp):
            self._jump()
        self._runtime.images.put(stamp, message)

    def _jump(self) -> None:
        """Time went back: nothing that came is of this time."""
        self._sensors.forget()
        self._runtime.reset()

    def _look(self, now: int, last: bool = False) -> Iterator[DecisionResult]:
        if job := self._runtime.next(now, last):
            result = decide(self._runtime, job, now, self._notes)
            if result is not None:
                yield result
