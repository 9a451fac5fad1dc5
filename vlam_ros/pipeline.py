"""The whole system as one call: an observation and an instruction in, a decision out.

parse → perceive → choose the skill → infer → verify → encode. What must not become a motion ends,
like every fault, in a chunk that stops the robot and says why.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from vlam_ros.actions import STOP, ActionTokenizer, stop_chunk
from vlam_ros.configuration import (
    ActionSettings,
    PerceptionSettings,
    PolicySettings,
    Settings,
)
from vlam_ros.errors import InstructionError
from vlam_ros.language import PLAIN, Lexicon, parse_instruction
from vlam_ros.perception import Perceiver, perceived, unknown_words
from vlam_ros.perception.answers import answer
from vlam_ros.perception.calibration import Calibration, calibrate_command
from vlam_ros.perception.clipseg import ClipsegGrounder, ImageFeatures
from vlam_ros.policies import (
    Policy,
    ReadsFeatures,
    ShowsAttention,
    Skill,
    choose_skill,
    load_skills,
    make_policy,
    means_stop,
)
from vlam_ros.policies.references import Meant, resolved
from vlam_ros.types import (
    NOT_FOUND,
    ActionChunk,
    Decision,
    Instruction,
    InstructionRequest,
    Missing,
    Observation,
    Outcome,
    Plan,
    Progress,
    Proposal,
    Query,
    Reason,
    Refusal,
    Scene,
    Task,
    Uint16Array,
    Verdict,
)
from vlam_ros.verification import Limits, check_familiar, held, verify

SCENE_CROPS = 12
"""Candidates that get a second look where everything is asked for: twice the nouns are not too many
to wait for."""
FRAME = "base_link"
"""The frame of all poses: the robot's base at the stamp of the image."""

_log = logging.getLogger(__name__)


