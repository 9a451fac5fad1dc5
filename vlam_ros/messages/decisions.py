"""Action chunks and scenes from messages."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from vlam_ros.messages import kinds
from vlam_ros.messages.stamps import nanoseconds
from vlam_ros.types import (
    ActionChunk,
    ActionSpace,
    InstructionRequest,
    Outcome,
    Plan,
    PositionSource,
    Reason,
    Scene,
    SceneObject,
    SkillStep,
    Verdict,
)

TARGET, DESTINATION = 1, 2
"""Roles of a SceneObject message."""
NO_MASK = np.zeros((0, 0), np.bool_)
"""In place of the masks, which messages do not carry."""


def chunk_from_message(message: kinds.ActionChunk) -> ActionChunk:
    """A received chunk, checked.

    Raises:
        ActionError: the space is none, there are no rows, or their timing is wrong.
        ValueError: outcome or reason are no known ones, or contradict each other.
    """
    tokens = [(t.cmd, t.x, t.y, t.z, t.theta) for t in message.tokens]
    return ActionChunk(
        stamp=nanoseconds(message.header.stamp),
        frame_id=message.header.frame_id,
        space=ActionSpace.of(
            message.space.commands, message.space.low, message.space.high, message.space.bins
        ),
        tokens=np.array(tokens, np.uint16).reshape(-1, 5),
        start_offset=nanoseconds(message.start_offset),
        step=nanoseconds(message.step),
        request=InstructionRequest(message.instruction, message.epoch, message.sequence),
        skill=message.skill,
        trace=message.trace,
        verdict=Verdict(
            outcome=Outcome(message.outcome),
            reason=Reason(message.reason),
            message=message.message,
            confidence=message.confidence,
        ),
    )


def scene_from_message(message: kinds.Scene) -> Scene:
    """The scene, its objects with NO_MASK: messages do not carry masks."""
    objects = [_object(thing) for thing in message.objects]
    return Scene(nanoseconds(message.header.stamp), tuple(objects))


def plan_from_message(message: kinds.Scene, chunk: ActionChunk) -> Plan:
    """The plan as far as messages tell: its trace, and one step with the objects of all steps."""
    role = {thing.role: _object(thing) for thing in message.objects}
    step = SkillStep(chunk.skill, role.get(TARGET), role.get(DESTINATION))
    return Plan((step,), trace=chunk.trace)


def _object(message: kinds.SceneObject) -> SceneObject:
    x0, y0, x1, y1 = map(int, message.box)
    found = SceneObject(
        phrase=message.phrase,
        box=(x0, y0, x1, y1),
        mask=NO_MASK,
        score=message.score,
        mask_score=message.mask_score,
        margin=message.margin,
        looked_twice=message.looked_twice,
        spread=message.spread,
        size=message.size,
        source=PositionSource(message.position_source),
    )
    place = message.position
    if math.isnan(place.x):
        return found
    return replace(found, position=(place.x, place.y, place.z))
