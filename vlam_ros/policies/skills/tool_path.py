"""Skills of the arm: timed paths of the tool, over the place, down, the event, and up again.

They go from the start of the step, because the arm hides the object: the base stands meanwhile, and
each chunk holds the part of the path that is due next. The last of the way down is slow: what
stands there although nobody saw it is touched, not hit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vlam_ros.errors import ConfigurationError
from vlam_ros.perception.referring import Point
from vlam_ros.policies.skills.skill import Poses, Skill, Timing
from vlam_ros.types import PoseFrame, SkillStep

ARM = frozenset({"above", "slow", "height", "duration"})
"""The parameters of all skills of the arm; see config/skills.yaml."""
DWELL = 0.05
"""Share of a path's duration for which the tool rests before and after its event."""
_OVER, _SLOWS, _DOWN, _EVENT = 0.215, 0.37, 0.655, 0.705
"""Shares at which the tool begins to come down, slows, is down, and the gripper acts."""


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


def way_down(
    x: float, y: float, low: float, theta: float, parameters: Mapping[str, float]
) -> Poses:
    """The way down to a place: poses [4,4] over it, still there, where the tool slows, at it."""
    above = parameters["above"]
    heights = (above, above, min(parameters["slow"], above), 0.0)
    return np.array([[x, y, low + height, theta] for height in heights])


class ToolSkill(Skill):
    """A skill that follows a path of the tool."""

    POSE_OF = PoseFrame.TOOL
    TIMED = True

    def path(self, step: SkillStep) -> ToolPath:
        """The path of a step whose objects have positions."""
        raise NotImplementedError

    def keyframes(self, step: SkillStep, standoff: float) -> Poses:
        """The poses of its path."""
        return self.path(step).poses

    def rows(self, step: SkillStep, timing: Timing, elapsed: float, standoff: float) -> Poses:
        """The part of the path that is due next, and the row of its event if that is in it."""
        return self.path(step).rows(elapsed + timing.due(), timing.step)

    @property
    def duration(self) -> float:
        """Seconds of the whole motion."""
        return self.parameters["duration"]

    def check(self, step: float) -> None:
        """As every skill; and the motion must be slow enough for its event to have a row."""
        super().check(step)
        shortest = step / DWELL
        if self.duration < shortest:
            raise ConfigurationError(
                f"skill {self.name}: duration must be at least {shortest:g} s, so that a row of "
                f"{step:g} s falls into the rest before the gripper acts"
            )


def down_and_up(
    place: Point, theta: float, low: float, parameters: Mapping[str, float]
) -> ToolPath:
    """Over the place, down to a height `low`, the event, and up again."""
    way = way_down(place[0], place[1], low, theta, parameters)
    times = np.array([0.0, _OVER, _SLOWS, _DOWN, _EVENT + DWELL, 1.0])
    poses = np.stack([*way, way[-1], way[0]])
    return ToolPath(parameters["duration"] * times, poses, parameters["duration"] * _EVENT)
