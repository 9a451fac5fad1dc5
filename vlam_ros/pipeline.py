"""The whole system as one call: an observation and an instruction in, a decision out.

parse → perceive → choose and plan → verify → act → encode. What must not become a motion leaves as
a Refusal and ends, like every fault, in a chunk that stops the robot and says why.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from vlam_ros.actions import STOP, ActionTokenizer, stop_chunk
from vlam_ros.configuration import ActionSettings, Settings
from vlam_ros.errors import InstructionError
from vlam_ros.language import parse_instruction
from vlam_ros.perception import Grounder, Perceiver, is_confirmed, unknown_words
from vlam_ros.policies import Policy, Refusal, SkillPolicy, choose_skill, load_skills, means_stop
from vlam_ros.types import (
    ActionChunk,
    Decision,
    Instruction,
    InstructionRequest,
    Missing,
    Observation,
    Outcome,
    Plan,
    PlanState,
    Reason,
    Scene,
    Uint16Array,
    Verdict,
)

FRAME = "base_link"
"""The frame of all poses: the robot's base at the stamp of the image."""

_log = logging.getLogger(__name__)


class Pipeline:
    """Decides what the robot does, one observation at a time.

    All it remembers is `state`: the same arguments in the same order after a `reset` give the same
    decisions, but for the seconds in the scene. Calls must not overlap.
    """

    def __init__(
        self, grounder: Grounder, perceiver: Perceiver, policy: Policy, action: ActionSettings
    ) -> None:
        self.grounder = grounder
        self.perceiver = perceiver
        self.policy = policy
        self.state = PlanState()
        self._tokenizer = ActionTokenizer(policy.space)
        self._step = round(action.step * 1e9)
        self._start_offset = round(action.start_offset * 1e9)

    @classmethod
    def from_settings(cls, settings: Settings) -> Pipeline:
        """Load the models and the skills.

        Raises:
            ModelError: a checkpoint cannot be used on the requested device.
            ConfigurationError: the skills cannot be read, or do not fit the actions.
        """
        model, action = settings.model, settings.action
        # First what is quick to fail.
        policy = SkillPolicy(load_skills(settings.policy.skills), settings.policy, action)
        grounder = Grounder.from_pretrained(
            model.name_or_path,
            model.device,
            model.dtype,
            clip=model.clip,
            backend=model.backend,
            compiled=model.compiled,
            adapter=model.adapter,
        )
        return cls(grounder, Perceiver(grounder, settings.perception), policy, action)

    def warm_up(self) -> None:
        """Run the models once, so that the first instruction does not wait for their start."""
        image = np.zeros((480, 640, 3), np.uint8)
        blank = Observation(0, 0, image, Missing("there is no camera in the warm-up"))
        self.perceiver.perceive(blank, ["object"])
        self.grounder.second_look([image], ["object"], [["object"]])
        prompts = [prompt for skill in self.policy.skills for prompt in skill.prompts]
        self.grounder.text_similarity("stop", prompts)

    def reset(self) -> None:
        """Forget the instruction and how far it was done."""
        self.state = PlanState()

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        """Decide on one observation; faults become HOLD decisions, nothing is raised.

        A request other than the last one cancels the plan at once. The same request goes on with
        its plan, and stays DONE when it is done. A stop is DONE at once, by its one STOP row.
        """
        if request != self.state.request:
            self.state = PlanState(request, held=self.state.held)
        scene, plan = Scene(observation.stamp), Plan()
        policy, grounder = self.policy, self.grounder
        try:
            instruction = self._parse(request)
            if means_stop(policy.skills, grounder, instruction.skill_phrase):
                plan = policy.outline(policy.skills[STOP], instruction)
                return self._decision(scene, plan, Verdict(Outcome.DONE, confidence=1.0))

            self._check_words(instruction)
            nouns = [p for p in (instruction.target, instruction.destination) if p]
            phrases = [text for noun in nouns for text in noun.texts]
            scene, features = self.perceiver.perceive(observation, phrases, phrases)
            seen = [
                replace(o, confirmed=is_confirmed(o, grounder.calibration)) for o in scene.objects
            ]

            skill, probability = choose_skill(
                policy.skills,
                grounder,
                instruction,
                lambda texts: grounder.similarity(features, texts),
                self.state.plan,
            )
            plan = policy.outline(skill, instruction)
            before = self.state
            state = policy.ground(plan, instruction, observation, seen, before)
            state = policy.advance(state, observation, seen)
            plan = state.plan or plan
            # What was done and seen stays so, even if what comes next must not be executed.
            if before.since and state.current != before.current:
                self.state = state
            elif before.plan:
                self.state = replace(
                    before, target=state.target, destination=state.destination, held=state.held
                )
            if state.current == len(plan.steps):
                self.state = state
                return self._decision(scene, plan, Verdict(Outcome.DONE, confidence=probability))

            remark = policy.verify(state, observation)
            waypoints = policy.act(state, observation)
            tokens = self._tokenizer.encode(waypoints.values, waypoints.used)
            self.state = replace(state, since=state.since or observation.stamp)
            used = [o for s in plan.steps[plan.current :] for o in (s.target, s.destination) if o]
            confidence = min([probability, *(o.score for o in used)])
            verdict = Verdict(Outcome.EXECUTE, message=remark, confidence=confidence)
            return self._decision(scene, plan, verdict, tokens)
        except Refusal as refusal:
            if not refusal.final:
                self.state = replace(self.state, since=0)
            verdict = Verdict(Outcome.HOLD, refusal.reason, refusal.message)
        except Exception as error:
            _log.exception("no decision on %r", request)
            self.state = replace(self.state, since=0)
            message = f"{type(error).__name__}: {error}; the log of the node says where"
            verdict = Verdict(Outcome.HOLD, Reason.INTERNAL_ERROR, message)
        return self._decision(scene, plan, verdict)

    def _parse(self, request: InstructionRequest | None) -> Instruction:
        if request is None:
            raise Refusal(Reason.NO_INSTRUCTION, "no instruction yet: say what to do")
        try:
            return parse_instruction(request.text)
        except InstructionError as error:
            raise Refusal(Reason.INSTRUCTION_INVALID, str(error)) from error

    def _check_words(self, instruction: Instruction) -> None:
        """Refuse nouns that the checkpoint never saw: it would take the nearest thing for them."""
        for phrase, reason in (
            (instruction.target, Reason.TARGET_NOT_FOUND),
            (instruction.destination, Reason.DESTINATION_NOT_FOUND),
        ):
            for text in phrase.texts if phrase else ():
                for word in unknown_words(text, self.grounder.calibration):
                    raise Refusal(reason, f"the model does not know '{word}': use other words")

    def _decision(
        self, scene: Scene, plan: Plan, verdict: Verdict, tokens: Uint16Array | None = None
    ) -> Decision:
        """The decision with its chunk; without tokens it stops the robot."""
        space, request = self.policy.space, self.state.request or InstructionRequest("")
        if tokens is None:
            chunk = stop_chunk(
                stamp=scene.stamp,
                frame_id=FRAME,
                space=space,
                step=self._step,
                request=request,
                verdict=verdict,
                trace=plan.trace,
            )
        else:
            chunk = ActionChunk(
                stamp=scene.stamp,
                frame_id=FRAME,
                space=space,
                tokens=tokens,
                start_offset=self._start_offset,
                step=self._step,
                request=request,
                skill=plan.steps[plan.current].skill,
                trace=plan.trace,
                verdict=verdict,
            )
        return Decision(scene, plan, verdict, chunk)
