"""Search: the base turns about once, slowly, until what is looked for is well in the image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vlam_ros.configuration import PolicySettings
from vlam_ros.policies.skills.skill import Poses, Skill, Timing
from vlam_ros.types import Noun, Observation, Reason, Refusal, SceneObject, SkillStep


class Search(Skill, motion="search"):
    """Parameters: the rate of the turn (rad/s), and how straight ahead (rad) is found."""

    TIMED = True
    MUST_NAME = Noun.TARGET
    PARAMETERS = frozenset({"rate", "angle"})
    SEEKS = True

    def rows(self, step: SkillStep, timing: Timing, elapsed: float, standoff: float) -> Poses:
        """Angles at their times, from where the base looks now."""
        poses = np.full((timing.horizon, 4), np.nan)
        poses[:, 3] = self.parameters["rate"] * timing.due()
        return poses

    def is_there(self, target: SceneObject | None, settings: PolicySettings) -> bool:
        """Whether it is seen, and ahead if anybody knows where it is."""
        if target is not None and target.position is None:
            return True
        return self.faces(target)

    @property
    def duration(self) -> float:
        """Seconds in which the base has turned once around, and `angle` beyond on both sides."""
        return 2 * (math.pi + self.parameters["angle"]) / self.parameters["rate"]

    def check_effect(
        self, step: SkillStep, seen: Sequence[SceneObject], observation: Observation
    ) -> None:
        """It has not been found in time."""
        raise Refusal(
            Reason.TARGET_NOT_FOUND,
            "I turned once around and did not see it: bring me to another place, or name another",
            final=True,
        )
