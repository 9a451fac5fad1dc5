"""The policy made of skills: it plans them, follows their objects, and moves step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vlam_ros.configuration import ActionSettings, PolicySettings
from vlam_ros.errors import ConfigurationError
from vlam_ros.perception.referring import floor_distance, located
from vlam_ros.perception.tracking import referent
from vlam_ros.policies.skills.measured import travelled
from vlam_ros.policies.skills.plan import (
    closes,
    remembered,
    sighting_of,
    trace_of,
    with_objects,
)
from vlam_ros.policies.skills.skill import Poses, Skill, Timing, action_space
from vlam_ros.types import (
    Instruction,
    Missing,
    Noun,
    Observation,
    Odometry,
    Placement,
    Plan,
    PoseFrame,
    Progress,
    Proposal,
    Reason,
    Refusal,
    Scene,
    SceneObject,
    SkillStep,
    Task,
)
from vlam_ros.verification import check_age, is_within, unplaced

NEAREST = 0.05
"""Metres beyond the stand-off point from where an approach need not come nearer."""
REST_SPEED, REST_TURN = 0.03, 0.06
"""m/s and rad/s below which the base is at rest."""
APPROACH = "go_to"
"""The motion that brings the base to where the arm reaches."""


class SkillPlanner:
    """Plans the skills of `config/skills.yaml` and moves as their classes say."""

    name = "skills"

    def __init__(
        self, skills: Sequence[Skill], settings: PolicySettings, action: ActionSettings
    ) -> None:
        """Check that every skill has a motion.

        Raises:
            ActionError: the action settings make no action space.
            ConfigurationError: a skill has no motion, or is not defined as its motion needs it.
        """
        self._skill = {skill.name: skill for skill in skills}
        self._settings = settings
        self._timing = Timing(action.horizon, action.step, action.start_offset)
        self.space = action_space(skills, action)
        for skill in skills:
            skill.check(action.step)
        # The first of each motion is taken where a plan needs one that nobody named.
        self._of_motion = {skill.motion: skill for skill in reversed(skills)}
        if "place" in self._of_motion and "pick_up" not in self._of_motion:
            raise ConfigurationError("skill place takes picking up first: define pick_up as well")

    def reset(self) -> None:
        """It remembers nothing."""

    def infer(
        self, observation: Observation, task: Task, scene: Scene, progress: Progress
    ) -> Proposal:
        """Plan the task, or go on with its plan: the rows of the current step.

        Returns:
            A refusal with INSTRUCTION_INVALID, TARGET_NOT_FOUND, DESTINATION_NOT_FOUND,
            TARGET_AMBIGUOUS, NO_POSITION or STALE_SENSOR, or PRECONDITION where a step whose time
            is over had no effect.
        """
        plan, seen = Plan(), scene.objects
        following = progress
        try:
            plan = self.outline(task)
            grounded = self.ground(plan, task.instruction, observation, seen, progress)
            advanced = self.advance(grounded, observation, seen)
            following = progress.held_back(advanced)
            plan = advanced.plan or plan
            if not plan.to_come:
                return Proposal(plan, advanced, confidence=task.confidence, done=True)
            plan = self._detailed(plan)
            rows = self.rows(plan, advanced.elapsed(observation.stamp))
        except Refusal as refusal:
            kept = following if refusal.final else following.interrupted()
            return Proposal(plan, kept, refusal=refusal)
        used = [o for s in plan.to_come for o in (s.target, s.destination) if o]
        since = advanced.since or observation.stamp
        return Proposal(
            plan,
            replace(advanced, plan=plan, since=since),
            rows,
            min([task.confidence, *(o.score for o in used)]),
        )

    # --------------------------------------------------------------------------- steps

    def outline(self, task: Task) -> Plan:
        """The steps that a task takes, before anything is looked for.

        What the arm acts on is gone to first, where the robot can go to anything.

        Raises:
            Refusal: INSTRUCTION_INVALID if the instruction does not name what the skill needs, or
                names what it has no use for.
        """
        skill, instruction = self._skill[task.skill], task.instruction
        # A robot told to stop stops, whatever else the sentence says.
        if skill.id != 0:
            _check_nouns(skill, instruction)
        motions = skill.motions_before(instruction)
        chain = [*(self._of_motion[motion] for motion in motions), skill]
        steps: list[SkillStep] = []
        for each in chain:
            step = each.step(instruction)
            if step.pose_of is PoseFrame.TOOL and APPROACH in self._of_motion:
                # To the target, or for a step without one to its destination.
                to = step.nouns[0] or step.nouns[1]
                approach = SkillStep(
                    self._of_motion[APPROACH].name, nouns=(to, None), approach=True
                )
                steps.append(approach)
            steps.append(step if each is skill else replace(step, placement=Placement.NONE))
        return Plan(tuple(steps), trace=trace_of(steps, instruction))

    def ground(
        self,
        outline: Plan,
        instruction: Instruction,
        observation: Observation,
        seen: Sequence[SceneObject],
        progress: Progress,
    ) -> Progress:
        """The progress with the objects of the steps to come, and where those were seen last.

        What was chosen for an earlier image is followed by its place; see `perception.tracking`.
        While the arm moves, and hides what it moves, the objects stay where they were. What the
        gripper already holds need not be picked up.

        Raises:
            Refusal: TARGET_NOT_FOUND, DESTINATION_NOT_FOUND, TARGET_AMBIGUOUS or NO_POSITION; or as
                `travelled` for a step that odometry measures.
        """
        plan = progress.plan or outline
        taking = next((i for i, s in enumerate(plan.steps) if closes(s)), None)
        if taking is not None and _is_held(instruction, observation, progress):
            plan = replace(plan, current=max(plan.current, taking + 1))
        elif progress.plan and progress.arm_moves:
            return remembered(progress.plan, instruction, observation, progress)
        found = self._found(plan, instruction, observation, seen, progress)
        grounded = replace(
            progress,
            plan=with_objects(plan, found, instruction),
            target=sighting_of(found.get(Noun.TARGET), progress.target, observation, seen),
            destination=sighting_of(
                found.get(Noun.DESTINATION), progress.destination, observation, seen
            ),
        )
        return travelled(grounded, observation)

    def _found(
        self,
        plan: Plan,
        instruction: Instruction,
        observation: Observation,
        seen: Sequence[SceneObject],
        progress: Progress,
    ) -> dict[Noun, SceneObject]:
        """What the nouns of the steps to come mean."""
        # A search need not see what it is for, and is over as soon as it does.
        if any(self._skill[step.skill].SEEKS for step in plan.to_come):
            wanted = instruction.named[Noun.TARGET].text
            sought = [o for o in seen if o.phrase == wanted and o.confirmed]
            return {Noun.TARGET: sought[0]} if sought else {}
        nouns = {noun for step in plan.to_come for noun in step.nouns}
        found: dict[Noun, SceneObject] = {}
        for noun in instruction.named:
            if noun in nouns:
                found[noun] = referent(
                    noun,
                    instruction,
                    observation,
                    seen,
                    progress,
                    self._settings.ambiguity,
                    found.get(Noun.TARGET),
                )
        return found

    def advance(
        self, progress: Progress, observation: Observation, seen: Sequence[SceneObject]
    ) -> Progress:
        """Go on to the next step if the current one has had its effect.

        Motions of the base are done as soon as the robot stands right, even before they began;
        motions of the arm are judged when their time is over.

        Raises:
            Refusal: STALE_SENSOR; or the effect of a step whose time is over cannot be confirmed.
        """
        plan = progress.plan
        if plan is None:
            raise ValueError("a plan is grounded before it is advanced")
        check_age("image", observation.stamp, observation.now, self._settings.max_image_age)
        while plan.to_come:
            step = plan.to_come[0]
            skill = self._skill[step.skill]
            if closes(step) and step.target and observation.holding and progress.since:
                progress = replace(progress, held=step.target.phrase)
            if step.pose_of is PoseFrame.TOOL or not self._is_reached(plan, observation):
                elapsed = progress.elapsed(observation.stamp)
                if not progress.since or elapsed < skill.duration:
                    break
                skill.check_effect(step, seen, observation)
            plan = replace(plan, current=plan.current + 1)
            progress = replace(progress, plan=plan, since=0)
        return progress

    # --------------------------------------------------------------------------- motion

    def rows(self, plan: Plan, elapsed: float) -> Poses:
        """The rows [H,5] of the current step, `elapsed` s after it began."""
        step = plan.to_come[0]
        skill, standoff = self._skill[step.skill], self._settings.standoff
        poses = skill.rest(self._timing)
        if poses is None or not self._is_near(plan):
            poses = skill.rows(step, self._timing, elapsed, standoff)
        return np.column_stack([np.full(len(poses), float(skill.id)), poses])

    def _detailed(self, plan: Plan) -> Plan:
        """The plan with the keyframes of what is done from where the base stands.

        Raises:
            Refusal: NO_POSITION if nobody knows where an object of the steps to come is.
        """
        for step in plan.to_come:
            for thing in (step.target, step.destination):
                if thing is not None and thing.position is None:
                    raise unplaced(thing)
        steps = list(plan.steps)
        for index, step in enumerate(plan.to_come, plan.current):
            if index > plan.current and (step.approach or steps[plan.current].approach):
                break
            steps[index] = replace(step, keyframes=self._keyframes(step))
        return replace(plan, steps=tuple(steps))

    def _keyframes(self, step: SkillStep) -> Poses:
        return self._skill[step.skill].keyframes(step, self._settings.standoff)

    def _is_reached(self, plan: Plan, observation: Observation) -> bool:
        """Whether a motion of the base has come to its end, or is not needed."""
        seeks = self._skill[plan.to_come[0].skill].SEEKS
        return (seeks or _stands(observation.odometry)) and self._is_near(plan)

    def _is_near(self, plan: Plan) -> bool:
        """Whether the base is where its motion leads: an approach, where the arm reaches all that
        it has to, or as near as an approach comes.
        """
        step, settings = plan.to_come[0], self._settings
        there = self._skill[step.skill].is_over(step, settings)
        if not step.approach:
            return there
        following = plan.to_come[1]
        if any(o.position is None for o in (following.target, following.destination) if o):
            return False
        if there and floor_distance(located(step.target)) <= settings.standoff + NEAREST:
            return True
        return is_within(self._keyframes(following), settings.reach, settings.reach_ahead)


def _check_nouns(skill: Skill, instruction: Instruction) -> None:
    for noun in Noun:
        phrase = instruction.named.get(noun)
        if phrase is None and noun in skill.needs:
            raise Refusal(
                Reason.INSTRUCTION_INVALID,
                f"{skill.said} needs a {noun.value}: name it, as in '{skill.example}'",
            )
        if phrase is not None and noun not in skill.needs | skill.accepts:
            raise Refusal(
                Reason.INSTRUCTION_INVALID,
                f"{skill.said} takes no {noun.value}: leave out '{phrase.text}', or say "
                "what to do with it",
            )


def _is_held(instruction: Instruction, observation: Observation, progress: Progress) -> bool:
    """Whether what is to be picked up is in the gripper: it was picked up for an earlier
    instruction, or the picking up was interrupted after the gripper had closed.
    """
    target = instruction.target
    return bool(
        target and observation.holding and target.text == progress.held and not progress.since
    )


def _stands(odometry: Odometry | Missing) -> bool:
    """Whether the base is at rest, as far as anybody knows."""
    if isinstance(odometry, Missing):
        return True
    return abs(odometry.speed) <= REST_SPEED and abs(odometry.yaw_rate) <= REST_TURN