class Pipeline:
    """Decides what the robot does, one observation at a time.

    All it remembers is the request, its `task` and the `progress` of it: the same arguments in the
    same order after a `reset` give the same decisions, but for the seconds in the scene. Calls must
    not overlap.
    """

    def __init__(
        self,
        grounder: ClipsegGrounder,
        perceiver: Perceiver,
        skills: Sequence[Skill],
        policy: Policy,
        settings: PolicySettings,
        action: ActionSettings,
        nouns: Sequence[str] = (),
        lexicon: Lexicon = PLAIN,
    ) -> None:
        """Connect the stages; `nouns` are what is looked for where only "what do you see" is asked,
        `lexicon` what words mean to this robot.
        """
        self.grounder = grounder
        self.perceiver = perceiver
        self.skills = tuple(skills)
        self.policy = policy
        self.lexicon = lexicon
        self._nouns = tuple(nouns)
        self._meant: Meant | None = None
        self._limits = Limits(settings, policy.space)
        self._tokenizer = ActionTokenizer(policy.space)
        self._step = round(action.step * 1e9)
        self._start_offset = round(action.start_offset * 1e9)
        if isinstance(policy, ReadsFeatures):
            policy.attach(grounder)
        self.progress = Progress()
        self.reset()

    @classmethod
    def from_settings(cls, settings: Settings) -> Pipeline:
        """Load the models, the skills and the policy.

        Raises:
            ModelError: a checkpoint cannot be used on the requested device.
            ConfigurationError: the skills cannot be read or do not fit the actions, or there is no
                such policy.
        """
        model, action = settings.model, settings.action
        # First what is quick to fail.
        names = _names(settings.perception)
        skills = [replace(skill, names=names) for skill in load_skills(settings.policy.skills)]
        policy = make_policy(skills, settings.policy, action)
        grounder = ClipsegGrounder.from_pretrained(
            model.name_or_path,
            model.device,
            model.dtype,
            clip=model.clip,
            backend=model.backend,
            compiled=model.compiled,
            adapter=model.adapter,
        )
        perceiver = Perceiver(grounder, settings.perception)
        words = settings.perception
        lexicon = robot_lexicon(grounder.calibration, words, skills)
        return cls(
            grounder, perceiver, skills, policy, settings.policy, action, words.nouns, lexicon
        )

    def warm_up(self) -> None:
        """Run the models once, so that the first instruction does not wait for their start."""
        image = np.zeros((480, 640, 3), np.uint8)
        blank = Observation(0, 0, image, Missing("there is no camera in the warm-up"))
        self.perceiver.perceive(blank, ["object"])
        self.grounder.second_look([image], ["object"], [["object"]])
        prompts = [prompt for skill in self.skills for prompt in skill.prompts]
        self.grounder.text_similarity("stop", prompts)

    def attention(self) -> npt.NDArray[np.float32] | None:
        """Where the policy looked when it decided last (`policies.ShowsAttention`); None if it
        cannot say.
        """
        return self.policy.attention() if isinstance(self.policy, ShowsAttention) else None

    def reset(self) -> None:
        """Forget the instruction and how far it was done."""
        self._begin(None, Progress())
        self._meant = None
        self.policy.reset()

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        """Decide on one observation; faults become HOLD decisions, nothing is raised.

        A request other than the last one cancels the task at once. The same request goes on with
        its task, and stays DONE when it is done. A stop is DONE at once, by its one STOP row,
        whatever the policy. After a fault nothing of this observation is remembered, and the
        current step begins anew.
        """
        if request != self._request:
            self._begin(request, Progress(held=self.progress.held))
        before = self.progress
        scene, plan, after, chunk = Scene(observation.stamp), Plan(), before.interrupted(), None
        try:
            instruction = self._read(observation)
            before, after = self.progress, self.progress.interrupted()
            stop, tokens = self.skills[STOP], None
            task = Task(instruction, stop.name, 1.0)
            if not self._is_stop(instruction):
                scene = self._perceive(observation, instruction)
                self._answer(instruction, scene, observation)
                task = self._choose(instruction, scene.features)
            if task.skill == stop.name:
                plan, after = Plan((stop.step(instruction),), trace=stop.said), before
                verdict = Verdict(Outcome.DONE, confidence=task.confidence)
            else:
                proposal = self.policy.infer(observation, task, scene, before)
                plan, after = proposal.plan, before.held_back(proposal.progress)
                verdict = self._verify(proposal, task, scene, observation, before)
                if verdict.outcome is Outcome.EXECUTE and proposal.rows is not None:
                    used = ~np.isnan(proposal.rows[:, 1:])
                    tokens = self._tokenizer.encode(proposal.rows, used)
                if verdict.outcome is not Outcome.HOLD or proposal.refusal is not None:
                    after = proposal.progress
            verdict = _noted(verdict, instruction)
            chunk = self._chunk(scene.stamp, plan, verdict, tokens)
            if self._request is not None and instruction.target is not None:
                self._meant = Meant.of(self._request, instruction, plan, observation)
        except Refusal as refusal:
            verdict = _noted(held(refusal), self._instruction)
        except Exception as error:
            _log.exception("no decision on %r", request)
            after = before.interrupted()
            message = f"{type(error).__name__}: {error}; the log of the node says where"
            verdict = Verdict(Outcome.HOLD, Reason.INTERNAL_ERROR, message)
        self.progress = after
        chunk = chunk or self._chunk(scene.stamp, plan, verdict, None)
        # Who keeps decisions does not keep what the towers knew of every image.
        return Decision(replace(scene, features=None), plan, verdict, chunk)

    def _verify(
        self,
        proposal: Proposal,
        task: Task,
        scene: Scene,
        observation: Observation,
        progress: Progress,
    ) -> Verdict:
        """The gate's verdict; where that is not enforced, what it would have been is only told."""
        verdict = verify(proposal, task, scene, observation, progress, self._limits)
        mode = self._limits.settings.verify
        held_back = verdict.outcome is Outcome.HOLD and proposal.refusal is None
        if mode == "enforce" or not held_back or proposal.rows is None:
            return verdict
        told = f"not enforced: {verdict.reason.name}: {verdict.message}" if mode == "report" else ""
        return Verdict(Outcome.EXECUTE, message=told, confidence=proposal.confidence)

    def _begin(self, request: InstructionRequest | None, progress: Progress) -> None:
        self._request, self.progress = request, progress
        self._instruction: Instruction | None = None
        self.task: Task | None = None
        """What is being done; None before its skill was chosen."""

    def _read(self, observation: Observation) -> Instruction:
        """The instruction, parsed once, with what it refers to."""
        if self._instruction is None:
            if self._request is None:
                raise Refusal(Reason.NO_INSTRUCTION, "no instruction yet: say what to do")
            try:
                self._instruction, self.progress = resolved(
                    parse_instruction(self._request.text, self.lexicon),
                    self._request,
                    self._meant,
                    observation,
                    self.progress,
                    self.lexicon.example,
                )
            except InstructionError as error:
                raise Refusal(Reason.INSTRUCTION_INVALID, str(error)) from error
        if self._instruction.query is Query.SKILLS:
            examples = ", ".join(f"'{skill.example}'" for skill in self.skills)
            raise Refusal(Reason.ANSWERED, f"say for example {examples}")
        return self._instruction

    def _answer(self, instruction: Instruction, scene: Scene, observation: Observation) -> None:
        """Refuse to move where only an answer is wanted; what is not seen yet may be searched."""
        query, target = instruction.query, instruction.target
        if query is Query.NONE or self.grounder.calibration is None or self._request is None:
            return
        if target is not None:
            self._meant = Meant.of(self._request, instruction, Plan(), observation)
            seen = any(o.confirmed for o in scene.of(target.text))
            if query is Query.PLACE and not seen and any(skill.SEEKS for skill in self.skills):
                return
        check_familiar(scene)
        raise Refusal(Reason.ANSWERED, answer(query, target, scene.objects))

    def _is_stop(self, instruction: Instruction) -> bool:
        asks = instruction.query is not Query.NONE
        # What says how far names its skill, and is not asked whether it is like a stop.
        if instruction.is_stop or asks or instruction.displacement is not None:
            return instruction.is_stop
        return means_stop(self.skills, self.grounder, instruction.skill_phrase)

    def _perceive(self, observation: Observation, instruction: Instruction) -> Scene:
        """The objects that the instruction names."""
        self._check_words(instruction)
        phrases: Sequence[str] = instruction.texts
        crops = None
        if instruction.query is Query.SCENE:
            phrases, crops = self._nouns, SCENE_CROPS
        calibration = self.grounder.calibration
        if phrases and calibration and calibration.is_provisional:
            command = calibrate_command(*self.grounder.name.split(" with ", 1))
            message = f"{self.grounder.name} is not calibrated, so it finds nothing: `{command}`"
            raise Refusal(Reason.LOW_CONFIDENCE, message)
        return perceived(self.perceiver, calibration, observation, phrases, crops)

    def _choose(self, instruction: Instruction, features: ImageFeatures) -> Task:
        """The task, with the skill that was chosen when its first image was seen."""
        if self.task is None:
            self.task = choose_skill(
                self.skills,
                self.grounder,
                instruction,
                lambda texts: self.grounder.similarity(features, texts),
            )
        return self.task

    def _check_words(self, instruction: Instruction) -> None:
        """Refuse nouns that the checkpoint never saw: it would take the nearest thing for them."""
        calibration = self.grounder.calibration
        for noun, phrase in instruction.named.items():
            for text in phrase.texts:
                for word in unknown_words(text, calibration):
                    competing = self.perceiver.settings
                    words = (*competing.colours, *competing.nouns)
                    known = ", ".join(w for w in words if not unknown_words(w, calibration))
                    raise Refusal(
                        NOT_FOUND[noun],
                        f"the model does not know '{word}', but among others {known}: use words "
                        f"that it knows, as in '{self.lexicon.example}'",
                    )

    def _chunk(
        self, stamp: int, plan: Plan, verdict: Verdict, tokens: Uint16Array | None
    ) -> ActionChunk:
        """The chunk of a decision; without tokens it stops the robot."""
        space, request = self.policy.space, self._request or InstructionRequest("")
        if tokens is None:
            return stop_chunk(
                stamp=stamp,
                frame_id=FRAME,
                space=space,
                step=self._step,
                request=request,
                verdict=verdict,
                trace=plan.trace,
            )
        return ActionChunk(
            stamp=stamp,
            frame_id=FRAME,
            space=space,
            tokens=tokens,
            start_offset=self._start_offset,
            step=self._step,
            request=request,
            skill=next((s.skill for s in plan.to_come), self.task.skill if self.task else ""),
            trace=plan.trace,
            verdict=verdict,
            policy=self.policy.name,
        )


