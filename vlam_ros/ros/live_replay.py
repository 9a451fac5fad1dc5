"""A bag replayed over topics: what running nodes decide on it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import rclpy.qos

import vlam_ros.msg
from vlam_ros.bags import BagReader
from vlam_ros.messages.decision_inputs import inputs_from_message
from vlam_ros.messages.stamps import nanoseconds
from vlam_ros.replay.collected import Collected, DecisionCollector
from vlam_ros.replay.notes import Notes
from vlam_ros.replay.roles import PICTURES, Assignment
from vlam_ros.replay.script import Cue
from vlam_ros.ros.bag_player import BagPlayer
from vlam_ros.ros.client import NoAnswerError
from vlam_ros.ros.session import Session, Watch, ignore

ALL = rclpy.qos.QoSProfile(depth=200)
"""Reliable: every decision counts."""
PATIENCE = 20.0
"""Seconds that a decision may take at most; it is not waited for longer."""
_SPIN = 0.01  # s


class LiveReplay(Session):
    """Plays a bag to the vlam_node in this process's ROS domain. Use as a context manager.

    `decisions` are those that came so far; the seconds of each are those from when its picture was
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
        """Advertise and subscribe; see `BagPlayer`. A picture is decided on when `slack` s of the
        bag have gone by, if ever.
        """
        super().__init__("vlam_replay")
        self.player = BagPlayer(self._node, bag, roles, notes, script, plays_fused)
        self._notes, self._slack = notes, round(slack * 1e9)
        self._collector = DecisionCollector()
        self._sent: dict[int, float] = {}
        self._pending: deque[int] = deque()
        self._decided = 0
        self._heard = False
        self.decisions: list[Collected] = []
        for role, kind in (
            ("action_chunk", vlam_ros.msg.ActionChunk),
            ("scene", vlam_ros.msg.Scene),
            ("decision_inputs", vlam_ros.msg.DecisionInputs),
        ):
            self._node.create_subscription(kind, role, partial(self._on_message, role), ALL)

    @property
    def space(self) -> Any:
        """The action space of the decisions; None before the first."""
        return self._collector.space

    def wait_until_heard(
        self, seconds: float, watch: Watch = ignore, also: Callable[[], str] = lambda: ""
    ) -> None:
        """Wait until all that is played is listened to and vlam_node decides. `also` says what else
        is waited for.

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
        progress: Callable[[int], None] = lambda now: None,
    ) -> None:
        """Play the bag once, from its start.

        Args:
            rate: times as fast as recorded; None: each picture when the one before is decided on.
            watch: called all the while; may raise to give up.
            progress: hears the time of the bag, ns.
        """
        now = 0
        for timed in self.player.play(rate, lambda seconds: self._spin(min(_SPIN, seconds))):
            now = timed.now
            watch("decisions")
            progress(timed.received)
            if timed.jumped:
                self._pending.clear()
                self._decided = 0
            if rate is None:
                self._catch_up(now, watch)
            if timed.role in PICTURES:
                stamp = nanoseconds(timed.message.header.stamp)
                self._sent[stamp] = time.monotonic()
                self._pending.append(stamp)
        self.player.tick(now + self._slack)
        self._catch_up(now + self._slack + 1, watch)

    def _catch_up(self, now: int, watch: Watch) -> None:
        """Wait for the decisions that must have been made by this time of the bag."""
        end = time.monotonic() + PATIENCE
        self._spin(0.0)
        while self._pending and now > self._pending[0] + self._slack:
            if self._pending[0] <= self._decided:
                self._pending.popleft()
            elif time.monotonic() > end:
                self._notes.add(f"no decision on a picture within {PATIENCE:g} s", "no decision")
                self._pending.popleft()
            else:
                watch("decisions")
                self._spin(_SPIN)

    def _missing(self) -> str:
        if unheard := self.player.unheard():
            return f"somebody to listen to {', '.join(unheard)}"
        return "" if self._heard else "vlam_node to say something"

    def _spin(self, seconds: float) -> None:
        self._executor.spin_once(timeout_sec=seconds)

    def _on_message(self, role: str, message: Any) -> None:
        self._heard = True
        stamp = nanoseconds(message.header.stamp)
        waited = time.monotonic() - self._sent.get(stamp, time.monotonic())
        self.decisions += self._collector.add(role, message, stamp + round(waited * 1e9))
        if role == "decision_inputs":
            self._decided = inputs_from_message(message).stamp
            self._sent = {s: at for s, at in self._sent.items() if s > stamp}
