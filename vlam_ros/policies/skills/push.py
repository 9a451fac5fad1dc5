"""Push: the tool comes down behind an object and goes on with it in front."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vlam_ros.perception.referring import bearing, located, radius_of
from vlam_ros.policies.skills.skill import Poses
from vlam_ros.policies.skills.tool_path import ARM, ToolPath, ToolSkill, way_down
from vlam_ros.types import Noun, Observation, Reason, Refusal, SceneObject, SkillStep

_OVER, _SLOWS, _DOWN, _PUSHED = 0.18, 0.31, 0.545, 0.84
"""Shares of the duration at which the tool begins to come down, slows, is down, has pushed."""


class Push(ToolSkill, motion="push"):
    """Parameters `beside`: gap (m) between tool and object before; `distance` (m) of a push."""

    MUST_NAME = Noun.TARGET
    PARAMETERS = ARM | {"beside", "distance"}

    def vector(self, step: SkillStep) -> tuple[float, float]:
        """How far (m) and in which direction (rad) the target is pushed.

        Away from the robot; with a destination towards it, until the two touch.
        """
        x, y, _ = place = located(step.target)
        if step.destination is None:
            return self.parameters["distance"], bearing(place)
        goal_x, goal_y, _ = located(step.destination)
        gap = math.hypot(goal_x - x, goal_y - y)
        gap = gap - radius_of(step.target) - radius_of(step.destination)
        return max(0.0, gap), math.atan2(goal_y - y, goal_x - x)

    def path(self, step: SkillStep) -> ToolPath:
        """Down behind the target, seen in the direction of the push, and on."""
        x, y, _ = located(step.target)
        distance, theta = self.vector(step)
        radius, parameters = radius_of(step.target), self.parameters

        def way_to(along: float) -> Poses:
            place = x + along * math.cos(theta), y + along * math.sin(theta)
            return way_down(*place, parameters["height"], theta, parameters)

        start, end = way_to(-radius - parameters["beside"]), way_to(distance - radius)
        times = np.array([0.0, _OVER, _SLOWS, _DOWN, _PUSHED, 1.0])
        return ToolPath(self.duration * times, np.stack([*start, end[-1], end[0]]))

    def check_effect(
        self, step: SkillStep, seen: Sequence[SceneObject], observation: Observation
    ) -> None:
        """The target has gone at least half the way, and nothing like it stands where it was."""
        old, (distance, _) = located(step.target), self.vector(step)
        name = step.target.phrase if step.target else ""
        gaps = [math.dist(o.position[:2], old[:2]) for o in seen if o.phrase == name and o.position]
        if not gaps:
            raise Refusal(
                Reason.TARGET_NOT_FOUND,
                f"I pushed '{name}' and do not see it any more: show it to me",
                final=True,
            )
        if min(gaps) < distance / 2:
            raise Refusal(
                Reason.PRECONDITION,
                f"'{name}' did not move when I pushed it: give the instruction again",
                final=True,
            )
