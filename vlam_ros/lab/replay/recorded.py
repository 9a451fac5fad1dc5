"""Decides on a bag exactly as the run that it was recorded of: the same images, at the same time,
with the same data of every sensor, as its `decision_inputs` say.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.roles import IMAGES
from vlam_ros.lab.replay.sensing import BagSensors, decide, readable
from vlam_ros.lab.replay.timed import Timed
from vlam_ros.ros.decision_inputs import inputs_from_message
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.runtime import DecisionJob, DecisionMaker, DecisionResult, Runtime
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

Recalled = tuple[Any, DecisionInputs]
"""The message of an image, and what was known of it when it was decided on."""


class _Recent:
    """The newest data of one sensor, by stamp."""

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


class Recorded:
    """Goes through the messages of one bag."""

    def __init__(self, sensors: BagSensors, maker: DecisionMaker, notes: Notes) -> None:
        self._sensors = sensors
        self._notes = notes
        self._runtime = Runtime(maker, self._observe)
        self._images = _Recent()
        self._last: tuple[int, Any] | None = None  # decided on once more if asked anew
        self._recent: defaultdict[str, _Recent] = defaultdict(_Recent)

    def run(self, messages: Iterable[Timed]) -> Iterator[DecisionResult]:
        """The decisions, in the order in which they were made."""
        for timed in messages:
            if timed.jumped:
                self._sensors.forget()
            if timed.role in IMAGES:
                message = timed.message
                self._images.add(nanoseconds(message.header.stamp), message, len(message.data))
            elif timed.role == "decision_inputs":
                result = self._decide(inputs_from_message(timed.message))
                if result is not None:
                    yield result
            else:
                self._sensors.feed(timed.role, timed.message, timed.now)
                for name, data in self._sensors.newest().items():
                    size = data.depth.nbytes if name == "depth" else 0
                    self._recent[name].add(data.stamp, data, size)

    def _decide(self, inputs: DecisionInputs) -> DecisionResult | None:
        frame = self._images.at(inputs.stamp)
        if frame is None and self._last is not None and self._last[0] == inputs.stamp:
            frame = self._last[1]
        if frame is None:
            self._notes.add("a decision cannot be made again: its image is not in the bag")
            return None
        self._last = inputs.stamp, frame
        request = inputs.request or InstructionRequest("")
        job = DecisionJob((frame, inputs), inputs.stamp, request, inputs.era)
        result = decide(self._runtime, job, inputs.now, self._notes)
        return replace(result, inputs=inputs) if result and inputs.published else None

    def _observe(self, recalled: Recalled, stamp: int, now: int) -> Observation:
        message, inputs = recalled
        data: dict[str, Any] = {}
        for sensor in inputs.sensors:
            if sensor.name in SENSORS:
                data[sensor.name] = self._found(sensor, inputs)
            else:  # recorded with another version
                self._notes.add(
                    f"{sensor.name} of a decision is not known here: it was made without"
                )
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
            return Missing(f"{wanted.name} is not in the bag")
        return found
