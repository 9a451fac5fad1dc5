"""A client of a whole simulated robot: it says what to do, and tells what happens then.

It listens to what everybody may hear (images, decisions) and to what only simulator_node knows
(the truth, the overview). It publishes instructions and nothing else.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String

import vlam_ros.msg
from vlam_ros.lab.live.session import LATENCY, NoAnswerError, Session, Watch, ignore
from vlam_ros.ros.decisions import chunk_from_message, plan_from_message, scene_from_message
from vlam_ros.ros.images import image_from_message
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.topics import advertise, subscribe
from vlam_ros.types import Decision, Plan, Scene, Uint8Array

SILENCE = 30.0
"""Seconds without anything from the robot after which nothing more is waited for."""

_CONTROL = "controller_node: control"  # the name of its diagnostics
_TICKS = 3000  # of /clock that are kept: half a minute
_KEPT = 16  # images that are kept until their decision comes; each is a megabyte


@dataclass(frozen=True)
class DecisionEvent:
    """A decision came, on the image uint8[H,W,3] RGB, None if that was not heard or wanted.

    `now` is the robot's clock then, ns. The latencies are seconds from the image's stamp until
    then, on that clock and on the wall; None where there was no image, or it is older than the
    instruction. The scene's objects have NO_MASK.
    """

    now: int
    decision: Decision
    image: Uint8Array | None
    latency: float | None
    wall_latency: float | None


@dataclass(frozen=True)
class CommandEvent:
    """The truth at `now` ns of the robot's clock, as the JSON that simulator_node publishes."""

    now: int
    truth: str


@dataclass(frozen=True)
class Overview:
    """What it looks like from aside at `now` ns of the robot's clock: uint8[H,W,3] RGB."""

    now: int
    image: Uint8Array


MissionEvent = DecisionEvent | CommandEvent | Overview
Callback = Callable[[Any], object]


class ClockLog:
    """When on the wall each time of a simulated clock was."""

    def __init__(self) -> None:
        self._ticks: deque[tuple[int, float]] = deque(maxlen=_TICKS)

    def tick(self, now: int, wall: float) -> None:
        """The clock shows `now` (ns) at `wall` (s); going back, it starts anew."""
        if self._ticks and now < self._ticks[-1][0]:
            self._ticks.clear()
        self._ticks.append((now, wall))

    @property
    def now(self) -> int:
        """What the clock shows, ns; 0 before its first tick."""
        return self._ticks[-1][0] if self._ticks else 0

    def wall(self, stamp: int) -> float | None:
        """When the clock showed a stamp or, that tick lost, the next one; None if never."""
        index = bisect_left(self._ticks, (stamp, 0.0))
        return self._ticks[index][1] if index < len(self._ticks) else None

    def rate(self) -> float:
        """Simulated seconds a second on the wall, over the ticks kept; NaN for fewer than two."""
        if len(self._ticks) < 2 or self._ticks[-1][1] <= self._ticks[0][1]:
            return float("nan")
        (first, begin), (last, end) = self._ticks[0], self._ticks[-1]
        return (last - first) / 1e9 / (end - begin)


