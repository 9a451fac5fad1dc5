"""Whether a step that was executed had its effect, as the next observations show it.

Motions of the base are done as soon as the robot stands right, even before they began. Motions of
the arm are judged when their time is over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vlam_ros.configuration import PolicySettings
from vlam_ros.perception.referring import bearing, floor_distance, located
from vlam_ros.policies.skills.definitions import PoseOf, Skill, said
from vlam_ros.policies.skills.tool_path import push_vector
from vlam_ros.types import (
    GripperState,
    Missing,
    Odometry,
    Reason,
    SceneObject,
    SkillStep,
)
from vlam_ros.types.refusal import Refusal

REST_SPEED, REST_TURN = 0.03, 0.06
"""m/s and rad/s below which the base is at rest."""


def base_is_there(skill: Skill, target: SceneObject | None, settings: PolicySettings) -> bool:
    """Whether go_to, turn_to or search has reached what it is for; the target may be unseen.

    A search goes on until what it has found is well in the image: it turns on for a moment.
    """
    place = target.position if target else None
    if place is None:
        return skill.name == "search" and target is not None
    if abs(bearing(place)) > skill.parameters["angle"]:
        return False
    if skill.name != "go_to":
        return True
    return floor_distance(place) <= settings.standoff + skill.parameters["tolerance"]


def stands(odometry: Odometry | Missing) -> bool:
    """Whether the base is at rest, as far as anybody knows."""
    if isinstance(odometry, Missing):
        return True
    return abs(odometry.speed) <= REST_SPEED and abs(odometry.yaw_rate) <= REST_TURN


def duration(skill: Skill) -> float:
    """Seconds after which a step must have had its effect; infinite for closed loops."""
    if skill.name == "search":
        return 2 * (math.pi + skill.parameters["angle"]) / skill.parameters["rate"]
    return skill.parameters["duration"] if skill.pose_of is PoseOf.TOOL else math.inf


def check_effect(
    step: SkillStep, skill: Skill, seen: Sequence[SceneObject], gripper: GripperState | Missing
) -> None:
    """A final Refusal unless a step whose time is over had its effect."""
    if skill.name == "search":
        raise Refusal(
            Reason.TARGET_NOT_FOUND,
            "I turned once around and did not see it: bring me to another place, or name another",
            final=True,
        )
    if skill.name == "push":
        _check_pushed(step, skill, seen)
    else:
        _check_gripper(skill, gripper, holding=skill.name == "pick_up")


def _check_gripper(skill: Skill, gripper: GripperState | Missing, holding: bool) -> None:
    if isinstance(gripper, Missing):
        raise Refusal(
            Reason.PRECONDITION,
            f"I cannot tell whether I could {said(skill.name)} ({gripper.reason}): publish the "
            "topic gripper_state",
            final=True,
        )
    if gripper.holding is not holding:
        found = "still holds something" if gripper.holding else "is empty"
        raise Refusal(
            Reason.PRECONDITION,
            f"after {said(skill.name)} the gripper {found}: give the instruction again",
            final=True,
        )


def _check_pushed(step: SkillStep, skill: Skill, seen: Sequence[SceneObject]) -> None:
    """The target has gone at least half the way, and nothing like it stands where it was."""
    old, (distance, _) = located(step.target), push_vector(step, skill.parameters)
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
