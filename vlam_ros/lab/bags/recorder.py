"""Records topics as a bag: what was published, byte by byte, with the QoS it was offered with.

Messages are fetched together, many times a second, and not one by one as an executor does, which
takes several times the processor's time. When each came is what the middleware says.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header

from vlam_ros.errors import BagError, VlamError
from vlam_ros.lab.bags import BagWriter, RecordedQos
from vlam_ros.lab.live.node_process import START_PATIENCE, Running, last_line, running
from vlam_ros.lab.live.session import ClockTimes, Session, Watch, ignore
from vlam_ros.lab.replay.timed import OTHER_CLOCK
from vlam_ros.ros.image_inputs import Numbers
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.topics import message_class

LOOK = 0.2
"""Seconds from one look for new topics to the next."""
FETCH = 0.02
"""Seconds from one fetching of messages to the next."""
ON_THEIR_WAY = 0.05
"""Seconds that messages may be on their way at the end."""
FOREVER = 2**62
"""ns; what the middleware calls infinite is longer."""
DEPTH = 1000
"""Messages of a topic that may wait to be written."""
NEEDED = ("/image", "/camera_info", "/instruction", "/action_chunk", "/scene", "/decision_inputs")
"""Without these a bag cannot be replayed as it was."""
CLOSE_PATIENCE = 60.0
"""Seconds to write the end of a bag."""
LOOKED_FOR_CLOCK = 2.0
"""Seconds after the first message in which somebody must come who publishes /clock."""
SETTLED = 5
"""The message of a topic whose stamp is looked at: the first may be old."""
EARLY_BYTES = 200_000_000
"""Of messages that wait for the first time of /clock."""
_CLOCK = "/clock, for the time"
"""In place of a topic's name: the topic itself may be recorded besides."""
_NO_CLOCK = "there is no /clock; without --use-sim-time the clock on the wall counts"

Wait = Callable[[Callable[[str], None]], None]
"""Waits until all that is needed is recorded; calls its argument all the while, see `Watch`."""
_Message: TypeAlias = tuple[str, Any]  # its topic, and its bytes or a Clock


def in_namespace(topics: Iterable[str], namespace: str = "") -> tuple[str, ...]:
    """The full names of topics."""
    prefix = f"/{namespace.strip('/')}/".replace("//", "/")
    return tuple(name if name.startswith("/") else f"{prefix}{name}" for name in topics)