class MissionClient(Session):
    """Talks to the simulated robot in this process's ROS domain. Use as a context manager."""

    def __init__(self, images: bool = False, overview: bool = False) -> None:
        """Advertise and subscribe; decisions come with their `images`, and the simulator draws the
        `overview`, where that is wanted.
        """
        super().__init__("mission")
        self._instructions = advertise(self._node.create_publisher, "instruction")
        self._text, self._after, self._said = "", (0, 0), 0
        self._happened: deque[MissionEvent] = deque()
        self._chunks: dict[int, tuple[Any, int, float]] = {}
        self._scenes: dict[int, Any] = {}
        self._images: dict[int, Image] = {}
        self._flowing: set[str] = set()
        self._diagnostics: dict[str, DiagnosticStatus] = {}
        self._last_order = (0, 0)
        self.clock = ClockLog()
        wanted: dict[str, Callback] = {"image": self._on_image} if images else {}
        if overview:
            wanted["simulator_node/overview"] = self._on_overview
        callbacks: dict[str, Callback] = {
            "/clock": self._on_clock,
            "action_chunk": self._on_chunk,
            "scene": self._on_scene,
            "simulator_node/truth": self._on_truth,
            "/diagnostics": self._on_diagnostics,
            # Of these it matters only that they come: then their nodes are active.
            "floor": lambda message: None,
            "cmd_vel": lambda message: None,
            **wanted,
        }
        for topic, callback in callbacks.items():
            listener = partial(self._on_message, topic, callback)
            subscribe(self._node.create_subscription, topic, listener)
        self._needed = ["/clock", "simulator_node/truth", "action_chunk", "floor", "cmd_vel"]
        self._needed += [_CONTROL, *wanted]

    # --------------------------------------------------------------------------- what to do

    def wait_until_ready(self, seconds: float, watch: Watch = ignore) -> None:
        """Wait until all nodes are active: everything that they publish has come anew.

        NoAnswerError if something does not come in time.
        """
        self._flowing.clear()
        self.wait(self._lacking, seconds, watch)
        self._happened.clear()

    def say(self, instruction: str) -> None:
        """Say what to do; what is decided about an earlier instruction is not told any more."""
        self._text, self._after, self._said = instruction, self._last_order, self.clock.now
        self._chunks.clear()
        self._scenes.clear()
        self._happened = deque(h for h in self._happened if not isinstance(h, DecisionEvent))
        self._instructions.publish(String(data=instruction))

    def events(self, watch: Watch = ignore, silence: float = SILENCE) -> Iterator[MissionEvent]:
        """What happens, in the order in which it is heard of, until the caller stops.

        NoAnswerError after so many seconds of silence.
        """
        heard = time.monotonic()
        while True:
            watch("what happens next")
            self._executor.spin_once(timeout_sec=LATENCY)
            if self._happened:
                heard = time.monotonic()
            elif time.monotonic() - heard > silence:
                raise NoAnswerError(f"nothing was heard of the robot for {silence:g} s")
            while self._happened:
                yield self._happened.popleft()

    def stops(self) -> Mapping[str, int]:
        """How often the controller has let the robot stand since it started, by reason; as of its
        last diagnostics, which come once a second.
        """
        return {
            pair.key.removeprefix("stops "): int(pair.value)
            for pair in self._diagnostics[_CONTROL].values
            if pair.key.startswith("stops ")
        }

    def _lacking(self) -> str:
        """What has not come yet; empty if that is nothing."""
        for topic in self._needed:
            if topic not in self._flowing:
                return f"{topic}{self._error()}"
        if self._instructions.get_subscription_count() == 0:
            return "vlam_node to listen to instruction"
        return ""

    def _error(self) -> str:
        """What a node says that cannot become active."""
        for name, status in self._diagnostics.items():
            errors = [pair.value for pair in status.values if pair.key == "last error"]
            if errors and "not active" in status.message:
                return f"; {name.split(':')[0]} is not active: {errors[0]}"
        return ""

    # --------------------------------------------------------------------------- what is heard

    def _on_message(self, topic: str, callback: Callback, message: Any) -> None:
        self._flowing.add(topic)
        callback(message)

    def _on_clock(self, message: Clock) -> None:
        self.clock.tick(nanoseconds(message.clock), time.monotonic())

    def _on_chunk(self, message: vlam_ros.msg.ActionChunk) -> None:
        order = (message.epoch, message.sequence)
        self._last_order = max(self._last_order, order)
        if message.instruction != self._text or order <= self._after:
            return
        # One that was not decided on an image has no scene.
        for stamp in list(self._chunks):
            self._tell(stamp, None)
        stamp = nanoseconds(message.header.stamp)
        self._chunks[stamp] = message, self.clock.now, time.monotonic()
        self._pair(stamp)

    def _on_scene(self, message: vlam_ros.msg.Scene) -> None:
        stamp = nanoseconds(message.header.stamp)
        self._scenes[stamp] = message
        self._pair(stamp)
        _forget_old(self._scenes)

    def _pair(self, stamp: int) -> None:
        if stamp in self._chunks and stamp in self._scenes:
            self._tell(stamp, self._scenes.pop(stamp))

    def _tell(self, stamp: int, scene: vlam_ros.msg.Scene | None) -> None:
        """Tell of the decision with this stamp."""
        message, now, wall = self._chunks.pop(stamp)
        chunk = chunk_from_message(message)
        found, plan = Scene(stamp), Plan(trace=chunk.trace)
        image = latency = wall_latency = None
        if scene is not None:
            found, plan = scene_from_message(scene), plan_from_message(scene, chunk)
            if stamp in self._images:
                image = image_from_message(self._images[stamp])
            taken = self.clock.wall(stamp)
            if taken is not None and stamp >= self._said:
                latency, wall_latency = (now - stamp) / 1e9, wall - taken
        decision = Decision(found, plan, chunk.verdict, chunk)
        self._happened.append(DecisionEvent(now, decision, image, latency, wall_latency))

    def _on_image(self, message: Image) -> None:
        self._images[nanoseconds(message.header.stamp)] = message
        _forget_old(self._images)

    def _on_truth(self, message: String) -> None:
        self._happened.append(CommandEvent(self.clock.now, message.data))

    def _on_overview(self, message: Image) -> None:
        stamp = nanoseconds(message.header.stamp)
        self._happened.append(Overview(stamp, image_from_message(message)))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._diagnostics.update({status.name: status for status in message.status})
        self._flowing.update(status.name for status in message.status)


def _forget_old(kept: dict[int, Any]) -> None:
    while len(kept) > _KEPT:
        del kept[next(iter(kept))]
