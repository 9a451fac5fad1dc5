"""A bag replayed over topics: what running nodes decide on it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import rclpy.qos

from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.live.session import NoAnswerError, Session, Watch, ignore
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.collected import Collected, DecisionCollector
from vlam_ros.lab.replay.player import BagPlayer
from vlam_ros.lab.replay.roles import DECISIONS, IMAGES, ROLES, Assignment
from vlam_ros.lab.replay.script import Cue
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.topics import message_class
from vlam_ros.types import ActionSpace

ALL = rclpy.qos.QoSProfile(depth=200)
"""Reliable: every decision counts."""
PATIENCE = 10.0
"""Seconds that a decision may take at most; it is not waited for longer."""
GRACE = 0.3
"""Seconds that all that is told of a decision may come after its chunk; of an image that cannot be
used nothing does.
"""
_SPIN = 0.01  # s


class LiveReplay(Session):
    """Plays a bag to the vlam_node in this process's ROS domain. Use as a context manager.

    `decisions` are those that came so far; the seconds of each are those from when its image was
    published to when its chunk came, on the wall.
    """

    def __init__(
        self,
        bag: BagReader,
        roles: Assignment,
        notes: Notes,
        script: tuple[Cue, ...] = (),
        plays_fused: bool = False,
        slack: float = 0.5,
    ) -> None:
        """Advertise and subscribe; see `BagPlayer`. When `slack` s of the bag have gone by, an
        image need not wait for anything any more.
        """
        super().__init__("vlam_replay")
        self.player = BagPlayer(self._node, bag, roles, notes, script, plays_fused)
        self._notes, self._slack = notes, round(slack * 1e9)
        self._collector = DecisionCollector()
        self._heard = False
        self._sent: dict[int, float] = {}
        self._pending: deque[int] = deque()
        self._newest = -1
        self._answered = -1, 0.0
        self.decisions: list[Collected] = []
        for role in DECISIONS:
            kind = message_class(ROLES[role])
            self._node.create_subscription(kind, role, partial(self._on_message, role), ALL)

    @property
    def space(self) -> ActionSpace | None:
        """The action space of the decisions; None before the first."""
        return self._collector.space

    def wait_until_heard(
        self, seconds: float, watch: Watch = ignore, also: Callable[[], str] = lambda: ""
    ) -> None:
        """Wait until the nodes listen to all that is played, and vlam_node is active. `also` says
        what else is waited for.

        Raises:
            NoAnswerError: it is not so in time.
        """
        end = time.monotonic() + seconds
        while missing := self._missing() or also():
            watch(missing)
            if time.monotonic() > end:
                raise NoAnswerError(f"gave up waiting for {missing} after {seconds:g} s")
            self._spin(_SPIN)

    def play(
        self,
        rate: float | None,
        watch: Watch = ignore,
        progress: Callable[[int], None] = lambda received: None,
        period: float = 0.0,
    ) -> None:
        """Play the bag once, from its start.

        Args:
            rate: times as fast as recorded; None: each image when the one before is decided on.
            watch: called all the while; may raise to give up.
            progress: hears when the message that is played was received, ns.
            period: seconds from one image to the next, at least, where there is no rate.
        """

        def spin(seconds: float) -> None:
            watch("decisions")
            self._spin(min(_SPIN, seconds))

        for step in self.player.play(rate, spin, self._slack, round(period * 1e9)):
            if rate is None or step.stop:
                self._catch_up(step.now, watch)
            if step.stop:
                self._forget()
            elif step.message is not None:
                progress(step.message.received)
                if step.message.role in IMAGES:
                    self._expect(nanoseconds(step.message.message.header.stamp))

    def _expect(self, stamp: int) -> None:
        """An image is published now; one that is not newer than another is not decided on."""
        if stamp > self._newest:
            self._newest = stamp
            self._sent[stamp] = time.monotonic()
            self._pending.append(stamp)

    def _catch_up(self, now: int, watch: Watch) -> None:
        """Wait for the decisions that must have been begun by this time of the bag."""
        begin = time.monotonic()
        while self._pending and now >= self._pending[0] + self._slack:
            answered, when = self._answered
            if self._pending[0] <= answered:
                gives_up = time.monotonic() > when + GRACE
            elif gives_up := time.monotonic() > begin + PATIENCE:
                self._notes.add(f"no decision on an image within {PATIENCE:g} s")
            if gives_up:
                self._pending.popleft()
                begin = time.monotonic()
            watch("decisions")
            self._spin(_SPIN)

    def _forget(self) -> None:
        """Time is about to jump back: no image and no decision is of the time to come."""
        end = time.monotonic() + GRACE
        while time.monotonic() < end:
            self._spin(_SPIN)
        self._sent.clear()
        self._pending.clear()
        self._newest, self._answered = -1, (-1, 0.0)

    def _missing(self) -> str:
        if not self._heard:
            return "vlam_node to be active"
        return self.player.unheard()

    def _spin(self, seconds: float) -> None:
        self._executor.spin_once(timeout_sec=seconds)

    def _on_message(self, role: str, message: Any) -> None:
        self._heard = True
        stamp, now = nanoseconds(message.header.stamp), time.monotonic()
        waited = now - self._sent.get(stamp, now)
        self.decisions += self._collector.add(role, message, stamp + round(waited * 1e9))
        if role == "action_chunk" and stamp in self._sent:
            self._answered = max(self._answered, (stamp, now))
        elif role == "decision_inputs":
            # older ones were passed over
            while self._pending and self._pending[0] <= stamp:
                self._pending.popleft()
            self._sent = {s: at for s, at in self._sent.items() if s >= stamp}
