"""The policy made of hand-written skills: planned, verified, and executed step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vlam_ros.configuration import ActionSettings, PolicySettings
from vlam_ros.errors import ConfigurationError
from vlam_ros.policy import act, plan, progress, verify
from vlam_ros.policy.skills import PoseOf, Skill
from vlam_ros.policy.tool_path import located
from vlam_ros.types import (
    ActionSpace,
    Instruction,
    Observation,
    Plan,
    PlanState,
    SceneObject,
    SkillStep,
)


class SkillPolicy:
    """Carries out the skills of `config/skills.yaml`. Keeps no state: that is in PlanState."""

    def __init__(
        self, skills: Sequence[Skill], settings: PolicySettings, action: ActionSettings
    ) -> None:
        """Check that every skill has a motion.

        Raises:
            ActionError: the action settings make no action space.
            ConfigurationError: a skill has no motion, or is not defined as its motion needs it.
        """
        self.skills = tuple(skills)
        self.space = ActionSpace(
            tuple(skill.name for skill in skills),
            _four(action.low),
            _four(action.high),
            action.bins,
        )
        self._settings = settings
        self._timing = act.Timing(action.horizon, action.step, action.start_offset)
        self._skill = {skill.name: skill for skill in skills}
        for skill in skills:
            act.check_motion(skill, action.step)
        if "place" in self._skill and "pick_up" not in self._skill:
            raise ConfigurationError("skill place takes picking up first: define pick_up as well")

    def outline(self, skill: Skill, instruction: Instruction) -> Plan:
        """The steps of a skill before anything is looked for; see `policy.plan.outline`."""
        return plan.outline(skill, instruction)

    def advance(
        self,
        outline: Plan,
        instruction: Instruction,
        observation: Observation,
        seen: Sequence[SceneObject],
        state: PlanState,
    ) -> PlanState:
        """Go on to the next step if the current one has had its effect.

        Raises:
            Refusal: STALE_SENSOR; or the effect of a step whose time is over cannot be confirmed.
        """
        if state.current == len(outline.steps):
            return state
        limit = self._settings.max_image_age
        verify.check_age("picture", observation.stamp, observation.now, limit)
        step = (state.plan or outline).steps[state.current]
        skill = self._skill[step.skill]
        if skill.pose_of is PoseOf.TOOL or not self._is_there(skill, instruction, seen):
            if not state.since or self._elapsed(observation, state) < progress.duration(skill):
                return state
            progress.check_effect(step, skill, seen, observation.gripper)
        known = state.plan or outline
        return replace(state, current=state.current + 1, since=0, plan=known)

    def ground(
        self,
        outline: Plan,
        instruction: Instruction,
        seen: Sequence[SceneObject],
        state: PlanState,
    ) -> Plan:
        """The plan with its objects; see `policy.plan.ground`.

        While the arm moves, and hides what it moves, the objects stay as they were.
        """
        known = state.plan or outline
        if state.since and self._skill[known.steps[state.current].skill].pose_of is PoseOf.TOOL:
            return known
        return plan.ground(known, state.current, instruction, seen, self._settings.ambiguity)

    def verify(self, grounded: Plan, observation: Observation, state: PlanState) -> str:
        """Run the checks of `policy.verify` on all steps to come.

        Returns:
            A remark on what could not be checked, empty if there is nothing to remark.

        Raises:
            Refusal: NO_POSITION, UNREACHABLE, PATH_BLOCKED, STALE_SENSOR or PRECONDITION.
        """
        settings, to_come = self._settings, grounded.steps[grounded.current :]
        for step in to_come:
            verify.check_positions(step, settings.max_spread)
        for step in to_come:
            poses = act.keyframes(step, self._skill[step.skill], settings.standoff)
            verify.check_reach(step, self._skill[step.skill], poses, self.space, settings.reach)
        remark = ""
        if to_come[0].skill == "go_to":
            goal = act.standoff_point(located(to_come[0].target), settings.standoff)
            remark = verify.check_path(
                to_come[0], goal, observation, settings.corridor, settings.max_image_age
            )
        if not state.since:
            verify.check_gripper(self._skill[to_come[0].skill], observation.gripper)
        return remark

    def act(self, grounded: Plan, observation: Observation, state: PlanState) -> act.Waypoints:
        """The rows of the current step; see `policy.act.waypoints`."""
        step: SkillStep = grounded.steps[grounded.current]
        elapsed = self._elapsed(observation, state) if state.since else 0.0
        return act.waypoints(
            step, self._skill[step.skill], self._timing, self._settings.standoff, elapsed
        )

    def _is_there(
        self, skill: Skill, instruction: Instruction, seen: Sequence[SceneObject]
    ) -> bool:
        assert instruction.target, "the outline has checked that a target is named"
        return progress.base_is_there(skill, instruction.target, seen, self._settings)

    def _elapsed(self, observation: Observation, state: PlanState) -> float:
        return (observation.stamp - state.since) * 1e-9


def _four(values: Sequence[float]) -> tuple[float, float, float, float]:
    x, y, z, theta = values
    return x, y, z, theta
