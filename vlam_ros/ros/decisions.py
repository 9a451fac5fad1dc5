"""Action chunks and scenes, as messages and from them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vlam_ros.actions import read_space, stop_chunk
from vlam_ros.configuration import ActionSettings
from vlam_ros.errors import ActionError
from vlam_ros.ros.mount import BASE_FRAME
from vlam_ros.ros.stamps import duration_message, nanoseconds, time_message
from vlam_ros.types import (
    ActionChunk,
    ActionSpace,
    Decision,
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

if TYPE_CHECKING:
    import vlam_ros.msg

TARGET, DESTINATION = 1, 2
"""Roles of a SceneObject message."""
NO_MASK = np.zeros((0, 0), np.bool_)
"""In place of the masks, which messages do not carry."""


def chunk_from_message(message: vlam_ros.msg.ActionChunk) -> ActionChunk:
    """A received chunk, checked.

    Raises:
        ActionError: the space is none, there are no rows, one has too few or too many bins, or
            their timing is wrong.
        ValueError: outcome or reason are no known ones, or contradict each other.
    """
    space = read_space(message.space, getattr)
    tokens, width = [_row(token) for token in message.tokens], len(space.columns)
    if any(len(row) != width for row in tokens):
        raise ActionError(
            f"each row needs {width - 1} bins, got {sorted({len(r) for r in tokens})}"
        )
    return ActionChunk(
        stamp=nanoseconds(message.header.stamp),
        frame_id=message.header.frame_id,
        space=space,
        tokens=np.array(tokens, np.uint16).reshape(-1, width),
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
        policy=getattr(message, "policy", ""),
    )


def _row(token: vlam_ros.msg.ActionToken) -> tuple[int, ...]:
    if not hasattr(token, "bins"):  # of a bag from before commands described themselves
        return token.cmd, token.x, token.y, token.z, token.theta
    return token.cmd, *token.bins


def scene_from_message(message: vlam_ros.msg.Scene) -> Scene:
    """The scene, its objects with NO_MASK: messages do not carry masks."""
    objects = [_object(thing) for thing in message.objects]
    return Scene(nanoseconds(message.header.stamp), tuple(objects))


def plan_from_message(message: vlam_ros.msg.Scene, chunk: ActionChunk) -> Plan:
    """The plan as far as messages tell: its trace, and one step with the objects of all steps."""
    role = {thing.role: _object(thing) for thing in message.objects}
    step = SkillStep(chunk.skill, role.get(TARGET), role.get(DESTINATION))
    return Plan((step,), trace=chunk.trace)


def _object(message: vlam_ros.msg.SceneObject) -> SceneObject:
    x0, y0, x1, y1 = map(int, message.box)
    found = SceneObject(
        phrase=message.phrase,
        box=(x0, y0, x1, y1),
        mask=NO_MASK,
        score=message.score,
        mask_score=message.mask_score,
        margin=message.margin,
        # Bags from before have it by another name.
        second_look=getattr(message, "second_look", getattr(message, "looked_twice", False)),
        spread=message.spread,
        size=message.size,
        source=PositionSource(message.position_source),
    )
    place = message.position
    if math.isnan(place.x):
        return found
    return replace(found, position=(place.x, place.y, place.z))


def chunk_to_message(chunk: ActionChunk) -> vlam_ros.msg.ActionChunk:
    """The chunk as a message; nothing is lost but double precision of the confidence."""
    import vlam_ros.msg

    message = vlam_ros.msg.ActionChunk(
        space=vlam_ros.msg.ActionSpace(
            commands=[
                vlam_ros.msg.ActionCommand(
                    name=c.name, pose_of=int(c.pose_of), timed=c.timed, gripper=int(c.gripper)
                )
                for c in chunk.space.commands
            ],
            dimensions=[
                vlam_ros.msg.ActionDimension(
                    name=d.name, unit=d.unit, low=d.low, high=d.high, bins=d.bins
                )
                for d in chunk.space.dimensions
            ],
        ),
        tokens=[
            vlam_ros.msg.ActionToken(cmd=cmd, bins=bins) for cmd, *bins in chunk.tokens.tolist()
        ],
        start_offset=duration_message(chunk.start_offset),
        step=duration_message(chunk.step),
        instruction=chunk.request.text,
        epoch=chunk.request.epoch,
        sequence=chunk.request.sequence,
        skill=chunk.skill,
        policy=chunk.policy,
        trace=chunk.trace,
        outcome=int(chunk.verdict.outcome),
        reason=int(chunk.verdict.reason),
        message=chunk.verdict.message,
        confidence=float(chunk.verdict.confidence),
    )
    message.header.stamp = time_message(chunk.stamp)
    message.header.frame_id = chunk.frame_id
    return message


def hold_chunk(
    settings: ActionSettings, stamp: int, request: InstructionRequest, verdict: Verdict
) -> ActionChunk:
    """One STOP row at `stamp`, for when there is no image that the pipeline could decide on."""
    return stop_chunk(
        stamp=stamp,
        frame_id=BASE_FRAME,
        space=ActionSpace.of(("stop",), settings.low, settings.high, settings.bins),
        step=round(settings.step * 1e9),
        request=request,
        verdict=verdict,
    )


def scene_to_message(decision: Decision) -> vlam_ros.msg.Scene:
    """The objects that perception found, with their roles in what is still to be done."""
    import vlam_ros.msg

    message = vlam_ros.msg.Scene()
    message.header.stamp = time_message(decision.scene.stamp)
    message.header.frame_id = decision.chunk.frame_id
    message.objects = [
        _object_message(o, role_of(o, decision.plan)) for o in decision.scene.objects
    ]
    return message


def _object_message(thing: SceneObject, role: int) -> vlam_ros.msg.SceneObject:
    from geometry_msgs.msg import Point

    import vlam_ros.msg

    nowhere = (float("nan"),) * 3
    x, y, z = map(float, thing.position or nowhere)
    return vlam_ros.msg.SceneObject(
        phrase=thing.phrase,
        role=role,
        box=[int(edge) for edge in thing.box],
        score=float(thing.score),
        mask_score=float(thing.mask_score),
        margin=float(thing.margin),
        second_look=bool(thing.second_look),
        position=Point(x=x, y=y, z=z),
        spread=float(thing.spread),
        size=float(thing.size),
        position_source=int(thing.source),
    )


def role_of(thing: SceneObject, plan: Plan) -> int:
    """TARGET, DESTINATION or OTHER: what an object is to what is still to be done."""
    import vlam_ros.msg

    if thing.same_piece(plan.target):
        return int(vlam_ros.msg.SceneObject.TARGET)
    if thing.same_piece(plan.destination):
        return int(vlam_ros.msg.SceneObject.DESTINATION)
    return int(vlam_ros.msg.SceneObject.OTHER)
