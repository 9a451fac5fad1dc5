"""Records topics as a bag: what was published, byte by byte, with the QoS it was offered with."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rosgraph_msgs.msg import Clock

from vlam_ros.bags import BagWriter, RecordedQos
from vlam_ros.errors import BagError
from vlam_ros.messages.stamps import nanoseconds
from vlam_ros.ros import qos
from vlam_ros.ros.message_types import message_class
from vlam_ros.ros.session import Session
from vlam_ros.ros.topics import INPUTS, OUTPUTS

NODES_OWN = (
    "depth",
    "attitude",
    "floor",
    "obstacles",
    "action_chunk",
    "scene",
    "decision_inputs",
    "replan",
)
"""What the nodes tell each other."""
OF_ALL = ("/tf", "/tf_static")
"""Topics that no namespace changes."""
LOOK = 0.2
"""Seconds from one look for new topics to the next."""
FOREVER = 2**62
"""ns; what the middleware calls infinite is longer."""
DEPTH = 1000
"""Messages of a topic that may wait to be written."""


def topics_of(namespace: str) -> tuple[str, ...]:
    """All that a replay of a robot in a namespace can use, and what its drivers were told."""
    prefix = f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
    return tuple(f"{prefix}{name}" for name in (*INPUTS, *OUTPUTS, *NODES_OWN)) + OF_ALL


class Recorder(Session):
    """Writes topics to a bag, each from when its publishers are there. Use as a context manager.

    `counts` are the messages so far and `kinds` the types, by topic; `left_out` says why a topic is
    not recorded.
    """

    def __init__(
        self, writer: BagWriter, topics: Collection[str], use_sim_time: bool = False
    ) -> None:
        """Record topics with these full names into an open bag.

        With `use_sim_time` a message is received at the time of /clock; what comes before that
        waits for it.
        """
        super().__init__("vlam_recorder")
        self._writer = writer
        self._wanted = frozenset(topics)
        self._early: deque[tuple[str, bytes]] = deque()
        self._clock: int | None = None
        self.kinds: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.left_out: dict[str, str] = {}
        if use_sim_time:
            self._node.create_subscription(Clock, "/clock", self._on_clock, qos.CLOCK)
        else:
            self._clock = 0
        self._simulated = use_sim_time

    def record(self, goes_on: Callable[[], bool]) -> None:
        """Record as long as `goes_on` says so, which is asked several times a second.

        Raises:
            BagError: the bag cannot be written any more.
        """
        look = 0.0
        while goes_on():
            if time.monotonic() >= look:
                self._look()
                look = time.monotonic() + LOOK
            self._executor.spin_once(timeout_sec=LOOK / 4)

    def _look(self) -> None:
        """Subscribe to what has publishers now."""
        for name, kinds in self._node.get_topic_names_and_types():
            if name in self._wanted and name not in self.kinds and name not in self.left_out:
                offers = self._node.get_publishers_info_by_topic(name)
                if offers:
                    self._subscribe(name, kinds, offers)

    def _subscribe(self, name: str, kinds: Sequence[str], offers: list[TopicEndpointInfo]) -> None:
        try:
            if len(kinds) > 1:
                raise BagError(f"{name} has several types: {', '.join(kinds)}")
            offered = recorded_qos(offers)
            message = message_class(kinds[0])
            self._writer.add(name, kinds[0], offered)
        except BagError as error:
            self.left_out[name] = str(error)
            return
        profile = QoSProfile(
            depth=DEPTH,
            reliability=ReliabilityPolicy.RELIABLE
            if offered.reliable
            else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL
            if offered.transient_local
            else DurabilityPolicy.VOLATILE,
        )
        self.kinds[name] = kinds[0]
        self._node.create_subscription(
            message, name, partial(self._on_message, name), profile, raw=True
        )

    def _on_clock(self, message: Clock) -> None:
        self._clock = nanoseconds(message.clock)
        while self._early:
            self._write(*self._early.popleft(), self._clock)

    def _on_message(self, topic: str, data: bytes) -> None:
        if self._clock is None:
            self._early.append((topic, data))
        else:
            now = self._clock if self._simulated else time.time_ns()
            self._write(topic, data, now)

    def _write(self, topic: str, data: bytes, now: int) -> None:
        self._writer.write(topic, now, data)
        self.counts[topic] += 1


def recorded_qos(offers: Sequence[TopicEndpointInfo]) -> RecordedQos:
    """What all publishers of a topic offer, at least."""
    profiles = [offer.qos_profile for offer in offers]
    return RecordedQos(
        reliable=all(p.reliability == ReliabilityPolicy.RELIABLE for p in profiles),
        transient_local=all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in profiles),
        depth=max((p.depth for p in profiles), default=0) or 10,
        deadline=_shortest(p.deadline for p in profiles),
        lease=_shortest(p.liveliness_lease_duration for p in profiles),
    )


def _shortest(durations: Iterable[Duration]) -> int | None:
    """In ns; None if all are infinite."""
    finite = [d.nanoseconds for d in durations if 0 < d.nanoseconds < FOREVER]
    return min(finite, default=None)


@contextmanager
def recording(
    path: Path, topics: Collection[str], use_sim_time: bool = False
) -> Iterator[Recorder]:
    """Record on a thread as long as the context lasts; the bag is whole then, and after an
    exception not there.

    Raises:
        BagError: the bag cannot be written, which is told at the end of the context.
    """
    ended = threading.Event()
    with BagWriter(path) as writer, Recorder(writer, topics, use_sim_time) as recorder:
        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(recorder.record, lambda: not ended.is_set())
            try:
                yield recorder
            finally:
                ended.set()
        done.result()
