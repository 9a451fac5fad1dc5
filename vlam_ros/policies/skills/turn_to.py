"""Turn to: the base turns in place until it faces an object. A closed loop, as go_to."""

from __future__ import annotations

import numpy as np

from vlam_ros.configuration import PolicySettings
from vlam_ros.perception.referring import bearing, located
from vlam_ros.policies.skills.skill import Poses, Skill, Timing
from vlam_ros.types import Noun, SceneObject, SkillStep


class TurnTo(Skill, motion="turn_to"):
    """Parameter: how straight ahead (rad) is there."""

    MUST_NAME = Noun.TARGET
    PARAMETERS = frozenset({"angle"})

    def keyframes(self, step: SkillStep, standoff: float) -> Poses:
        """The direction of the object."""
        return np.array([[np.nan, np.nan, np.nan, bearing(located(step.target))]])

    def rows(self, step: SkillStep, timing: Timing, elapsed: float, standoff: float) -> Poses:
        """Angles at equal distances on the way."""
        poses = np.full((timing.horizon, 4), np.nan)
        poses[:, 3] = timing.shares() * bearing(located(step.target))
        return poses

    def is_there(self, target: SceneObject | None, settings: PolicySettings) -> bool:
        """Whether the base faces the object."""
        return self.faces(target)
