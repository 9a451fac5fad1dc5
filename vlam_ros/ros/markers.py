"""What is seen and decided on, for RViz."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

import vlam_ros.msg
from vlam_ros.ros.decisions import role_of
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import Decision, SceneObject

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
    from visualization_msgs.msg import Marker

    marker = Marker(ns="objects", id=number, type=kind, action=Marker.ADD)
    marker.header.frame_id = decision.chunk.frame_id
    marker.header.stamp = time_message(decision.scene.stamp)
    x, y, z = map(float, thing.position or (0.0, 0.0, 0.0))
    marker.pose.position = Point(x=x, y=y, z=z)
    marker.pose.orientation.w = 1.0
    marker.color = _COLOURS[role_of(thing, decision.plan)]
    return marker
