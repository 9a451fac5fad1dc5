"""A range sensor over real Fast DDS: what it sees ahead stops a robot that would go."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import policy_world
import pytest
from node_world import HeldPipeline, World
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Range
from std_msgs.msg import Header

from vlam_ros.configuration import Settings
from vlam_ros.pipeline import Pipeline
from vlam_ros.ros.stamps import time_message
from vlam_ros.ros.topics import advertise
from vlam_ros.types import (
    Camera,
    Decision,
    InstructionRequest,
    Missing,
    Observation,
    Outcome,
    Reason,
)

TEXT = "go to the red cup"


@dataclass
class ToldPipeline(HeldPipeline):
    """A real pipeline that sees a red cup two metres ahead."""

    real: Pipeline | None = None

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        super().step(observation, request)
        assert self.real is not None
        return self.real.step(observation, request)


class RangeWorld(World):
    """A vlam_node with a pipeline that plans and verifies, at 100 s, and a range sensor."""

    def _make(self, settings: Settings) -> HeldPipeline:
        told = policy_world.World([policy_world.thing("red cup", 2.0)])
        self.pipelines.append(ToldPipeline(settings, real=told.pipeline))
        return self.pipelines[-1]

    def start_at(self, seconds: float) -> Publisher:
        self.activate(use_sim_time=True)
        self.set_time(seconds)
        info = CameraInfo(width=64, height=48, header=Header(frame_id="camera_optical"))
        info.k = [60.0, 0.0, 32.0, 0.0, 60.0, 24.0, 0.0, 0.0, 1.0]
        self.infos.publish(info)
        self.until(lambda: isinstance(self.node._inputs.latest.camera, Camera))
        publisher: Publisher = advertise(self.other.create_publisher, "range")
        self.until(publisher.get_subscription_count)
        return publisher

    def sense(self, publisher: Publisher, distance: float, seconds: float) -> None:
        """Publish a reading of this time and spin until the node has it, or has refused it."""
        before = self.node._inputs.latest.range
        last = self.node.reporter._statistics._last_error
        stamp = time_message(round(seconds * 1e9))
        publisher.publish(
            Range(
                header=Header(stamp=stamp, frame_id="range"),
                radiation_type=Range.ULTRASOUND,
                field_of_view=0.5,
                min_range=0.02,
                max_range=4.0,
                range=distance,
            )
        )
        self.until(
            lambda: (
                self.node._inputs.latest.range is not before
                or self.node.reporter._statistics._last_error is not last
            )
        )

    def look_at(self, seconds: float) -> Any:
        """The newest chunk of the instruction, made on an image of this time."""
        self.set_time(seconds)
        self.chunks.clear()
        stamp = self.show()

        def made() -> list[Any]:
            return [c for c in self.chunks if _stamp(c) == stamp and c.instruction == TEXT]

        self.until(made)
        return made()[-1]


def _stamp(chunk: Any) -> int:
    return int(chunk.header.stamp.sec * 10**9 + chunk.header.stamp.nanosec)


@pytest.fixture
def world() -> Iterator[RangeWorld]:
    world = RangeWorld()
    yield world
    world.close()


def test_what_is_ahead_turns_execute_into_hold_and_back(world: RangeWorld) -> None:
    ranges = world.start_at(100.0)
    world.say(TEXT)
    chunk = world.look_at(100.0)
    assert chunk.outcome == int(Outcome.EXECUTE), "without a range sensor nothing is amiss"
    assert "not checked" in chunk.message

    world.sense(ranges, math.inf, 100.0)
    chunk = world.look_at(100.1)
    assert chunk.outcome == int(Outcome.EXECUTE)
    assert "range sensor alone" in chunk.message

    world.sense(ranges, 0.6, 100.1)
    chunk = world.look_at(100.2)
    assert (chunk.outcome, chunk.reason) == (int(Outcome.HOLD), int(Reason.PATH_BLOCKED))
    assert "something at (0.78, -0.15) is in the way to 'red cup'" in chunk.message

    world.sense(ranges, 3.0, 100.2)  # behind the cup
    assert world.look_at(100.3).outcome == int(Outcome.EXECUTE)


def test_a_bad_reading_is_reported_and_a_sensor_that_falls_silent_stops_the_robot(
    world: RangeWorld,
) -> None:
    ranges = world.start_at(100.0)
    world.say(TEXT)
    world.sense(ranges, math.nan, 100.0)
    assert "or infinite for nothing, got nan" in str(world.node._inputs.latest.range)
    assert world.look_at(100.1).outcome == int(Outcome.EXECUTE), "it never could be used"
    assert "got nan" in world.status()[1]["age of range (s)"]

    world.sense(ranges, math.inf, 100.1)
    world.sense(ranges, 5.0, 100.1)  # out of its own bounds: the good one remains
    assert not isinstance(world.node._inputs.latest.range, Missing)
    values = world.status()[1]
    assert values["age of range (s)"] == "0.000"
    assert "range: a range must be from 0.02 to 4 m" in values["last error"]

    chunk = world.look_at(101.0)
    assert (chunk.outcome, chunk.reason) == (int(Outcome.HOLD), int(Reason.STALE_SENSOR))
    assert "the range sensor was lost, which watches the path: range: 0.90 s old" in chunk.message
