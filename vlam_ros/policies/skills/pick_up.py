"""Pick up: the tool comes down on an object, the gripper closes, and the tool goes up again."""

from __future__ import annotations

from collections.abc import Sequence

from vlam_ros.perception.referring import bearing, located
from vlam_ros.policies.skills.skill import check_gripper
from vlam_ros.policies.skills.tool_path import ARM, ToolPath, ToolSkill, down_and_up
from vlam_ros.types import GripperEffect, Noun, Observation, SceneObject, SkillStep


class PickUp(ToolSkill, motion="pick_up"):
    """Parameter `press`: how far (m) below the object's middle a suction cup is sent."""

    GRIPPER = GripperEffect.CLOSE
    MUST_NAME = Noun.TARGET
    NOUNS = (Noun.TARGET, None)
    PARAMETERS = ARM | {"press"}

    def path(self, step: SkillStep) -> ToolPath:
        """Down on the object's middle, but not lower than `height` over the floor."""
        place = located(step.target)
        low = max(place[2] - self.parameters["press"], self.parameters["height"])
        return down_and_up(place, bearing(place), low, self.parameters)

    def check_effect(
        self, step: SkillStep, seen: Sequence[SceneObject], observation: Observation
    ) -> None:
        """The gripper holds something."""
        check_gripper(self, observation, holding=True)
