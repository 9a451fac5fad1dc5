"""The policy made of hand-written skills: planned, verified, and executed step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vlam_ros.configuration import ActionSettings, PolicySettings
from vlam_ros.errors import ConfigurationError
from vlam_ros.perception.referring import floor_distance, located
from vlam_ros.policies.skills import motions as act
from vlam_ros.policies.skills import plan, progress
from vlam_ros.policies.skills.definitions import PoseOf, Skill
from vlam_ros.types import (
    ActionSpace,
    Instruction,
    Missing,
    Observation,
    Plan,
    PlanState,
    SceneObject,
    SkillStep,
)
from vlam_ros.verification import checks as verify

NEAREST = 0.05
"""Metres beyond the stand-off point from where an approach need not come nearer."""


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
        names = [skill.name for skill in skills]
        self.space = ActionSpace.of(names, action.low, action.high, action.bins)
        self._settings = settings
        self._timing = act.Timing(action.horizon, action.step, action.start_offset)
        self._skill = {skill.name: skill for skill in skills}
        for skill in skills:
            act.check_motion(skill, action.step)
        if "place" in self._skill and "pick_up" not in self._skill:
            raise ConfigurationError("skill place takes picking up first: define pick_up as well")

    def outline(self, skill: Skill, instruction: Instruction) -> Plan:
        """The steps of a skill before anything is looked for; see `policy.plan.outline`."""
        return plan.outline(skill, instruction, drives="go_to" in self._skill)

    def ground(
        self,
        outline: Plan,
        instruction: Instruction,
        observation: Observation,
        seen: Sequence[SceneObject],
        state: PlanState,
    ) -> PlanState:
        """The state with the plan's objects; see `policy.plan.ground`.

        While the arm moves, and hides what it moves, the objects stay where they were. What the
        gripper already holds need not be picked up.
        """
        known = state.plan or outline
        skills = [step.skill for step in known.steps]
        if "pick_up" in skills and self._is_held(instruction, observation, state):
            current = max(state.current, skills.index("pick_up") + 1)
            state = replace(state, plan=replace(known, current=current), current=current)
        if state.plan and state.since and self._uses_arm(state.plan.steps[state.current]):
            return plan.remembered(instruction, observation, state)
        return plan.ground(outline, instruction, observation, seen, state, self._settings.ambiguity)

    def advance(
        self, state: PlanState, observation: Observation, seen: Sequence[SceneObject]
    ) -> PlanState:
        """Go on to the next step if the current one has had its effect.

        Raises:
            Refusal: STALE_SENSOR; or the effect of a step whose time is over cannot be confirmed.
        """
        steps = _planned(state).steps
        limit = self._settings.max_image_age
        verify.check_age("image", observation.stamp, observation.now, limit)
        while state.current < len(steps):
            step = steps[state.current]
            skill = self._skill[step.skill]
            if step.skill == "pick_up" and step.target and _holds(observation) and state.since:
                state = replace(state, held=step.target.phrase)
            if skill.pose_of is PoseOf.TOOL or not self._is_reached(state, observation):
                elapsed = self._elapsed(observation, state)
                if not state.since or elapsed < progress.duration(skill):
                    break
                progress.check_effect(step, skill, seen, observation.gripper)
            following = state.current + 1
            grounded = replace(_planned(state), current=following)
            state = replace(state, current=following, since=0, plan=grounded)
        return state

    def verify(self, state: PlanState, observation: Observation) -> str:
        """Run the checks of `policy.verify` on all steps to come.

        What the arm will do after a drive is checked when it is there.

        Returns:
            A remark on what could not be checked, empty if there is nothing to remark.

        Raises:
            Refusal: NO_POSITION, UNREACHABLE, PATH_BLOCKED, STALE_SENSOR or PRECONDITION.
        """
        settings, grounded = self._settings, _planned(state)
        to_come = grounded.steps[grounded.current :]
        for step in to_come:
            verify.check_positions(step, settings.max_spread)
        drives = plan.is_approach(grounded, grounded.current)
        for step in to_come[: 1 if drives else None]:
            if step.skill == "go_to" and step is not to_come[0]:
                break
            poses = act.keyframes(step, self._skill[step.skill], settings.standoff)
            verify.check_reach(
                step,
                self._skill[step.skill],
                poses,
                self.space,
                settings.reach,
                settings.reach_ahead,
            )
        remark = ""
        if to_come[0].skill == "go_to":
            goal = act.standoff_point(located(to_come[0].target), settings.standoff)
            remark = verify.check_path(
                to_come[0], goal, observation, settings.corridor, settings.max_image_age
            )
        if drives or not state.since:
            verify.check_gripper(self._skill[to_come[drives].skill], observation.gripper)
        return remark

    def act(self, state: PlanState, observation: Observation) -> act.Waypoints:
        """The rows of the current step; see `policy.act.waypoints`."""
        step = _planned(state).steps[state.current]
        skill = self._skill[step.skill]
        if step.skill == "go_to" and self._is_near(state):
            return act.stay(skill, self._timing)
        return act.waypoints(
            step, skill, self._timing, self._settings.standoff, self._elapsed(observation, state)
        )

    def _uses_arm(self, step: SkillStep) -> bool:
        return self._skill[step.skill].pose_of is PoseOf.TOOL

    def _is_reached(self, state: PlanState, observation: Observation) -> bool:
        """Whether a motion of the base has come to its end, or is not needed."""
        step = _planned(state).steps[state.current]
        if step.skill != "search" and not progress.stands(observation.odometry):
            return False
        return self._is_near(state)

    def _is_near(self, state: PlanState) -> bool:
        """Whether the base is where its motion leads: an approach, where the arm reaches all that
        it has to, or as near as an approach comes.
        """
        grounded, settings = _planned(state), self._settings
        step = grounded.steps[state.current]
        there = progress.base_is_there(self._skill[step.skill], step.target, settings)
        if not plan.is_approach(grounded, state.current):
            return there
        following = grounded.steps[state.current + 1]
        if any(o.position is None for o in (following.target, following.destination) if o):
            return False
        if there and floor_distance(located(step.target)) <= settings.standoff + NEAREST:
            return True
        poses = act.keyframes(following, self._skill[following.skill], settings.standoff)
        return verify.is_within(poses, settings.reach, settings.reach_ahead)

    def _is_held(
        self, instruction: Instruction, observation: Observation, state: PlanState
    ) -> bool:
        """Whether what is to be picked up is in the gripper: it was picked up for an earlier
        instruction, or the picking up was interrupted after the gripper had closed.
        """
        target = instruction.target
        return bool(
            target and _holds(observation) and target.text == state.held and not state.since
        )

    def _elapsed(self, observation: Observation, state: PlanState) -> float:
        return (observation.stamp - state.since) * 1e-9 if state.since else 0.0


def _holds(observation: Observation) -> bool:
    gripper = observation.gripper
    return not isinstance(gripper, Missing) and gripper.holding


def _planned(state: PlanState) -> Plan:
    if state.plan is None:
        raise ValueError("a state is grounded before it is acted on")
    return state.plan
