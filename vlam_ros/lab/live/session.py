"""A ROS node for programs that are none: with a context of its own, spun when they wait."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from vlam_ros.errors import VlamError

Watch = Callable[[str], None]
"""Called all the while with what is being waited for; may raise to give up."""


def ignore(waiting_for: str) -> None:
    """Watches nothing."""


LATENCY = 0.05
"""Seconds that a spin may keep Ctrl-C and a Watch waiting."""

Self = TypeVar("Self", bound="Session")


class NoAnswerError(VlamError):
    """A node did not do in time what it was waited for; the message says what."""


class Session:
    """Takes part in this process's ROS domain until it is closed. Use as a context manager."""

    def __init__(self, name: str, namespace: str = "") -> None:
        """Enter the domain as a node of this name."""
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = Node(name, context=self._context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the ROS domain."""
        self._node.destroy_node()
        self._executor.shutdown()
        rclpy.shutdown(context=self._context)

    def now(self) -> int:
        """The time of the node's clock, ns."""
        return int(self._node.get_clock().now().nanoseconds)

    def wait(
        self,
        lacking: Callable[[], str],
        seconds: float,
        watch: Watch = ignore,
        spin: Callable[[], object] | None = None,
    ) -> None:
        """Let ROS work, or call `spin` for it, until nothing is lacking.

        Raises:
            NoAnswerError: saying what still is after so many seconds.
        """
        end = time.monotonic() + seconds
        while what := lacking():
            if time.monotonic() >= end:
                raise NoAnswerError(f"waited {seconds:g} s in vain for {what}")
            watch(what)
            if spin is None:
                self._executor.spin_once(timeout_sec=LATENCY)
            else:
                spin()


Item = TypeVar("Item")

TICKS_KEPT = 3000
"""Times of /clock that are kept for messages that are looked at late: half a minute or so."""


class ClockTimes(Generic[Item]):
    """Holds items until /clock has gone on, and gives them back with its time, in the order in
    which they came. `jumped` tells that it went back: what comes from then on is held for ever.
    """

    def __init__(self) -> None:
        self._ticks: deque[tuple[int, int]] = deque(maxlen=TICKS_KEPT)
        self._waiting: list[tuple[int, Item]] = []  # each with its time on the wall
        self.jumped = False

    @property
    def started(self) -> bool:
        """Whether /clock has said anything."""
        return bool(self._ticks)

    def held(self) -> list[tuple[int, Item]]:
        """What waits, each with its time on the wall, as where there is no /clock."""
        return sorted(self._waiting, key=lambda w: w[0])

    def put(self, wall: int, item: Item) -> None:
        """Hold an item that came at a time on the wall (ns)."""
        self._waiting.append((wall, item))

    def tick(self, now: int, wall: int) -> list[tuple[int, Item]]:
        """/clock said `now` at a time on the wall (both ns); what came before, with its time."""
        if self.jumped:
            return []
        before = [waiting for waiting in self._waiting if waiting[0] < wall]
        self._waiting = [waiting for waiting in self._waiting if waiting[0] >= wall]
        if self._ticks and now < self._ticks[-1][1]:
            self.jumped = True
        else:
            self._ticks.append((wall, now))
        return self._timed(before)

    def rest(self) -> list[tuple[int, Item]]:
        """All that is held, as if /clock went on now; nothing if it never said anything or jumped
        back.
        """
        if self.jumped or not self._ticks:
            return []
        rest, self._waiting = self._waiting, []
        return self._timed(rest)

    def _timed(self, waiting: list[tuple[int, Item]]) -> list[tuple[int, Item]]:
        """Before the first time of all, that is the time."""
        found = []
        for wall, item in sorted(waiting, key=lambda w: w[0]):
            index = bisect_right(self._ticks, wall, key=lambda tick: tick[0])
            found.append((self._ticks[max(0, index - 1)][1], item))
        return found
