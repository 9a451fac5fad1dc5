"""Decisions from what vlam_node published of them: live, or in a bag that was recorded of it."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from vlam_ros.errors import VlamError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.replay.records import DecisionRecord, ReplayRun
from vlam_ros.lab.replay.roles import DECISIONS, ROLES, Assignment
from vlam_ros.lab.replay.timed import OTHER_CLOCK
from vlam_ros.ros.decision_inputs import inputs_from_message
from vlam_ros.ros.decisions import chunk_from_message, plan_from_message, scene_from_message
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import ActionChunk, ActionSpace, Decision, DecisionInputs, InstructionRequest

STOP_ONLY = ("stop",)
"""The commands of a chunk with which vlam_node stops the robot itself. It is of no decision, though
its stamp may be that of an image.
"""
KEPT = 32
"""Of each, how many wait for what belongs to them."""


class Collected(NamedTuple):
    """A decision, and the seconds from its image's stamp to when its chunk came."""

    record: DecisionRecord
    seconds: float


class DecisionCollector:
    """Puts together what was published of each decision, in whichever order it comes.

    Chunks that were made on no image, as when a new instruction stops the robot, have no
    `decision_inputs` and are passed by; so are answers that came too late to be published.
    `space` is that of the decisions' chunks, None before the first.
    """

    def __init__(self) -> None:
        self.space: ActionSpace | None = None
        self._chunks: list[tuple[ActionChunk, float]] = []
        self._scenes: list[Any] = []
        self._inputs: deque[DecisionInputs] = deque(maxlen=KEPT)

    def add(self, role: str, message: Any, now: int) -> list[Collected]:
        """Take a message of one of DECISIONS that came at `now` (ns); what decisions are whole now.

        Raises:
            ActionError, ValueError: a chunk is none.
        """
        if role == "action_chunk":
            chunk = chunk_from_message(message)
            if chunk.space.names != STOP_ONLY:
                self._chunks.append((chunk, (now - chunk.stamp) / 1e9))
        elif role == "scene":
            self._scenes.append(message)
        else:
            inputs = inputs_from_message(message)
            if inputs.published:
                self._inputs.append(inputs)
        del self._chunks[:-KEPT], self._scenes[:-KEPT]
        whole: list[Collected] = []
        for inputs in list(self._inputs):
            if found := self._put_together(inputs):
                whole.append(found)
                # One that is overtaken is given up: each topic keeps its order, so that what it
                # lacks was lost.
                while self._inputs.popleft() is not inputs:
                    pass
        return whole

    def _put_together(self, inputs: DecisionInputs) -> Collected | None:
        asked, stamp = inputs.request or InstructionRequest(""), inputs.stamp
        chunks = [chunk for chunk in self._chunks if chunk[0].stamp == stamp]
        scenes = [scene for scene in self._scenes if nanoseconds(scene.header.stamp) == stamp]
        # Without an instruction only the node knows the order of a request.
        places = [
            i
            for i, (chunk, _) in enumerate(chunks)
            if chunk.request == asked or not (chunk.request.text or asked.text)
        ]
        # An image may be decided on several times, each time with a chunk and a scene, which does
        # not say of which. They are counted from the last: the first may not have been heard.
        place = places[-1] - len(chunks) if places else 0
        if not places or len(scenes) < -place:
            return None
        told, (acted, seconds) = scenes[place], chunks[place]
        self._scenes = [scene for scene in self._scenes if scene is not told]
        self._chunks = [chunk for chunk in self._chunks if chunk[0] is not acted]
        self.space = acted.space
        decision = Decision(
            scene_from_message(told), plan_from_message(told, acted), acted.verdict, acted
        )
        return Collected(DecisionRecord.of(decision, inputs), seconds)


def recorded_run(bag: BagReader, roles: Assignment) -> ReplayRun | None:
    """The decisions that a bag holds; None if it holds none, or not all that tells of them.

    Where the recorder's clock was not that of the stamps, a decision's seconds are those from the
    image's stamp to when it was begun.
    """
    topics = {roles.topics[role]: role for role in DECISIONS if role in roles.topics}
    if len(topics) < len(DECISIONS):
        return None
    collector = DecisionCollector()
    decisions: list[Collected] = []
    for message in bag.messages(topics):
        role = topics[message.topic]
        if message.type != ROLES[role]:
            continue
        try:
            decisions += collector.add(role, message.read(), message.received)
        except (VlamError, ValueError):
            continue  # what is damaged is missing from the comparison, which says so
    if collector.space is None:
        return None
    return ReplayRun(
        collector.space,
        tuple(d.record for d in decisions),
        tuple(
            d.seconds
            if abs(d.seconds) * 1e9 < OTHER_CLOCK
            else (d.record.now - d.record.stamp) / 1e9
            for d in decisions
        ),
        {"bag": describe_bag(bag), "decided": "when it was recorded"},
    )


def describe_bag(bag: BagReader) -> str:
    """For people: which bag it is."""
    return f"{bag.name}, {(bag.end - bag.start) / 1e9:.1f} s, {bag.size / 1e6:.1f} MB"