class Recorder(Session):
    """Writes topics to a bag, each from when its publishers are there. Use as a context manager.

    `counts` are the messages so far and `kinds` the types, by topic. `lost` are those that were
    published by a topic's only publisher and did not come; `left_out` says why a topic is not
    recorded. `apart` has the topics whose stamps are not of the bag's clock.
    """

    def __init__(
        self,
        writer: BagWriter,
        topics: Collection[str],
        use_sim_time: bool | None = False,
        tell: Watch = ignore,
    ) -> None:
        """Record topics with these full names into an open bag.

        With `use_sim_time` a message is received at the time of /clock, and the bag ends where that
        jumps back; what comes before there is any waits for it. None: if there is any; where nobody
        publishes it, messages wait for `LOOKED_FOR_CLOCK`. `tell` hears of each topic that is
        recorded or left out.
        """
        super().__init__("vlam_recorder")
        self._writer = writer
        self._wanted = frozenset(topics)
        self._tell = tell
        self._subscriptions: dict[str, Subscription] = {}
        self._offered: dict[str, RecordedQos] = {}
        self._numbers: defaultdict[str, Numbers] = defaultdict(Numbers)
        self._early = 0
        self.kinds: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.left_out: dict[str, str] = {}
        self.apart: set[str] = set()
        self._undecided, self._first = use_sim_time is None, math.inf
        self._times: ClockTimes[_Message] | None = None
        if use_sim_time is not False:
            self._times = ClockTimes()
            profile = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscriptions[_CLOCK] = self._node.create_subscription(
                Clock, "/clock", ignore, profile
            )

    @property
    def jumped(self) -> bool:
        """Whether the bag is at its end because /clock jumped back."""
        return self._times is not None and self._times.jumped

    def hears(self, topic: str) -> bool:
        """Whether nothing of a topic is missed from now on."""
        subscription = self._subscriptions.get(topic)
        return subscription is not None and subscription.get_publisher_count() > 0

    def record(self, goes_on: Callable[[], bool]) -> None:
        """Record as long as `goes_on` says so, which is asked several times a second, and /clock
        does not jump back.

        Raises:
            BagError: the bag cannot be written any more, or there was no /clock.
        """
        look = 0.0
        while goes_on() and not self.jumped:
            if time.monotonic() >= look:
                self._look()
                look = time.monotonic() + LOOK
            time.sleep(FETCH)
            self._fetch()
        time.sleep(ON_THEIR_WAY)
        self._fetch()
        self._decide(at_end=True)
        if self._times is not None:
            if self._early and not self._times.started:
                raise BagError(f"nothing is recorded: {_NO_CLOCK}")
            self._write_all(self._times.rest())

    def _look(self) -> None:
        for name, kinds in self._node.get_topic_names_and_types():
            if name in self._wanted and name not in self.left_out:
                offers = self._node.get_publishers_info_by_topic(name)
                if offers and name not in self.kinds:
                    self._add(name, kinds, offers)
                elif offers:
                    self._subscribe(name, weaker(self._offered[name], recorded_qos(offers)))

    def _add(self, name: str, kinds: Sequence[str], offers: list[TopicEndpointInfo]) -> None:
        try:
            if len(kinds) > 1:
                raise BagError(f"it has several types, {', '.join(kinds)}")
            message_class(kinds[0])
            offered = recorded_qos(offers)
            self._writer.add(name, kinds[0], offered)
        except BagError as error:
            self.left_out[name] = f"{name} is left out: {error}"
            self._tell(self.left_out[name])
            return
        self.kinds[name] = kinds[0]
        self._subscribe(name, offered)
        self._tell(f"{name} ({kinds[0]})")

    def _subscribe(self, name: str, offered: RecordedQos) -> None:
        """Listen to all publishers: one that offers less than the others must be heard, too."""
        if self._offered.get(name) == offered:
            return
        if name in self._subscriptions:
            self._node.destroy_subscription(self._subscriptions[name])
        self._offered[name] = offered
        profile = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        if offered.reliable:
            profile.reliability = ReliabilityPolicy.RELIABLE
        if offered.transient_local:
            profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
        self._subscriptions[name] = self._node.create_subscription(
            message_class(self.kinds[name]), name, ignore, profile, raw=True
        )

    def _fetch(self) -> None:
        come: list[tuple[int, _Message]] = []
        for topic, subscription in self._subscriptions.items():
            with subscription.handle:
                take = partial(
                    subscription.handle.take_message, subscription.msg_type, subscription.raw
                )
                for data, info in iter(take, None):
                    publishers = subscription.get_publisher_count()
                    self.lost[topic] += self._numbers[topic].lost_before(info, publishers)
                    # a middleware that does not say: now
                    received = int(info.get("received_timestamp") or time.time_ns())
                    come.append((received, (topic, data)))
        come.sort(key=lambda c: c[0])
        if self._times is None:
            self._write_all(come)
            return
        for received, (topic, data) in come:
            if topic == _CLOCK:
                self._write_all(self._times.tick(nanoseconds(data.clock), received))
            else:
                self._times.put(received, (topic, data))
                self._early += 0 if self._times.started else len(data)
                self._first = min(self._first, time.monotonic())
        self._decide()
        if self._times and not self._times.started and self._early > EARLY_BYTES:
            raise BagError(f"{self._early / 1e6:.0f} MB came and wait: {_NO_CLOCK}")

    def _decide(self, at_end: bool = False) -> None:
        """Whose time counts, if nobody said so. A /clock that stands still may go on yet."""
        if not self._undecided or self._times is None:
            return
        if self._times.started:
            self._tell("messages have the time of /clock; --no-use-sim-time: that on the wall")
            self._undecided = False
            return
        alone = self._subscriptions[_CLOCK].get_publisher_count() == 0
        waited = time.monotonic() - self._first > LOOKED_FOR_CLOCK
        if at_end or (alone and waited) or self._early > EARLY_BYTES:
            held, self._times, self._undecided = self._times.held(), None, False
            self._node.destroy_subscription(self._subscriptions.pop(_CLOCK))
            self._write_all(held)

    def _write_all(self, messages: Iterable[tuple[int, _Message]]) -> None:
        for now, (topic, data) in messages:
            self._writer.write(topic, now, data)
            self.counts[topic] += 1
            if self.counts[topic] == SETTLED and self._is_stamped(topic):
                stamp = nanoseconds(deserialize_message(data, Header).stamp)
                self.apart |= {topic} if abs(now - stamp) > OTHER_CLOCK else set()

    def _is_stamped(self, topic: str) -> bool:
        """Whether the messages of a sensor begin with a stamp."""
        fields = message_class(self.kinds[topic]).get_fields_and_field_types()
        return next(iter(fields.items()), None) == ("header", "std_msgs/Header")


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


