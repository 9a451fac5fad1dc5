"""Skills that move the base by a distance or an angle, and end where odometry says that it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vlam_ros.configuration import PolicySettings
from vlam_ros.policies.skills.skill import Skill
from vlam_ros.types import (
    Displacement,
    Instruction,
    Missing,
    Observation,
    PlanarPose,
    Progress,
    Reason,
    Refusal,
    SceneObject,
    SkillStep,
    Travel,
)

ASIDE = 0.3
"""m; a base that is farther from its way was carried, or its odometry jumped."""


class MeasuredSkill(Skill):
    """A skill whose step is over when the displacement of its instruction was made.

    Parameter `duration`: seconds in which it must have been made, once it is under way.
    """

    NOUNS = (None, None)

    def step(self, instruction: Instruction) -> SkillStep:
        """Its step, with what was asked for."""
        return replace(super().step(instruction), displacement=instruction.displacement)

    def is_over(self, step: SkillStep, settings: PolicySettings) -> bool:
        """Whether the displacement was made."""
        raise NotImplementedError

    @property
    def duration(self) -> float:
        """Seconds after which a base that has not made it is not going to."""
        return self.parameters["duration"]

    def check_effect(
        self, step: SkillStep, seen: Sequence[SceneObject], observation: Observation
    ) -> None:
        """It has not been made in time."""
        end = step.end
        left = abs(end.yaw) if self.MEASURE == "angle" else math.hypot(end.x, end.y)
        what = f"{math.degrees(left):.0f} degrees" if self.MEASURE == "angle" else f"{left:.2f} m"
        raise Refusal(
            Reason.PRECONDITION,
            f"after {self.duration:g} s {what} of '{self.said}' are left: what holds me? Free me, "
            "and give the instruction again",
            final=True,
        )


def travelled(progress: Progress, observation: Observation) -> Progress:
    """The progress of a plan whose current step moves by a displacement: how far that was made,
    and where it ends from where the base is now.

    Raises:
        Refusal: PRECONDITION without odometry, and where the base is not on its way any more;
            STALE_SENSOR if odometry was lost.
    """
    plan, here = progress.plan, observation.odometry
    if plan is None or not plan.to_come or (asked := plan.to_come[0].displacement) is None:
        return progress
    if isinstance(here, Missing):
        raise Refusal(
            Reason.STALE_SENSOR if here.lost else Reason.PRECONDITION,
            f"nobody can tell how far I move or turn: {here.reason}; publish odom",
        )
    before = progress.travel or Travel(here.pose, here.pose)
    travel = before.to(here.pose)
    end = _end(asked, travel)
    _check_on_way(asked, travel)
    steps = list(plan.steps)
    steps[plan.current] = replace(steps[plan.current], end=end)
    return replace(progress, plan=replace(plan, steps=tuple(steps)), travel=travel)


def _end(asked: Displacement, travel: Travel) -> PlanarPose:
    """Where the displacement ends, in the `base_link` of now; its yaw is what is left of a turn."""
    start, here = travel.start, travel.last
    if asked.angle:
        return PlanarPose(0.0, 0.0, asked.angle - travel.turned)
    x, y = here.into(start.out(np.array([[asked.distance, 0.0]])))[0].tolist()
    return PlanarPose(x, y, -travel.turned)


def _check_on_way(asked: Displacement, travel: Travel) -> None:
    ((x, y),) = travel.start.into(np.array([[travel.last.x, travel.last.y]])).tolist()
    low, high = sorted((0.0, asked.distance))
    off = math.hypot(x - min(max(x, low), high), y)
    if off > ASIDE:
        raise Refusal(
            Reason.PRECONDITION,
            f"odometry says that I am {off:.2f} m beside my way: was I carried, or did it jump? "
            "Give the instruction again",
            final=True,
        )
