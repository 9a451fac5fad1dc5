"""The client of a whole robot, and a robot that only pretends, over real Fast DDS."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, Twist
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from told_decisions import CUP, DONE, EXECUTE, decision

from vlam_ros.lab.live.mission import ClockLog, CommandEvent, DecisionEvent, MissionClient, Overview
from vlam_ros.lab.live.session import NoAnswerError
from vlam_ros.ros.decisions import chunk_to_message, scene_to_message
from vlam_ros.ros.images import image_to_message
from vlam_ros.ros.stamps import time_message
from vlam_ros.ros.topics import advertise, subscribe
from vlam_ros.types import InstructionRequest, Outcome, Reason, Verdict

TICK = 10_000_000
HEARD = 12
"""Calls for one tick: the client hears one message between two calls, and each tick has nine."""
PATIENCE = 20.0
IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
INVALID = Verdict(Outcome.HOLD, Reason.INSTRUCTION_INVALID, "not a sentence")


class Pretender:
    """Publishes what the nodes of a robot do, a tick further every few calls."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = Node("pretender", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._publishers = {
            topic: advertise(self._node.create_publisher, topic)
            for topic in (
                "/clock",
                "image",
                "action_chunk",
                "scene",
                "simulator_node/truth",
                "simulator_node/overview",
                "floor",
                "cmd_vel",
                "/diagnostics",
            )
        }
        subscribe(self._node.create_subscription, "instruction", self._hear)
        self._calls = 0
        self.now = 0
        self.silent: set[str] = set()
        self.request = InstructionRequest("", 1, 0)
        self.verdict = EXECUTE
        self.with_scene = True

    def _hear(self, message: String) -> None:
        self.request = InstructionRequest(message.data, 1, self.request.sequence + 1)

    def _publish(self, topic: str, message: Any) -> None:
        if topic not in self.silent:
            self._publishers[topic].publish(message)

    def __call__(self, waiting_for: str = "") -> None:
        """Now and then one tick: an image, and a decision on the one before."""
        self._calls += 1
        if self._calls % HEARD:
            return
        self._executor.spin_once(timeout_sec=0)
        self.now += TICK
        self._publish("/clock", Clock(clock=time_message(self.now)))
        self._publish("image", image_to_message(IMAGE, self.now, "camera"))
        self._publish("simulator_node/overview", image_to_message(IMAGE, self.now, "map"))
        self._publish("floor", PoseStamped())
        self._publish("cmd_vel", Twist())
        stops = [KeyValue(key="halt", value="NONE"), KeyValue(key="stops HOLD", value="3")]
        control = DiagnosticStatus(name="controller_node: control", values=stops)
        self._publish("/diagnostics", DiagnosticArray(status=[control]))
        self._publish("simulator_node/truth", String(data=str(self.now)))
        made = decision(verdict=self.verdict, request=self.request, stamp=self.now - TICK)
        self._publish("action_chunk", chunk_to_message(made.chunk))
        if self.with_scene:
            self._publish("scene", scene_to_message(made))

    def close(self) -> None:
        self._node.destroy_node()
        self._executor.shutdown()
        rclpy.shutdown(context=self._context)


@pytest.fixture
def robot() -> Iterator[Pretender]:
    pretender = Pretender()
    yield pretender
    pretender.close()


@pytest.fixture
def client() -> Iterator[MissionClient]:
    with MissionClient(images=True, overview=True) as client:
        yield client


def next_of(kind: type, client: MissionClient, robot: Pretender) -> Any:
    return next(h for h in client.events(robot) if isinstance(h, kind))


def test_a_decision_comes_with_its_image_and_its_latency_on_both_clocks(
    client: MissionClient, robot: Pretender
) -> None:
    client.wait_until_ready(PATIENCE, robot)
    client.say("pick up the red cup")
    decided = next(
        h for h in client.events(robot) if isinstance(h, DecisionEvent) and h.latency is not None
    )
    assert decided.decision.chunk.request == InstructionRequest("pick up the red cup", 1, 1)
    assert decided.decision.verdict == decided.decision.chunk.verdict
    assert decided.decision.verdict.outcome is EXECUTE.outcome
    (thing,) = decided.decision.scene.objects
    assert (thing.phrase, thing.position) == (CUP.phrase, pytest.approx(CUP.position))
    assert thing.same_piece(decided.decision.plan.target)
    assert np.array_equal(decided.image, IMAGE)
    assert 0 <= decided.latency <= 3 * TICK / 1e9
    assert decided.wall_latency is not None
    assert 0 < decided.wall_latency < 10


def test_what_was_decided_about_an_earlier_instruction_is_not_told(
    client: MissionClient, robot: Pretender
) -> None:
    client.wait_until_ready(PATIENCE, robot)
    client.say("pick up the red cup")
    next_of(DecisionEvent, client, robot)
    client.say("stop")
    robot.verdict = DONE
    decided = next_of(DecisionEvent, client, robot)
    assert (decided.decision.chunk.request.text, decided.decision.verdict) == ("stop", DONE)


def test_a_hold_without_a_scene_is_told_too(client: MissionClient, robot: Pretender) -> None:
    client.wait_until_ready(PATIENCE, robot)
    robot.with_scene, robot.verdict = False, INVALID
    client.say("what is the weather like")
    decided = next_of(DecisionEvent, client, robot)
    assert (decided.decision.verdict, decided.latency) == (INVALID, None)
    assert decided.decision.scene.objects == ()


def test_what_only_the_simulator_knows_is_told(client: MissionClient, robot: Pretender) -> None:
    client.wait_until_ready(PATIENCE, robot)
    told = next_of(CommandEvent, client, robot)
    assert int(told.truth) % TICK == 0
    assert np.array_equal(next_of(Overview, client, robot).image, IMAGE)
    assert client.stops() == {"HOLD": 3}


@pytest.mark.parametrize("topic", ["floor", "cmd_vel", "action_chunk", "/clock"])
def test_a_robot_of_which_a_part_is_missing_is_not_ready(
    client: MissionClient, robot: Pretender, topic: str
) -> None:
    robot.silent.add(topic)
    with pytest.raises(NoAnswerError, match=f"in vain for {topic}"):
        client.wait_until_ready(1.0, robot)


def test_a_robot_that_falls_silent_is_an_error(client: MissionClient) -> None:
    with pytest.raises(NoAnswerError, match=r"nothing was heard of the robot for 0\.1 s"):
        next(client.events(silence=0.1))


# ------------------------------------------------------------------- clocks


def test_the_clock_tells_when_a_stamp_was_and_how_fast_time_passes() -> None:
    clock = ClockLog()
    assert (clock.now, clock.wall(0)) == (0, None)
    assert math.isnan(clock.rate())
    for tick in range(10):
        clock.tick(tick * TICK, 100 + tick * 0.02)
    assert clock.now == 9 * TICK
    assert clock.rate() == pytest.approx(0.5)
    assert clock.wall(3 * TICK) == pytest.approx(100.06)
    assert clock.wall(3 * TICK + 1) == pytest.approx(100.08)
    assert clock.wall(10 * TICK) is None


def test_a_clock_that_jumps_back_starts_anew() -> None:
    clock = ClockLog()
    for now, wall in ((10, 1.0), (20, 2.0), (5, 3.0)):
        clock.tick(now, wall)
    assert (clock.now, clock.wall(5), clock.wall(10)) == (5, 3.0, None)
