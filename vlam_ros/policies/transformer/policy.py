"""The learned policy: it writes plan, claims and rows as tokens, token by token."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch

from vlam_ros.actions import STOP, ActionTokenizer
from vlam_ros.configuration import ActionSettings, PolicySettings
from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.perception.clipseg.adapters.attach import fingerprint
from vlam_ros.perception.perceiver import Float32Array
from vlam_ros.perception.tracking import referent
from vlam_ros.policies.skills.plan import (
    closes,
    remembered,
    sighting_of,
    trace_of,
    with_objects,
)
from vlam_ros.policies.skills.planner import APPROACH
from vlam_ros.policies.skills.skill import Skill, action_space
from vlam_ros.policies.transformer.checkpoint import PolicyConfig, load_policy
from vlam_ros.policies.transformer.grammar import Grammar, Written, step_text
from vlam_ros.policies.transformer.inputs import PolicyInputs, inputs_of
from vlam_ros.policies.transformer.model import WrittenTokens
from vlam_ros.policies.transformer.vocabulary import (
    ACT,
    CLAIMS,
    DONE,
    EXECUTE,
    HOLD,
    VERIFY,
    PolicyVocabulary,
)
from vlam_ros.threads import one_thread
from vlam_ros.types import (
    FloatArray,
    Instruction,
    Noun,
    Observation,
    Outcome,
    Plan,
    PoseFrame,
    Progress,
    Proposal,
    Refusal,
    Scene,
    SceneObject,
    SkillStep,
    Task,
)

BEFORE_OUTCOME = {EXECUTE: 2, HOLD: 1, DONE: 0}
"""After which token from the sign on stands x of the first row, the reason, or the sign itself."""


class TransformerPolicy:
    """Proposes what an action transformer writes about the image, the instruction and the state."""

    name = "transformer"

    def __init__(
        self, skills: Sequence[Skill], settings: PolicySettings, action: ActionSettings
    ) -> None:
        """Load the policy that the settings name.

        Raises:
            ModelError: it cannot be loaded, or was trained for other skills, actions or chunks.
        """
        self._skills, self._settings = tuple(skills), settings
        self.config, self.model = load_policy(settings.name_or_path)
        self.space = action_space(skills, action)
        self.config.check_space(self.space, action.horizon, action.step)
        self._tokenizer = ActionTokenizer(self.space)
        self._grounder: ClipsegGrounder | None = None
        self.reset()

    def attach(self, grounder: ClipsegGrounder) -> None:
        """Read the hidden states of this checkpoint from now on.

        Raises:
            ModelError: the policy was trained on another one.
        """
        self._vocabulary = checked_vocabulary(self.config, grounder)
        self.model.to(grounder.device)
        self._grounder = grounder

    def reset(self) -> None:
        """Of the past it has only what was written last, to be looked at and to be guessed from."""
        self._last: tuple[PolicyInputs, list[int]] | None = None

    def attention(self) -> Float32Array | None:
        """See ShowsAttention: when it wrote the first x, why it holds, or that all is done."""
        if self._last is None:
            return None
        inputs, tokens = self._last
        (before,) = (
            tokens[: tokens.index(self._vocabulary[sign]) + further]
            for sign, further in BEFORE_OUTCOME.items()
            if self._vocabulary[sign] in tokens
        )
        looked = self.model.attention(before, inputs)[-1]
        side = math.isqrt(len(looked))
        seen: Float32Array = looked.reshape(side, side).float().cpu().numpy()
        return seen

    def infer(
        self, observation: Observation, task: Task, scene: Scene, progress: Progress
    ) -> Proposal:
        """Write a decision, the likeliest one, and read it as a proposal.

        It writes the same where it was held back: to draw others until the gate lets one through
        is to look for the gate's errors.

        Returns:
            A refusal where it writes that it holds, with one of `vocabulary.REASONS`.
        """
        if self._grounder is None or scene.features is None:
            raise ModelError("the transformer reads what the grounder saw: attach it first")
        possible = possible_steps(self._skills, task.instruction)
        steps = {text: self._index[step.skill] for text, step in possible.items()}
        grammar = Grammar(
            self._vocabulary,
            self.space,
            self.config.horizon,
            steps,
            len(task.instruction.named),
            self.config.plans,
        )
        inputs = inputs_of(observation, task, scene, progress, self._grounder)
        if not bool(torch.isfinite(inputs.patches).all() & torch.isfinite(inputs.words).all()):
            raise ModelError("the hidden states of the towers are not finite")
        choices = grammar.choices()
        # It mostly decides as it did a moment ago.
        previous = self._last[1][1:] if self._last else []
        with one_thread():
            written = self.model.write(
                inputs,
                [self._vocabulary[ACT]],
                choices,
                draft=lambda tokens: grammar.draft(tokens, previous),
            )
        self._last = inputs, [self._vocabulary[ACT], *written.tokens]
        confidence = min(task.confidence, self._confidence(written))
        return self._proposal(
            choices.written, possible, observation, task, scene, progress, confidence
        )

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.space.names)}

    def _confidence(self, written: WrittenTokens) -> float:
        *weights, offset = self.config.confidence
        odds = float(np.dot(weights, mean_logs(written, self._vocabulary))) + offset
        return 1 / (1 + math.exp(-odds))

    def _proposal(
        self,
        written: Written,
        possible: Mapping[str, SkillStep],
        observation: Observation,
        task: Task,
        scene: Scene,
        progress: Progress,
        confidence: float,
    ) -> Proposal:
        steps = [possible[text] for text in written.plan]
        steps = [
            replace(step, approach=step.skill == self._approach and i + 1 < len(steps))
            for i, step in enumerate(steps)
        ]
        following = followed(steps, observation, task, scene, progress, self._settings.ambiguity)
        plan = following.plan or Plan()
        if written.outcome is Outcome.HOLD:
            refusal = Refusal(written.reason, _said(written))
            return Proposal(plan, progress.held_back(following).interrupted(), refusal=refusal)
        if written.outcome is Outcome.DONE:
            return finished(following, confidence)
        assert written.rows is not None
        return Proposal(plan, following, self._tokenizer.decode(written.rows), confidence)

    @cached_property
    def _approach(self) -> str:
        return next((skill.name for skill in self._skills if skill.motion == APPROACH), "")


def checked_vocabulary(config: PolicyConfig, grounder: ClipsegGrounder) -> PolicyVocabulary:
    """The vocabulary of a policy on the checkpoint that it reads.

    Raises:
        ModelError: it was trained on another checkpoint.
    """
    checkpoint = grounder.checkpoint
    if fingerprint(checkpoint.model, grounder.precision) != config.tower_prints.get(
        grounder.precision
    ):
        raise ModelError(
            f"the policy was trained on what {config.tower} sees, the robot sees with "
            f"{grounder.name}: set model.name_or_path to that, or train another policy"
        )
    vocabulary = PolicyVocabulary(checkpoint.tokenizer, config.bins)
    if len(vocabulary) != config.model.tokens or len(checkpoint.tokenizer) != config.pieces:
        raise ModelError(
            f"the policy writes {config.model.tokens} tokens, with the words of {grounder.name} "
            f"there are {len(vocabulary)}: train it again"
        )
    return vocabulary


def mean_logs(written: WrittenTokens, vocabulary: PolicyVocabulary) -> FloatArray:
    """The mean logarithms of the probabilities of a decision's tokens, float64[4]: of plan and
    places, of the claims, of what it comes to, and of the rows; 0 of what it has not.
    """
    tokens, logs = written.tokens, np.array(written.log_probabilities)
    sign = vocabulary[VERIFY]
    claims = tokens.index(sign) + 1 if sign in tokens else 0
    ends = claims, claims and claims + len(CLAIMS)
    # The sign, and the command of the first row, or why it holds.
    parts = np.split(logs, (*ends, ends[1] + 2))
    return np.array([part.mean() if len(part) else 0.0 for part in parts])


def possible_steps(skills: Sequence[Skill], instruction: Instruction) -> dict[str, SkillStep]:
    """The steps that a plan about an instruction can be made of, by how they are written."""
    steps = []
    for skill in skills:
        if skill.id == STOP:
            continue
        step, taken = skill.step(instruction), skill.needs | skill.accepts
        target, destination = (noun if noun in taken else None for noun in step.nouns)
        steps.append(replace(step, nouns=(target, destination)))
        if skill.motion == APPROACH:
            # What is picked up is taken to where it is put.
            steps.append(replace(step, nouns=(Noun.DESTINATION, None)))
    return {step_text(step, instruction): step for step in steps}


def followed(
    steps: Sequence[SkillStep],
    observation: Observation,
    task: Task,
    scene: Scene,
    progress: Progress,
    ambiguity: float,
) -> Progress:
    """The progress if the first of these steps, which are all that is left, is carried out.

    What their nouns mean is found where it can be; the gate refuses what cannot.
    """
    instruction, before = task.instruction, progress.plan.to_come if progress.plan else ()
    same = bool(before and steps) and _alike(before[0], steps[0])
    held = progress.held
    if before and closes(before[0]) and before[0].target and observation.holding:
        held = before[0].target.phrase
    plan = Plan(tuple(steps), trace=trace_of(steps, instruction))
    since = (progress.since if same else 0) or observation.stamp
    following = replace(progress, plan=plan, since=since, held=held)
    if same and steps[0].pose_of is PoseFrame.TOOL:
        known: dict[Noun, SceneObject] = {}
        for step in before:
            known |= step.objects
        plan = with_objects(plan, known, instruction)
        return remembered(plan, instruction, observation, replace(following, plan=plan))
    found = found_by(steps, instruction, observation, scene, progress, ambiguity)
    target, destination = (
        sighting_of(found.get(noun), before, observation, scene.objects)
        for noun, before in (
            (Noun.TARGET, progress.target),
            (Noun.DESTINATION, progress.destination),
        )
    )
    return replace(
        following,
        plan=with_objects(plan, found, instruction),
        target=target,
        destination=destination,
    )


def found_by(
    steps: Sequence[SkillStep],
    instruction: Instruction,
    observation: Observation,
    scene: Scene,
    progress: Progress,
    ambiguity: float,
) -> dict[Noun, SceneObject]:
    """What the nouns of an instruction mean that steps are about, as far as it is found."""
    found: dict[Noun, SceneObject] = {}
    for noun in instruction.named:
        if any(noun in step.nouns for step in steps):
            try:
                found[noun] = referent(
                    noun, instruction, observation, scene.objects, progress, ambiguity,
                    found.get(Noun.TARGET),
                )  # fmt: skip
            except Refusal:
                continue
    return found


def finished(following: Progress, confidence: float = 0.0) -> Proposal:
    """That all steps of a progress are carried out."""
    plan = following.plan or Plan()
    over = replace(plan, current=len(plan.steps))
    done = replace(following, plan=over, since=0)
    return Proposal(over, done, confidence=confidence, done=True)


def _alike(one: SkillStep, other: SkillStep) -> bool:
    return (one.skill, one.nouns, one.placement) == (other.skill, other.nouns, other.placement)


def _said(written: Written) -> str:
    """Why it holds, by what it claims of it."""
    denied = [name for name, true in written.claims.items() if not true]
    about = f"'{written.plan[0]}' is not {', '.join(denied)}" if written.plan and denied else ""
    reason = written.reason.name.lower().replace("_", " ")
    return f"the policy holds: {reason}" + (f" ({about})" if about else "")