def weaker(before: RecordedQos, now: RecordedQos) -> RecordedQos:
    """What is asked of publishers that offered one thing before and another now: never more."""
    if (before.reliable <= now.reliable) and (before.transient_local <= now.transient_local):
        return before
    return RecordedQos(
        reliable=before.reliable and now.reliable,
        transient_local=before.transient_local and now.transient_local,
    )


def _shortest(durations: Iterable[Duration]) -> int | None:
    """In ns; None if all are infinite."""
    return min((d.nanoseconds for d in durations if 0 < d.nanoseconds < FOREVER), default=None)


@contextmanager
def recording(path: Path, topics: Collection[str]) -> Iterator[Recorder]:
    """Record on a thread as long as the context lasts; the bag is whole then, and after an
    exception not there.

    Raises:
        BagError: the bag cannot be written, which is told at the end of the context.
    """
    ended = threading.Event()
    with BagWriter(path) as writer, Recorder(writer, topics) as recorder:
        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(recorder.record, lambda: not ended.is_set())
            try:
                yield recorder
            finally:
                ended.set()
        done.result()


@contextmanager
def recorder_process(bag: Path | None, log: Path) -> Iterator[Wait]:
    """Record a bag as long as the context lasts, without one nothing; `log` is a file for what the
    recorder prints.

    Raises:
        VlamError: it cannot be recorded; the message says why.
    """
    if bag is None:
        yield lambda watch: None
        return
    command = [sys.executable, "-m", "vlam_ros.cli.main", "record", "--use-sim-time"]
    with running("the recorder", [*command, "--out", str(bag)], log, CLOSE_PATIENCE) as recorder:
        yield lambda watch: _wait(recorder, watch)
    if recorder.process.returncode != 0:
        raise VlamError(f"the bag was not recorded: {last_line(log)}")


def _wait(recorder: Running, watch: Callable[[str], None]) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while True:
        lines = recorder.log.read_text(encoding="utf-8", errors="replace").splitlines()
        told = {line.partition(" ")[0] for line in lines}
        missing = [topic for topic in NEEDED if topic not in told]
        if not missing:
            return
        if recorder.process.poll() is not None:
            raise VlamError(f"the bag was not recorded: {last_line(recorder.log)}")
        if time.monotonic() > deadline:
            raise VlamError(f"the recorder found no {missing[0]}; all of it is in {recorder.log}")
        watch(f"the recorder to find {missing[0]}")
        time.sleep(0.05)
