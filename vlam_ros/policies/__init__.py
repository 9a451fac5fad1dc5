"""Policy: which skill, which objects, may it, and the waypoints; nothing here sees an image.

A policy goes by types alone: what the models measured comes in as objects and cosines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vlam_ros.policies.choose import choose_skill, means_stop
from vlam_ros.policies.skills.definitions import Skill, load_skills
from vlam_ros.policies.skills.motions import Waypoints
from vlam_ros.policies.skills.policy import SkillPolicy
from vlam_ros.types import ActionSpace, Instruction, Observation, Plan, PlanState, SceneObject
from vlam_ros.types.refusal import Refusal

__all__ = [
    "Policy",
    "Refusal",
    "Skill",
    "SkillPolicy",
    "Waypoints",
    "choose_skill",
    "load_skills",
    "means_stop",
]


class Policy(Protocol):
    """What the pipeline asks of a policy, in this order, once per observation.

    A policy has no memory: `state` is all it knows of the past. `seen` holds the confirmed objects
    of the image. Each method raises a Refusal where the robot must not go on.
    """

    @property
    def skills(self) -> tuple[Skill, ...]:
        """The skills to choose from, by id; 0 is stop."""

    @property
    def space(self) -> ActionSpace:
        """The action space of the waypoints."""

    def outline(self, skill: Skill, instruction: Instruction) -> Plan:
        """The steps of a skill, before anything is looked for."""

    def ground(
        self,
        outline: Plan,
        instruction: Instruction,
        observation: Observation,
        seen: Sequence[SceneObject],
        state: PlanState,
    ) -> PlanState:
        """The state with a plan whose steps to come have the objects that they act on."""

    def advance(
        self, state: PlanState, observation: Observation, seen: Sequence[SceneObject]
    ) -> PlanState:
        """The state after looking whether the current step has had its effect."""

    def verify(self, state: PlanState, observation: Observation) -> str:
        """Refuse what must not be executed; returns a remark on what could not be checked."""

    def act(self, state: PlanState, observation: Observation) -> Waypoints:
        """The rows of the current step, in `base_link` at the stamp of the observation."""
