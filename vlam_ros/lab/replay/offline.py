"""A bag replayed in this process: the same decisions every time.

Where the bag says what its own decisions were made on, they are made again exactly so: on the same
images, at the same time, with the same data of every sensor. Otherwise it is decided on as the
nodes would if its robot stood here now.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.roles import FUSED, IMAGES, RAW, ROLES, Assignment
from vlam_ros.lab.replay.sensing import BagSensors, decide, readable
from vlam_ros.lab.replay.timed import Cue, Timed, timed_messages
from vlam_ros.ros.decision_inputs import inputs_from_message
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.runtime import (
    DEPTH_MARGIN,
    DecisionJob,
    DecisionMaker,
    DecisionResult,
    ImageSelector,
    Runtime,
)
from vlam_ros.types import (
    DecisionInputs,
    GripperState,
    InstructionRequest,
    Missing,
    Observation,
    SensorInput,
)
from vlam_ros.types.decision_inputs import SENSORS

SPAN = 3_000_000_000
"""ns for which data is kept for the decision that was made on it."""
BYTES = 60_000_000
"""Bytes that are kept at most of one sensor's data."""


@dataclass(frozen=True)
class ReplayOptions:
    """How a bag is decided on.

    `mapping` names the topics of roles. `script` takes the place of the bag's instructions.
    `period` are the seconds from one decision to the next, 0 for every image. `redecide`
    decides anew on a bag that says what its own decisions were made on, and fuses its raw sensors
    again.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    script: tuple[Cue, ...] = ()
    period: float = 0.4
    redecide: bool = False


def follows_recording(roles: Assignment, options: ReplayOptions) -> bool:
    """Whether the decisions of the recorded run are made again, rather than others."""
    return "decision_inputs" in roles.topics and not (options.redecide or options.script)


def fuses_anew(roles: Assignment, options: ReplayOptions) -> bool:
    """Whether LiDAR and IMU are fused again, rather than what fusion_node made of them taken."""
    raw = any(role in roles.topics for role in RAW)
    return (raw and options.redecide) or not any(role in roles.topics for role in FUSED)


def replay_offline(
    bag: BagReader,
    roles: Assignment,
    maker: DecisionMaker,
    settings: tuple[Settings, FusionNodeSettings],
    options: ReplayOptions,
    notes: Notes,
    progress: Callable[[int], None] = lambda received: None,
) -> Iterator[DecisionResult]:
    """The decisions on an open bag, in order.

    `maker`, the pipeline, forgets everything first; the settings are those of vlam_node and
    fusion_node; `notes` take what is wrong with the bag; `progress` hears when each message was
    received, ns.
    """
    own, fusion = settings
    follows = follows_recording(roles, options)
    messages = timed_messages(bag, roles, notes, progress, restamps=not follows)
    if follows:
        sensors = BagSensors(own, fusion, fuses=False, notes=notes, checks_ages=False)
        could_fuse = fuses_anew(roles, replace(options, redecide=True))
        unfused = could_fuse and not any(role in roles.topics for role in FUSED)
        yield from RecordedDecisions(sensors, maker, notes, unfused).run(messages)
        return
    if not options.script and "instruction" not in roles.topics:
        texts = sorted(topic for topic, kind in bag.topics.items() if kind == ROLES["instruction"])
        which = f", or say which topic has it, as --map instruction:={texts[0]}" if texts else ""
        notes.add(f"the bag has no instruction: give one with --instruction{which}")
    fuses = fuses_anew(roles, options)
    sensors = BagSensors(own, fusion, fuses=fuses, notes=notes)
    wait = own.sensors.lidar_wait + (0.0 if fuses else DEPTH_MARGIN)
    age = own.policy.max_image_age
    source = Redecider(sensors, maker, options.script, wait, options.period, age, notes)
    yield from source.run(messages)


class Redecider:
    """Decides on the messages of one bag anew.

    An image waits for its LiDAR sweep as it does in the nodes; what is decided on is the newest
    that need not wait any longer, every `period`. Computing takes no time, so that two runs are the
    same.
    """

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
        self._script, self._cues = script, deque(script)
        images = ImageSelector(round(wait * 1e9), sensors.ready, round(period * 1e9))
        self._runtime = Runtime(maker, sensors.observe, images, max_image_age)
        self._start: int | None = None

    def run(self, messages: Iterable[Timed]) -> Iterator[DecisionResult]:
        now = 0
        for timed in messages:
            now = timed.now
            if timed.jumped:
                self._jump()
            else:
                yield from self._pass_time(now)
            self._say(timed.received)
            if timed.role in IMAGES:
                stamp = nanoseconds(timed.message.header.stamp)
                if self._runtime.jumped_back(stamp):
                    self._jump()
                self._sensors.saw_image(stamp)
                if not self._runtime.images.put(stamp, timed.message):
                    self._notes.add("an image is not newer than the last one and left out")
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

    def _jump(self) -> None:
        self._sensors.forget()
        self._runtime.reset()

    def _look(self, now: int, last: bool = False) -> Iterator[DecisionResult]:
        job = self._runtime.next(now, last)
        if job and (result := decide(self._runtime, job, now, self._notes)):
            yield result


class _Recent:
    def __init__(self) -> None:
        self._items: deque[tuple[int, Any, int]] = deque()
        self._bytes = 0

    def add(self, stamp: int, data: Any, size: int) -> None:
        if self._items and self._items[-1][1] is data:
            return
        self._items.append((stamp, data, size))
        self._bytes += size
        while len(self._items) > 1 and (
            self._bytes > BYTES or abs(stamp - self._items[0][0]) > SPAN
        ):
            self._bytes -= self._items.popleft()[2]

    def at(self, stamp: int) -> Any | None:
        return next((data for s, data, _ in reversed(self._items) if s == stamp), None)


class RecordedDecisions:
    """Makes the decisions that a bag holds again, as their `decision_inputs` say. `unfused` if it
    holds what LiDAR and IMU measured and nothing that fusion_node made of it.
    """

    def __init__(
        self, sensors: BagSensors, maker: DecisionMaker, notes: Notes, unfused: bool = False
    ) -> None:
        self._sensors = sensors
        self._unfused = unfused
        self._notes = notes
        self._runtime = Runtime(maker, self._observe)
        self._images = _Recent()
        self._last: tuple[int, Any] | None = None  # decided on once more if asked anew
        self._recent: defaultdict[str, _Recent] = defaultdict(_Recent)

    def run(self, messages: Iterable[Timed]) -> Iterator[DecisionResult]:
        for timed in messages:
            if timed.jumped:
                self._sensors.forget()
            if timed.role in IMAGES:
                message = timed.message
                self._images.add(nanoseconds(message.header.stamp), message, len(message.data))
            elif timed.role == "decision_inputs":
                yield from self._decide(inputs_from_message(timed.message))
            else:
                self._sensors.feed(timed.role, timed.message, timed.now)
                for name, data in self._sensors.newest().items():
                    size = data.depth.nbytes if name == "depth" else 0
                    self._recent[name].add(data.stamp, data, size)

    def _decide(self, inputs: DecisionInputs) -> Iterator[DecisionResult]:
        frame = self._images.at(inputs.stamp)
        if frame is None and self._last is not None and self._last[0] == inputs.stamp:
            frame = self._last[1]
        if frame is None:
            self._notes.add("a decision cannot be made again: its image is not in the bag")
            return
        self._last = inputs.stamp, frame
        request = inputs.request or InstructionRequest("")
        job = DecisionJob((frame, inputs), inputs.stamp, request, inputs.era)
        result = decide(self._runtime, job, inputs.now, self._notes)
        if result and inputs.published:
            yield replace(result, inputs=inputs)

    def _observe(self, recalled: tuple[Any, DecisionInputs], stamp: int, now: int) -> Observation:
        message, inputs = recalled
        data: dict[str, Any] = {}
        for name, sensor in ((sensor.name, sensor) for sensor in inputs.sensors):
            if name in SENSORS:
                data[name] = self._found(sensor, inputs)
            else:  # recorded with another version
                self._notes.add(f"{name} of a decision is not known here: it was made without")
        return Observation(stamp, now, readable(message), **data)

    def _found(self, wanted: SensorInput, inputs: DecisionInputs) -> Any:
        if wanted.missing:
            return Missing(wanted.missing, wanted.lost)
        if wanted.name == "camera":
            return self._sensors.latest.camera
        if wanted.name == "gripper":
            return GripperState(wanted.stamp, inputs.holding)
        found = self._recent[wanted.name].at(wanted.stamp)
        if found is None:
            self._notes.add(
                f"{wanted.name} of a decision is not in the bag: it was made without", wanted.name
            )
            if self._unfused and wanted.name in FUSED:
                self._notes.add(
                    "what fusion_node made is not in the bag, and what it makes that of is: with "
                    "--redecide it is made again",
                    "unfused",
                )
            return Missing(f"{wanted.name} is not in the bag")
        return found
