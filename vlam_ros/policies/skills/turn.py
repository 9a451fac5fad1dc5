"""Turn: the base turns in place by an angle, up to once around.

A closed loop over odometry: each chunk leads on to where the turn ends that began with the first.
"""

from __future__ import annotations

import numpy as np

from vlam_ros.configuration import PolicySettings
from vlam_ros.policies.skills.measured import MeasuredSkill
from vlam_ros.policies.skills.skill import Poses, Timing
from vlam_ros.types import SkillStep

LEAD = 2.0
"""rad; a chunk leads no farther, for who turns to an angle takes the shorter way."""


class Turn(MeasuredSkill, motion="turn"):
    """Parameter `angle`: how near to the end of the turn (rad) is there."""

    MEASURE, SAID = "angle", "turn left"
    PARAMETERS = frozenset({"angle", "duration"})

    def keyframes(self, step: SkillStep, standoff: float) -> Poses:
        """Where the base stands, which must be free for it to turn, and the angle."""
        return np.array([[0.0, 0.0, np.nan, _lead(step)]])

    def rows(self, step: SkillStep, timing: Timing, elapsed: float, standoff: float) -> Poses:
        """Angles at equal distances on the way."""
        poses = np.full((timing.horizon, 4), np.nan)
        poses[:, 3] = timing.shares() * _lead(step)
        return poses

    def is_over(self, step: SkillStep, settings: PolicySettings) -> bool:
        """Whether what is left of the turn is within the tolerance."""
        return abs(step.end.yaw) <= self.parameters["angle"]


def _lead(step: SkillStep) -> float:
    return float(np.clip(step.end.yaw, -LEAD, LEAD))
