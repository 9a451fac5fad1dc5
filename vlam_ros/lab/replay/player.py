"""Plays what a bag holds of a robot's sensors to nodes, under their topics' names, with /clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from vlam_ros.errors import BagError
from vlam_ros.interface import FUSION, ROBOT, TABLE, TF, VLAM, subscribed_by
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.roles import FUSED, IMAGES, RAW, ROLES, Assignment
from vlam_ros.lab.replay.timed import Cue, Timed, timed_messages
from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.ros.topics import message_class, profile

SENSORS = tuple(t.role for t in TABLE if t.publisher == ROBOT and t.role in ROLES)
"""The roles that a robot's drivers and users play."""
LISTENERS = {
    node: tuple(t.role for t in subscribed_by(node) if t.role in ROLES and t.type != TF)
    for node in (VLAM, FUSION)
}
"""The roles that each node listens to; to transforms only where tf2 is installed."""
GAP, SHORTENED = 5_000_000_000, 1_000_000_000
"""ns: of a longer gap only so much passes, then /clock jumps to its end."""
TICK = 10_000_000
"""ns from one time of /clock to the next, of a bag that is played as fast as it was recorded."""
FASTEST = 5.0
"""Times as fast as recorded: nodes keep only the newest sweep, and must have looked at it."""
LATE = 0.05
"""Seconds that may be made up for; after a longer delay all comes later."""
QUEUE = 200
"""Messages of a topic that may be on their way."""

Spin = Callable[[float], None]
"""Lets ROS work for so many seconds at most."""


@dataclass(frozen=True)
class Step:
    """The time of the bag is `now` (ns); `message` is what is published next, if anything. At a
    `stop` time is about to jump back or to end.
    """

    now: int
    message: Timed | None = None
    stop: bool = False


class Pace:
    """When a time of a bag, played `rate` times as fast as recorded, is due on the steady clock."""

    def __init__(self, rate: float, steady: Callable[[], float] = time.monotonic) -> None:
        self.rate, self._steady = rate, steady
        self._origin = 0, 0.0

    def start(self, now: int) -> None:
        """This time of the bag (ns) is now."""
        self._origin = now, self._steady()

    def ahead(self, now: int) -> float:
        """Seconds until a time of the bag is due, not above zero if it is."""
        begin, at = self._origin
        ahead = at + (now - begin) / 1e9 / self.rate - self._steady()
        if ahead < -LATE:
            self.start(now)
        return ahead


class BagPlayer:
    """Publishes through a node of its owner's.

    `topics` are the full names that it publishes.
    """

    def __init__(
        self,
        node: Node,
        bag: BagReader,
        roles: Assignment,
        notes: Notes,
        script: tuple[Cue, ...] = (),
        plays_fused: bool = False,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Advertise the topics of an open bag; `notes` take what cannot be played.

        A `script` takes the place of the bag's instructions. `plays_fused`: what fusion_node made
        is played in place of the LiDAR and IMU that it made it of. `steady` is the clock (s).
        """
        self._node, self._bag, self._notes, self._script = node, bag, notes, script
        self._steady = steady
        wanted: Collection[str] = SENSORS
        if plays_fused:
            wanted = (*(role for role in SENSORS if role not in RAW), *FUSED)
        self._roles = Assignment({r: t for r, t in roles.topics.items() if r in wanted})
        self._nodes = [VLAM] if plays_fused else list(LISTENERS)
        self._clock = node.create_publisher(Clock, "/clock", QoSProfile(depth=10))
        self._told = 0
        self._publishers: dict[str, Publisher] = {}
        for role in {**self._roles.topics, **({"instruction": ""} if script else {})}:
            self._advertise(role)
        self.topics = frozenset(p.topic_name for p in self._publishers.values())

    def unheard(self) -> str:
        """A topic that a node does not listen to yet, and the node; empty if there is none."""
        for name in self._nodes:
            for role, publisher in ({"/clock": self._clock} | self._publishers).items():
                if role in ("/clock", *LISTENERS[name]):
                    topic = publisher.topic_name
                    there = self._node.get_subscriptions_info_by_topic(topic)
                    heard = publisher.get_subscription_count() >= len(there)
                    if not heard or name not in [end.node_name for end in there]:
                        return f"{name} to listen to {topic}"
        return ""

    def play(
        self, rate: float | None, spin: Spin, run_out: int = 0, period: int = 0
    ) -> Iterator[Step]:
        """Publish /clock and all messages of the bag once; each step is yielded before its message
        is published, and whoever gets one may let time pass before going on.

        It is played `rate` times as fast as recorded; None: FASTEST, without images that are nearer
        to the last one than `period` (ns). `spin` is called while there is nothing to do. After the
        last message, and before it jumps back, time goes on for `run_out` ns.
        """
        pace = Pace(FASTEST if rate is None else rate, self._steady)
        cues, first = deque(self._script), None
        now: int | None = None
        shown: int | None = None
        for timed in timed_messages(self._bag, self._roles, self._notes):
            first = timed.received if first is None else first
            if now is not None and not timed.jumped:
                yield from self._pass(now, timed.now, pace, spin)
            else:
                if now is not None:
                    yield from self._pass(now, now + run_out, pace, spin)
                    yield Step(now + run_out, stop=True)
                pace.start(timed.now)
                self.tick(timed.now)
                shown = None
            now = timed.now
            while cues and timed.received - first >= cues[0].seconds * 1e9:
                self._publishers["instruction"].publish(String(data=cues.popleft().text))
            if timed.role in IMAGES:
                stamp = nanoseconds(timed.message.header.stamp)
                if rate is None and shown is not None and 0 <= stamp - shown < period:
                    continue
                shown = stamp
                if now != self._told:
                    self.tick(now)
            yield Step(now, timed)
            if self._plays(timed.role):
                self._publishers[timed.role].publish(timed.data)
        if now is not None:
            yield from self._pass(now, now + run_out, pace, spin)
            yield Step(now + run_out, stop=True)

    def tick(self, now: int) -> None:
        """Let the clock say a time (ns)."""
        self._clock.publish(Clock(clock=time_message(now)))
        self._told = now

    def _pass(self, now: int, until: int, pace: Pace, spin: Spin) -> Iterator[Step]:
        """Let time pass from one time to another, or jump forward where that is too long."""
        end = until if until - now <= GAP else now + SHORTENED
        step = round(TICK * max(1.0, pace.rate))
        while self._told + step <= end:
            tick = self._told + step
            _wait(tick, pace, spin)
            self.tick(tick)
            yield Step(tick)
        _wait(end, pace, spin)
        if end < until:
            pace.start(until)
            self.tick(until)
            yield Step(until)

    def _plays(self, role: str) -> bool:
        return role in self._publishers and not (self._script and role == "instruction")

    def _advertise(self, role: str) -> None:
        topic = next(t for t in TABLE if t.role == role)
        durability = profile(topic.name).durability
        qos = QoSProfile(depth=QUEUE, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
        try:
            kind = message_class(topic.type)
        except BagError as error:
            self._notes.add(f"{role} is not played: {error}")
            return
        self._publishers[role] = self._node.create_publisher(kind, topic.name, qos)


def _wait(until: int, pace: Pace, spin: Spin) -> None:
    """Let ROS work until a time of the bag is due, and at least once."""
    spin(max(0.0, pace.ahead(until)))
    while (ahead := pace.ahead(until)) > 0:
        spin(ahead)
