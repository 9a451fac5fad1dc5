"""Decisions as messages: action chunk, scene and markers."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

import vlam_ros.msg
from vlam_ros.actions import stop_chunk
from vlam_ros.configuration import ActionSettings
from vlam_ros.messages.mount import BASE_FRAME
from vlam_ros.ros.stamps import duration_message, time_message
from vlam_ros.types import (
    ActionChunk,
    ActionSpace,
    Decision,
    InstructionRequest,
    Plan,
    SceneObject,
    Verdict,
)


def chunk_to_message(chunk: ActionChunk) -> vlam_ros.msg.ActionChunk:
    """The chunk as a message; nothing is lost but double precision of the confidence."""
    message = vlam_ros.msg.ActionChunk(
        space=vlam_ros.msg.ActionSpace(
            commands=list(chunk.space.commands),
            low=chunk.space.low,
            high=chunk.space.high,
            bins=chunk.space.bins,
        ),
        tokens=[
            vlam_ros.msg.ActionToken(cmd=cmd, x=x, y=y, z=z, theta=theta)
            for cmd, x, y, z, theta in chunk.tokens.tolist()
        ],
        start_offset=duration_message(chunk.start_offset),
        step=duration_message(chunk.step),
        instruction=chunk.request.text,
        epoch=chunk.request.epoch,
        sequence=chunk.request.sequence,
        skill=chunk.skill,
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
    """One STOP row at `stamp`, for when there is no picture that the pipeline could decide on."""
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
    message = vlam_ros.msg.Scene()
    message.header.stamp = time_message(decision.scene.stamp)
    message.header.frame_id = decision.chunk.frame_id
    message.objects = [_object_message(o, _role(o, decision.plan)) for o in decision.scene.objects]
    return message


def _object_message(thing: SceneObject, role: int) -> vlam_ros.msg.SceneObject:
    nowhere = (float("nan"),) * 3
    x, y, z = map(float, thing.position or nowhere)
    return vlam_ros.msg.SceneObject(
        phrase=thing.phrase,
        role=role,
        box=[int(edge) for edge in thing.box],
        score=float(thing.score),
        mask_score=float(thing.mask_score),
        margin=float(thing.margin),
        looked_twice=bool(thing.looked_twice),
        position=Point(x=x, y=y, z=z),
        spread=float(thing.spread),
        size=float(thing.size),
        position_source=int(thing.source),
    )


def _role(thing: SceneObject, plan: Plan) -> int:
    if thing.same_piece(plan.target):
        return int(vlam_ros.msg.SceneObject.TARGET)
    if thing.same_piece(plan.destination):
        return int(vlam_ros.msg.SceneObject.DESTINATION)
    return int(vlam_ros.msg.SceneObject.OTHER)


_COLOURS = {
    vlam_ros.msg.SceneObject.TARGET: ColorRGBA(r=0.1, g=0.8, b=0.2, a=0.8),
    vlam_ros.msg.SceneObject.DESTINATION: ColorRGBA(r=0.1, g=0.4, b=0.9, a=0.8),
    vlam_ros.msg.SceneObject.OTHER: ColorRGBA(r=0.6, g=0.6, b=0.6, a=0.5),
}


def markers(decision: Decision) -> MarkerArray:
    """For RViz: a ball and a label for each object with a position, in place of the last ones."""
    found = [Marker(action=Marker.DELETEALL)]
    for number, thing in enumerate(o for o in decision.scene.objects if o.position is not None):
        diameter = float(thing.size) if np.isfinite(thing.size) else 0.05
        ball = _marker(decision, thing, number, Marker.SPHERE)
        ball.scale.x = ball.scale.y = ball.scale.z = diameter
        label = _marker(decision, thing, number, Marker.TEXT_VIEW_FACING)
        label.ns, label.text = "labels", f"{thing.phrase} {thing.score:.2f}"
        label.pose.position.z += diameter
        label.scale.z = 0.08
        found += [ball, label]
    return MarkerArray(markers=found)


def _marker(decision: Decision, thing: SceneObject, number: int, kind: int) -> Marker:
    marker = Marker(ns="objects", id=number, type=kind, action=Marker.ADD)
    marker.header.frame_id = decision.chunk.frame_id
    marker.header.stamp = time_message(decision.scene.stamp)
    x, y, z = map(float, thing.position or (0.0, 0.0, 0.0))
    marker.pose.position = Point(x=x, y=y, z=z)
    marker.pose.orientation.w = 1.0
    marker.color = _COLOURS[_role(thing, decision.plan)]
    return marker
