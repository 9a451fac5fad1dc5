"""Publishes what was decided: chunks and scenes always, images and markers while looked at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from geometry_msgs.msg import Point
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

import vlam_ros.msg
from vlam_ros.configuration import ActionSettings
from vlam_ros.ros.decision_inputs import inputs_to_message
from vlam_ros.ros.decisions import chunk_to_message, hold_chunk, role_of, scene_to_message
from vlam_ros.ros.images import image_to_message
from vlam_ros.ros.inference import ATTENTION, OVERLAY
from vlam_ros.ros.stamps import time_message
from vlam_ros.ros.topics import advertise
from vlam_ros.types import (
    ActionChunk,
    Decision,
    DecisionInputs,
    InstructionRequest,
    Outcome,
    SceneObject,
    Uint8Array,
    Verdict,
)

_COLOURS = {
    vlam_ros.msg.SceneObject.TARGET: ColorRGBA(r=0.1, g=0.8, b=0.2, a=0.8),
    vlam_ros.msg.SceneObject.DESTINATION: ColorRGBA(r=0.1, g=0.4, b=0.9, a=0.8),
    vlam_ros.msg.SceneObject.OTHER: ColorRGBA(r=0.6, g=0.6, b=0.6, a=0.5),
}


class Outputs:
    """The managed publishers of a deciding node: silent while it is not active.

    `moving` says whether the last chunk set the robot in motion.
    """

    def __init__(self, node: LifecycleNode) -> None:
        create = node.create_lifecycle_publisher
        self._chunks = advertise(create, "action_chunk")
        self._scenes = advertise(create, "scene")
        self._inputs = advertise(create, "decision_inputs")
        self._images = {topic: advertise(create, topic) for topic in (OVERLAY, ATTENTION)}
        self._markers = advertise(create, "~/markers")
        self.moving = False

    @property
    def images_wanted(self) -> frozenset[str]:
        """The topics of images that somebody looks at."""
        return frozenset(t for t, p in self._images.items() if p.get_subscription_count() > 0)

    def publish_chunk(self, chunk: ActionChunk) -> None:
        """A chunk, with or without a decision behind it."""
        self._chunks.publish(chunk_to_message(chunk))
        self.moving = chunk.verdict.outcome is Outcome.EXECUTE

    def publish_hold(
        self, settings: ActionSettings, stamp: int, request: InstructionRequest, verdict: Verdict
    ) -> None:
        """One STOP row, for when there is no decision of the pipeline."""
        self.publish_chunk(hold_chunk(settings, stamp, request, verdict))

    def publish_decision(
        self, decision: Decision, images: Mapping[str, Uint8Array], camera_frame: str
    ) -> None:
        """The chunk first, which the robot waits for; then what people look at."""
        self.publish_chunk(decision.chunk)
        self._scenes.publish(scene_to_message(decision))
        if self._markers.get_subscription_count() > 0:
            self._markers.publish(markers(decision))
        for topic, image in images.items():
            message = image_to_message(image, decision.scene.stamp, camera_frame)
            self._images[topic].publish(message)

    def publish_inputs(self, inputs: DecisionInputs, camera_frame: str) -> None:
        """What a decision was made on: with it a replay can make it again."""
        self._inputs.publish(inputs_to_message(inputs, camera_frame))

    def assert_alive(self) -> None:
        """Renew the lease of the chunks' liveliness."""
        self._chunks.assert_liveliness()

    def flush(self, seconds: float) -> bool:
        """Wait until the last chunk has arrived; False if it did not in that time."""
        return self._chunks.wait_for_all_acked(Duration(seconds=seconds))


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
    marker.color = _COLOURS[role_of(thing, decision.plan)]
    return marker
