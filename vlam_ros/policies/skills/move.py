"""Move: the base goes straight forward or back by a distance, and looks the same way all along.

A closed loop over odometry: each chunk leads to where the way ends that began with the first one.
"""

from __future__ import annotations

import math

import numpy as np

from vlam_ros.configuration import PolicySettings
from vlam_ros.policies.skills.measured import MeasuredSkill
from vlam_ros.policies.skills.skill import Poses, Timing
from vlam_ros.types import SkillStep

LEAD = 2.0
"""m; a chunk leads no farther, so that it stays inside the action space."""
BEYOND = 0.015
"""m; who follows waypoints stops short of the last one, by about as much."""


class Move(MeasuredSkill, motion="move"):
    """Parameter `tolerance`: how near to the end of the way (m) is there."""

    MEASURE, SAID = "distance", "move forward"
    PARAMETERS = frozenset({"tolerance", "duration"})

    def keyframes(self, step: SkillStep, standoff: float) -> Poses:
        """The end of the way."""
        # Not longer than asked for, though a base at rest is told to be a millimetre off.
        asked = abs(step.displacement.distance) if step.displacement else 0.0
        return np.array([[*_ahead(step, min(_left(step), asked)), np.nan, step.end.yaw]])

    def rows(self, step: SkillStep, timing: Timing, elapsed: float, standoff: float) -> Poses:
        """Waypoints at equal distances on the way; never the other way, where it was overrun."""
        poses = np.full((timing.horizon, 4), np.nan)
        goal = _ahead(step, min(max(_left(step), 0.0) + BEYOND, LEAD))
        poses[:, :2] = timing.shares()[:, None] * goal
        poses[:, 3] = step.end.yaw
        return poses

    def is_over(self, step: SkillStep, settings: PolicySettings) -> bool:
        """Whether what is left of the way is within the tolerance, or the base is beyond."""
        return _left(step) <= self.parameters["tolerance"]


def _sign(step: SkillStep) -> float:
    return math.copysign(1.0, step.displacement.distance if step.displacement else 1.0)


def _left(step: SkillStep) -> float:
    """What is left of the way (m), negative beyond its end."""
    end = step.end
    return _sign(step) * (end.x * math.cos(end.yaw) + end.y * math.sin(end.yaw))


def _ahead(step: SkillStep, left: float) -> tuple[float, float]:
    """The place on the line of the way that is `left` (m) along it from where the base is."""
    end, more = step.end, _sign(step) * (left - _left(step))
    return end.x + more * math.cos(end.yaw), end.y + more * math.sin(end.yaw)
