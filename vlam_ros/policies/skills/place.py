"""Place: what the gripper holds is let go on a destination or next to it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vlam_ros.perception.referring import located, radius_of
from vlam_ros.policies.skills.skill import check_gripper
from vlam_ros.policies.skills.tool_path import ARM, ToolPath, ToolSkill, down_and_up
from vlam_ros.types import (
    GripperEffect,
    Instruction,
    Noun,
    Observation,
    Placement,
    SceneObject,
    SkillStep,
)


class Place(ToolSkill, motion="place"):
    """Parameter `beside`: the gap (m) between what is held and the destination."""

    GRIPPER = GripperEffect.OPEN
    MUST_NAME = Noun.DESTINATION
    NOUNS = (None, Noun.DESTINATION)
    PARAMETERS = ARM | {"beside"}

    def motions_before(self, instruction: Instruction) -> tuple[str, ...]:
        """Picking up X, for "put X on Y"; none for "put it on Y", with nothing named."""
        return ("pick_up",) if instruction.target else ()

    def path(self, step: SkillStep) -> ToolPath:
        """Down to `height` over the destination, or over the floor beside it."""
        x, y, z = located(step.destination)
        theta = math.atan2(y, x)
        if step.placement is not Placement.ON:
            # On the robot's side of the destination, which is where the arm reaches.
            gap = self.parameters["beside"] + radius_of(step.destination) + step.load / 2
            x, y, z = x - gap * math.cos(theta), y - gap * math.sin(theta), 0.0
        return down_and_up((x, y, z), theta, z + self.parameters["height"], self.parameters)

    def check_effect(
        self, step: SkillStep, seen: Sequence[SceneObject], observation: Observation
    ) -> None:
        """The gripper is empty."""
        check_gripper(self, observation, holding=False)
