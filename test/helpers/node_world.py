"""A node under test and the other end of its topics; vlam_node with the pipeline inside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from vlam_ros.configuration import Settings
from vlam_ros.language import PLAIN, Lexicon
from vlam_ros.msg import ActionChunk
from vlam_ros.nodes.vlam_node import VlamNode
from vlam_ros.ros.decisions import hold_chunk
from vlam_ros.ros.images import image_to_message
from vlam_ros.ros.managed import autostart
from vlam_ros.ros.stamps import time_message
from vlam_ros.ros.topics import profile
from vlam_ros.types import (
    Decision,
    InstructionRequest,
    Observation,
    Outcome,
    Plan,
    Reason,
    Scene,
    Verdict,
)

PATIENCE = 20.0
GO = "go to the red box"


@dataclass
class HeldPipeline:
    """Executes every instruction at once, unless it is told to wait or to fail."""

    settings: Settings
    observations: list[Observation] = field(default_factory=list)
    resets: int = 0
    busy: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    lexicon: Lexicon = PLAIN
    grounder: Any = field(
        default_factory=lambda: SimpleNamespace(
            name="a model",
            backend="torch",
            device="cpu",
            precision="float32",
            notes=("no GPU here",),
        )
    )

    def attention(self) -> None:
        return None

    def warm_up(self) -> None:
        self.free.set()

    def reset(self) -> None:
        self.resets += 1

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        self.observations.append(observation)
        self.busy.set()
        assert self.free.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        verdict = Verdict(Outcome.EXECUTE, confidence=0.9)
        if request is None:
            verdict = Verdict(Outcome.HOLD, Reason.NO_INSTRUCTION, "say something")
        stop = hold_chunk(
            self.settings.action,
            observation.stamp,
            request or InstructionRequest(""),
            Verdict(Outcome.DONE),
        )
        chunk = replace(stop, verdict=verdict)
        return Decision(Scene(observation.stamp), Plan(), verdict, chunk)


class NodeWorld:
    """A node under test and the other end of its topics, spun together by one thread."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.other = Node("other", context=self.context)
        self.executor.add_node(self.other)
        self.statuses: list[DiagnosticArray] = []
        self.other.create_subscription(DiagnosticArray, "/diagnostics", self.statuses.append, 10)
        self._clock = self.other.create_publisher(Clock, "/clock", 1)
        self.node: Any = None

    def add(self, make: Callable[..., Any], **overrides: object) -> Any:
        """A node in this world, not yet configured; `__` in a parameter's name stands for a dot."""
        parameters = [Parameter(k.replace("__", "."), value=v) for k, v in overrides.items()]
        self.node = make(context=self.context, parameter_overrides=parameters)
        self.executor.add_node(self.node)
        return self.node

    def until(self, condition: Callable[[], object]) -> None:
        """Spin until the condition holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.executor.spin_once(timeout_sec=0.05)

    def set_time(self, seconds: float) -> None:
        """Set /clock and spin until the node, which uses simulated time, has heard of it."""
        stamp = round(seconds * 1e9)

        def arrived() -> bool:
            self._clock.publish(Clock(clock=time_message(stamp)))
            return bool(self.node.get_clock().now().nanoseconds == stamp)

        self.until(arrived)

    def diagnostics(self) -> list[DiagnosticStatus]:
        """The next diagnostics."""
        self.statuses.clear()
        return self.next_diagnostics()

    def next_diagnostics(self) -> list[DiagnosticStatus]:
        """The last diagnostics that came, or the first that come."""
        self.until(lambda: self.statuses)
        return list(self.statuses[-1].status)

    def close(self) -> None:
        if self.node is not None:
            self.node.trigger_shutdown()
            self.node.destroy_node()
        self.other.destroy_node()
        self.executor.shutdown()
        rclpy.shutdown(context=self.context)


class World(NodeWorld):
    """A vlam_node and the other end of its topics."""

    def __init__(self) -> None:
        super().__init__()
        advertise, subscribe = self.other.create_publisher, self.other.create_subscription
        self.images = advertise(Image, "image", 5)
        self.compressed = advertise(CompressedImage, "image/compressed", 5)
        self.infos = advertise(CameraInfo, "camera_info", 5)
        self.instructions = advertise(String, "instruction", 5)
        self.chunks: list[ActionChunk] = []
        self.alive: list[int] = []
        subscribe(
            ActionChunk,
            "action_chunk",
            self.chunks.append,
            replace_depth(profile("action_chunk"), 100),
            event_callbacks=SubscriptionEventCallbacks(
                liveliness=lambda event: self.alive.append(event.alive_count)
            ),
        )
        self.pipelines: list[HeldPipeline] = []

    def start(self, **overrides: object) -> VlamNode:
        """A node in this world, not yet configured; `__` in a parameter's name stands for a dot."""
        node: VlamNode = self.add(partial(VlamNode, self._make), **overrides)
        return node

    def activate(self, **overrides: object) -> HeldPipeline:
        """An active node, its topics matched with those of this world."""
        autostart(self.start(**overrides))
        publishers = (self.images, self.compressed, self.infos, self.instructions)
        self.until(lambda: all(p.get_subscription_count() for p in publishers))
        self.until(lambda: self.alive[-1:] == [1])
        return self.pipelines[-1]

    def _make(self, settings: Settings) -> HeldPipeline:
        self.pipelines.append(HeldPipeline(settings))
        return self.pipelines[-1]

    def say(self, text: str) -> None:
        self.instructions.publish(String(data=text))

    def image(self, age: float = 0.0) -> Image:
        """An image taken `age` seconds ago."""
        stamp = self.node.get_clock().now().nanoseconds - round(age * 1e9)
        return image_to_message(np.full((48, 64, 3), 90, np.uint8), stamp, "camera_optical")

    def show(self, message: Image | None = None) -> int:
        """Publish an image and spin until the node has it; its stamp."""
        message = message or self.image()
        self.images.publish(message)
        stamp = stamp_of(message)
        self.until(lambda: self.node._runtime.images.newest == stamp)
        return stamp

    def chunk(self, outcome: Outcome, reason: Reason = Reason.NONE) -> ActionChunk:
        """Spin until a chunk with this verdict comes; it and all before it are taken."""
        wanted = (int(outcome), int(reason))
        self.until(lambda: wanted in [(c.outcome, c.reason) for c in self.chunks])
        number = [(c.outcome, c.reason) for c in self.chunks].index(wanted)
        found = self.chunks[number]
        del self.chunks[: number + 1]
        return found

    def moving(self) -> HeldPipeline:
        """An active node that has just sent the motion of its first instruction."""
        pipeline = self.activate()
        self.show()
        self.say(GO)
        self.chunk(Outcome.EXECUTE)
        pipeline.busy.clear()
        return pipeline

    def status(self) -> tuple[bytes, dict[str, str]]:
        """Level and values of the next diagnostics."""
        status = self.diagnostics()[0]
        return status.level, {pair.key: pair.value for pair in status.values}

    def close(self) -> None:
        for pipeline in self.pipelines:
            pipeline.free.set()
        super().close()


def replace_depth(profile: QoSProfile, depth: int) -> QoSProfile:
    slots = {name[1:]: getattr(profile, name) for name in profile.__slots__}
    return QoSProfile(**{**slots, "depth": depth})


def stamp_of(message: Any) -> int:
    return int(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)
