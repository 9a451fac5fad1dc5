"""The paths of the tool: over the place, down, the gripper's event or the push, and up again.

The last of the way down is slow: what stands there although nobody saw it is touched, not hit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlam_ros.perception.referring import Point, bearing, located
from vlam_ros.types import Placement, SceneObject, SkillStep

Poses = npt.NDArray[np.float64]
"""x, y, z (m), θ (rad) in columns; NaN where a dimension is not used."""

DWELL = 0.05
"""Share of a path's duration for which the tool rests before and after its event."""
_OVER, _SLOWS, _DOWN, _EVENT = 0.215, 0.37, 0.655, 0.705
"""Shares at which the tool begins to come down, slows, is down, and the gripper acts."""
_OVER_PUSH, _SLOWS_PUSH, _DOWN_PUSH, _PUSHED = 0.18, 0.31, 0.545, 0.84
"""The same of a push, and the share at which it ends."""


@dataclass(frozen=True)
class ToolPath:
    """Poses [K,4] of the tool at times [K] in seconds from the start, straight in between.

    `event` is when the gripper acts: closes in pick_up, opens in place; None for never.
    """

    times: Poses
    poses: Poses
    event: float | None = None

    def rows(self, times: Poses, step: float) -> Poses:
        """The poses at times [H], `step` apart; none in the row within whose step the event is."""
        rows = np.stack([np.interp(times, self.times, column) for column in self.poses.T], axis=1)
        if self.event is not None:
            row = math.floor((self.event - times[0]) / step)
            if 0 <= row < len(rows):
                rows[row] = np.nan
        return rows


def _down(x: float, y: float, low: float, theta: float, parameters: Mapping[str, float]) -> Poses:
    """The way down to a place: poses [4,4] over it, still there, where the tool slows, at it."""
    above = parameters["above"]
    heights = (above, above, min(parameters["slow"], above), 0.0)
    return np.array([[x, y, low + height, theta] for height in heights])


def _down_and_up(
    place: Point, theta: float, low: float, parameters: Mapping[str, float]
) -> ToolPath:
    """Over the place, down, the event, and up again."""
    way = _down(place[0], place[1], low, theta, parameters)
    times = np.array([0.0, _OVER, _SLOWS, _DOWN, _EVENT + DWELL, 1.0])
    poses = np.stack([*way, way[-1], way[0]])
    return ToolPath(parameters["duration"] * times, poses, parameters["duration"] * _EVENT)


def _pick_up(step: SkillStep, parameters: Mapping[str, float]) -> ToolPath:
    place = located(step.target)
    low = max(place[2] - parameters["press"], parameters["height"])
    return _down_and_up(place, bearing(place), low, parameters)


def _place(step: SkillStep, parameters: Mapping[str, float]) -> ToolPath:
    x, y, z = located(step.destination)
    theta = math.atan2(y, x)
    if step.placement is not Placement.ON:
        # On the robot's side of the destination, which is where the arm reaches.
        gap = parameters["beside"] + _radius(step.destination) + step.load / 2
        x, y, z = x - gap * math.cos(theta), y - gap * math.sin(theta), 0.0
    return _down_and_up((x, y, z), theta, z + parameters["height"], parameters)


def push_vector(step: SkillStep, parameters: Mapping[str, float]) -> tuple[float, float]:
    """How far (m) and in which direction (rad) the target is pushed.

    Away from the robot; with a destination towards it, until the two touch.
    """
    x, y, _ = place = located(step.target)
    if step.destination is None:
        return parameters["distance"], bearing(place)
    goal_x, goal_y, _ = located(step.destination)
    gap = math.hypot(goal_x - x, goal_y - y) - _radius(step.target) - _radius(step.destination)
    return max(0.0, gap), math.atan2(goal_y - y, goal_x - x)


def _push(step: SkillStep, parameters: Mapping[str, float]) -> ToolPath:
    x, y, _ = located(step.target)
    distance, theta = push_vector(step, parameters)
    radius = _radius(step.target)

    def way_to(along: float) -> Poses:
        place = x + along * math.cos(theta), y + along * math.sin(theta)
        return _down(*place, parameters["height"], theta, parameters)

    # Down behind the target, seen in the direction of the push, and on with it in front.
    start, end = way_to(-radius - parameters["beside"]), way_to(distance - radius)
    times = np.array([0.0, _OVER_PUSH, _SLOWS_PUSH, _DOWN_PUSH, _PUSHED, 1.0])
    return ToolPath(parameters["duration"] * times, np.stack([*start, end[-1], end[0]]))


def _radius(thing: SceneObject | None) -> float:
    """Half an object's width; 0 if that is unknown."""
    return thing.size / 2 if thing and math.isfinite(thing.size) else 0.0


TOOL_PATHS: dict[str, Callable[[SkillStep, Mapping[str, float]], ToolPath]] = {
    "pick_up": _pick_up,
    "place": _place,
    "push": _push,
}