def robot_lexicon(
    calibration: Calibration | None, settings: PerceptionSettings, skills: Sequence[Skill]
) -> Lexicon:
    """The words of a robot, by its parameters, its skills and what its checkpoint was taught."""
    taught = calibration.skills if calibration else None
    verbs = None
    if taught is not None:
        said = [*chain.from_iterable(taught.values()), *(p for s in skills for p in s.prompts)]
        verbs = frozenset(" ".join(said).split())
    going = next((skill for skill in skills if skill.needs), skills[STOP])
    return Lexicon.of(
        names=(*settings.nouns, *settings.colours, *settings.distractors),
        known=calibration.vocabulary if calibration else None,
        verbs=verbs,
        example=going.example,
        pattern=going.prompts[0],
    )


def _names(settings: PerceptionSettings) -> tuple[str, str]:
    """Two things that the robot knows, for examples."""

    def name(colour: str, noun: str, place: int) -> str:
        words = [
            usual if usual in known else known[place]
            for usual, known in ((colour, settings.colours), (noun, settings.nouns))
            if known
        ]
        return f"the {' '.join(words or ['object'])}"

    return name("red", "cup", 0), name("blue", "plate", -1)


def _noted(verdict: Verdict, instruction: Instruction | None) -> Verdict:
    """The verdict that also says what was read as something else."""
    if instruction is None or not instruction.notes:
        return verdict
    said = [verdict.message] if verdict.message else []
    return replace(verdict, message="; ".join([*said, *instruction.notes]))
