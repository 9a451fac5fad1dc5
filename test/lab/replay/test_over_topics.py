"""A bag played to a vlam_node that answers when it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_bags import Recorded
from node_world import NodeWorld, stamp_of
from rclpy.node import Node
from rclpy.serialization import serialize_message
from replayed import MS, SECOND, written
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String
from told_decisions import decision

import vlam_ros.msg
from vlam_ros.configuration import Settings
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.live.session import NoAnswerError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay import over_topics
from vlam_ros.lab.replay.over_topics import LiveReplay
from vlam_ros.lab.replay.roles import ROLES, assign
from vlam_ros.ros.decision_inputs import inputs_to_message
from vlam_ros.ros.decisions import chunk_to_message, hold_chunk, scene_to_message
from vlam_ros.ros.images import image_to_message
from vlam_ros.ros.topics import profile
from vlam_ros.types import DecisionInputs, InstructionRequest, Outcome, Reason, Verdict

START = 1_700_000_000 * SECOND
GO = InstructionRequest("go to the red cup", 1, 1)


class FakeNode:
    """A vlam_node that answers each image when the world was spun `delay` times since it came."""

    def __init__(self, world: NodeWorld, delay: int = 0) -> None:
        self._world, self._delay = world, delay
        self._node = Node("vlam_node", context=world.context)
        world.executor.add_node(self._node)
        self._chunks = self._node.create_publisher(
            vlam_ros.msg.ActionChunk, "action_chunk", profile("action_chunk")
        )
        self._scenes = self._node.create_publisher(vlam_ros.msg.Scene, "scene", profile("scene"))
        self._inputs = self._node.create_publisher(
            vlam_ros.msg.DecisionInputs, "decision_inputs", profile("decision_inputs")
        )
        self._waiting: list[tuple[int, int]] = []
        self._spun = self._now = 0
        self.events: list[tuple[str, int]] = []
        self.unusable: set[int] = set()
        self.lost: set[int] = set()
        self.active = True
        subscribe = self._node.create_subscription
        subscribe(Clock, "/clock", print_nothing, profile("/clock"))
        subscribe(String, "instruction", print_nothing, profile("instruction"))
        subscribe(Image, "image", self._on_image, 100)

    def spin(self, waiting_for: str) -> None:
        """What a process of its own would do: also while nobody asks for it."""
        self._spun += 1
        self._world.executor.spin_once(timeout_sec=0.001)
        if self.active and self._spun % 10 == 1 and waiting_for == "vlam_node to be active":
            self._hold(0, Reason.NO_INSTRUCTION)
        while self._waiting and self._waiting[0][0] <= self._spun:
            self._answer(self._waiting.pop(0)[1])

    def close(self) -> None:
        self._world.executor.remove_node(self._node)
        self._node.destroy_node()

    def _on_image(self, message: Image) -> None:
        stamp = stamp_of(message)
        self.events.append(("image", (stamp - START) // MS))
        self._waiting.append((self._spun + self._delay, stamp))

    def _answer(self, stamp: int) -> None:
        ms = (stamp - START) // MS
        self.events.append(("answer", ms))
        if ms in self.lost:
            return
        if ms in self.unusable:
            self._hold(stamp, Reason.STALE_SENSOR)
            return
        made = decision(stamp=stamp, request=GO)
        self._chunks.publish(chunk_to_message(made.chunk))
        self._scenes.publish(scene_to_message(made))
        inputs = DecisionInputs(stamp, stamp + 40 * MS, 0, GO, ())
        self._inputs.publish(inputs_to_message(inputs, "camera"))

    def _hold(self, stamp: int, reason: Reason) -> None:
        verdict = Verdict(Outcome.HOLD, reason, "there is nothing to decide on")
        chunk = hold_chunk(Settings.load().action, stamp, GO, verdict)
        self._chunks.publish(chunk_to_message(chunk))


def print_nothing(message: Any) -> None:
    """Hears, and that is all."""


@pytest.fixture
def world() -> Iterator[NodeWorld]:
    world = NodeWorld()
    yield world
    world.close()


@pytest.fixture
def node(world: NodeWorld) -> Iterator[FakeNode]:
    node = FakeNode(world)
    yield node
    node.close()


def bag_of(folder: Path, *ms: int) -> Path:
    """A bag of images at these times, and of an instruction at the start."""
    said = String(data=GO.text)
    messages = [Recorded("/instruction", ROLES["instruction"], START, serialize_message(said))]
    for time in ms:
        message = image_to_message(np.zeros((3, 4, 3), np.uint8), START + time * MS, "camera")
        messages.append(
            Recorded("/image", ROLES["image"], START + time * MS, serialize_message(message))
        )
    return written(folder / "bag", messages)


class Live:
    """A replay of a bag to a node, from when that listens."""

    def __init__(self, folder: Path, node: FakeNode, *ms: int, rounds: int = 1, **how: Any) -> None:
        notes = Notes()
        with (
            BagReader(bag_of(folder, *ms)) as bag,
            LiveReplay(bag, assign(bag.topics, {}), notes, plays_fused=True, slack=0.05) as live,
        ):
            live.wait_until_heard(20.0, node.spin)
            for _ in range(rounds):
                live.play(how.get("rate"), node.spin, how.get("progress", print_nothing))
            self.decisions, self.space = live.decisions, live.collector.space
        self.notes = notes.lines

    @property
    def stamps(self) -> list[int]:
        """Of the decisions, in ms."""
        return [(d.record.stamp - START) // MS for d in self.decisions]


def test_as_fast_as_it_can_each_image_waits_for_the_decision_on_the_one_before(
    node: FakeNode, tmp_path: Path
) -> None:
    node._delay = 30
    live = Live(tmp_path, node, 0, 100, 200, 300)
    assert live.stamps == [0, 100, 200, 300]
    shown = (0, 100, 200, 300)
    assert node.events == [(what, ms) for ms in shown for what in ("image", "answer")]
    assert live.space == decision().chunk.space
    assert live.notes == ()


def test_the_seconds_of_a_decision_are_those_from_its_image_on_the_wall(
    node: FakeNode, tmp_path: Path
) -> None:
    node._delay = 30  # each spin takes a millisecond
    live = Live(tmp_path, node, 0, 100)
    assert all(0.03 <= d.seconds < 5.0 for d in live.decisions)


def test_at_a_rate_nothing_waits_but_the_end(node: FakeNode, tmp_path: Path) -> None:
    node._delay = 200
    live = Live(tmp_path, node, 0, 20, 40, rate=1.0)
    assert [what for what, _ in node.events] == ["image"] * 3 + ["answer"] * 3
    assert live.stamps == [0, 20, 40]


def test_a_decision_that_does_not_come_is_noted_and_the_bag_goes_on(
    node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_topics, "PATIENCE", 0.1)
    node.lost = {100}
    live = Live(tmp_path, node, 0, 100, 200)
    assert live.stamps == [0, 200]
    assert live.notes == ("no decision on an image within 0.1 s",)


def test_a_image_that_cannot_be_used_is_not_waited_for_long(
    node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.unusable = {100}
    live = Live(tmp_path, node, 0, 100, 200)
    assert live.stamps == [0, 200]
    assert live.notes == ()


def test_a_bag_that_is_played_again_is_decided_on_again(node: FakeNode, tmp_path: Path) -> None:
    node._delay = 20
    heard: list[float] = []
    live = Live(
        tmp_path, node, 0, 100, rounds=2, progress=lambda now: heard.append((now - START) / MS)
    )
    assert live.stamps == [0, 100, 0, 100]
    assert node.events == [(w, ms) for ms in (0, 100, 0, 100) for w in ("image", "answer")]
    assert heard == [0, 0, 100, 0, 0, 100]


def test_it_does_not_start_before_vlam_node_is_active_and_listens(
    node: FakeNode, tmp_path: Path
) -> None:
    node.active = False
    waited_for: list[str] = []

    def watch(waiting_for: str) -> None:
        waited_for.append(waiting_for)
        node.active = len(waited_for) > 20
        node.spin(waiting_for)

    def lacking() -> str:
        return "a recorder" if len(waited_for) < 60 else ""

    with (
        BagReader(bag_of(tmp_path, 0)) as bag,
        LiveReplay(bag, assign(bag.topics, {}), Notes(), plays_fused=True) as live,
    ):
        live.wait_until_heard(20.0, watch, lacking)
    assert waited_for[0] == "vlam_node to be active"
    assert waited_for.index("a recorder") >= 20
    assert len(waited_for) >= 60


def test_what_was_waited_for_in_vain_is_told(node: FakeNode, tmp_path: Path) -> None:
    """With LiDAR to be fused there must be a fusion_node."""
    with (
        BagReader(bag_of(tmp_path, 0)) as bag,
        LiveReplay(bag, assign(bag.topics, {}), Notes()) as live,
        pytest.raises(NoAnswerError, match=r"gave up waiting for fusion_node to listen to /clock"),
    ):
        live.wait_until_heard(1.5, node.spin)
