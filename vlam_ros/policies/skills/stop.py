"""Stop: the robot stands still at once. It is command 0 of every action space."""

from __future__ import annotations

import numpy as np

from vlam_ros.policies.skills.skill import Poses, Skill, Timing
from vlam_ros.types import SkillStep


class Stop(Skill, motion="stop"):
    """A robot told to stop stops, whatever else the sentence says."""

    NOUNS = (None, None)

    @property
    def ends(self) -> bool:
        """It moves nothing, so there is nothing to end."""
        return True

    def rows(self, step: SkillStep, timing: Timing, elapsed: float, standoff: float) -> Poses:
        """Rows that use no dimension."""
        return np.full((timing.horizon, 4), np.nan)
