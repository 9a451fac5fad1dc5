"""Go to: the base drives straight to a stand-off point before an object, and faces it there.

A closed loop: each image gives a new way to where the object now is.
"""

from __future__ import annotations

import numpy as np

from vlam_ros.configuration import PolicySettings
from vlam_ros.perception.referring import bearing, floor_distance, located, standoff_point
from vlam_ros.policies.skills.skill import Poses, Skill, Timing
from vlam_ros.types import Noun, SceneObject, SkillStep


class GoTo(Skill, motion="go_to"):
    """Parameters: how near to the stand-off point (m) and how straight ahead (rad) is there."""

    MUST_NAME = Noun.TARGET
    PARAMETERS = frozenset({"tolerance", "angle"})

    def keyframes(self, step: SkillStep, standoff: float) -> Poses:
        """The stand-off point, and the direction of the object."""
        place = located(step.target)
        return np.array([[*standoff_point(place, standoff), np.nan, bearing(place)]])

    def rows(self, step: SkillStep, timing: Timing, elapsed: float, standoff: float) -> Poses:
        """Waypoints at equal distances on the way."""
        goal = self.keyframes(step, standoff)[0]
        poses = np.full((timing.horizon, 4), np.nan)
        poses[:, :2] = timing.shares()[:, None] * goal[:2]
        poses[:, 3] = goal[3]
        return poses

    def rest(self, timing: Timing) -> Poses:
        """Rows of a base that stays where it is."""
        return np.tile([0.0, 0.0, np.nan, 0.0], (timing.horizon, 1))

    def is_there(self, target: SceneObject | None, settings: PolicySettings) -> bool:
        """Whether the base faces the object at the stand-off distance, or nearer."""
        if not self.faces(target):
            return False
        limit = settings.standoff + self.parameters["tolerance"]
        return floor_distance(located(target)) <= limit
