"""An expert that knows the simulator's truth: what it shows, a pupil learns to do without.

Perception is told what is there and where; the planner plans on that, and the gate judges it. So
its decisions, and what is claimed of each, are right wherever the robot is, also where a pupil
brought it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vlam_ros.actions import ActionTokenizer
from vlam_ros.configuration import ActionSettings, PerceptionSettings, PolicySettings
from vlam_ros.lab.simulation.scene import ObjectSpec
from vlam_ros.lab.simulation.task_objects import is_called
from vlam_ros.lab.simulation.truth import Truth
from vlam_ros.lab.training.captions import PLACEHOLDERS
from vlam_ros.perception.clipseg import ImageFeatures
from vlam_ros.policies import Skill
from vlam_ros.policies.skills.plan import closes
from vlam_ros.policies.skills.planner import SkillPlanner
from vlam_ros.policies.transformer.grammar import step_text
from vlam_ros.policies.transformer.policy import found_by
from vlam_ros.policies.transformer.vocabulary import (
    AT,
    CLAIMS,
    DONE,
    END,
    EXECUTE,
    HOLD,
    NOWHERE,
    PLAN,
    REASONS,
    THEN,
    VERIFY,
)
from vlam_ros.types import (
    ActionSpace,
    FloatArray,
    GripperEffect,
    Noun,
    Observation,
    Outcome,
    PlanarPose,
    PoseFrame,
    PositionSource,
    Progress,
    Proposal,
    Reason,
    Scene,
    SceneObject,
    SkillStep,
    Task,
    Uint8Array,
    Verdict,
)
from vlam_ros.verification import Limits, verify

SEEN_PIXELS = 60
"""Pixels of an image from which an object in it can be found."""
PLACES = "places"
"""Stands among what is known for where things are."""
SPREAD = 0.01
"""Metres; nobody is surer of where a thing is than that."""


class TruthPerceiver:
    """Perception that is told: `look` gives the truth at the stamp of an image, and `see` what the
    towers see of it.
    """

    def __init__(
        self,
        see: Callable[[Uint8Array], ImageFeatures],
        settings: PerceptionSettings,
        objects: Sequence[ObjectSpec],
        look: Callable[[int], Truth],
    ) -> None:
        self.settings = settings
        self._see, self._objects, self._look = see, tuple(objects), look
        self._seen: tuple[int, ImageFeatures] | None = None

    def perceive(
        self,
        observation: Observation,
        phrases: Sequence[str],
        looked: Sequence[str] = (),
        crops: int | None = None,
    ) -> tuple[Scene, ImageFeatures]:
        """The objects that are visible and that a phrase is true of, and what the towers see."""
        truth = self._look(observation.stamp)
        visible = truth.visible or ()
        found = [
            _object(truth, index, spec, phrase)
            for phrase in dict.fromkeys(phrases)
            for index, spec in enumerate(self._objects)
            if visible[index] >= SEEN_PIXELS and is_true(phrase, spec)
        ]
        if self._seen is None or self._seen[0] != observation.stamp:
            self._seen = observation.stamp, self._see(observation.image)
        return Scene(observation.stamp, tuple(found)), self._seen[1]


def is_true(phrase: str, thing: ObjectSpec) -> bool:
    """Whether "red cup", "cup", "red object" or "object" is said of a thing rightly."""
    colour, names = thing.colour, (thing.shape, *PLACEHOLDERS)
    return colour is not None and any(is_called(phrase, colour, name) for name in names)


def _object(truth: Truth, index: int, spec: ObjectSpec, phrase: str) -> SceneObject:
    base = PlanarPose(truth.pose.x, truth.pose.y, truth.pose.yaw)
    place = truth.objects[index].position
    x, y = base.into(np.array([place[:2]]))[0]
    # Boxes tell things apart, and are the same for all phrases of one.
    column = 100 * index
    return SceneObject(
        phrase=phrase,
        box=(column, 0, column + 50, 50),
        mask=np.ones((1, 1), np.bool_),
        score=1.0,
        mask_score=1.0,
        margin=1.0,
        second_look=True,
        position=(float(x), float(y), float(place[2] - truth.pose.z)),
        spread=SPREAD,
        size=2 * float(max(spec.size[:2])),
        source=PositionSource.DEPTH,
    )


@dataclass(frozen=True)
class Shown:
    """What the expert does about an observation: as it is written, and what of CLAIMS is known to
    be true or false, with PLACES if it is known where things are. Of a step that cannot be planned
    nobody knows whether its way is free.
    """

    text: str
    known: frozenset[str]


class Expert:
    """Decides by the truth, whatever progress it is given."""

    def __init__(
        self, skills: Sequence[Skill], settings: PolicySettings, action: ActionSettings
    ) -> None:
        self.planner = SkillPlanner(skills, settings, action)
        self._ambiguity = settings.ambiguity
        self._limits = Limits(settings, self.planner.space)
        self._tokenizer = ActionTokenizer(self.planner.space)

    @property
    def space(self) -> ActionSpace:
        return self.planner.space

    def show(
        self, observation: Observation, task: Task, scene: Scene, progress: Progress
    ) -> tuple[Proposal, Shown | None]:
        """What it would do, and how that is written; None for what a policy cannot write.

        A plan under way that leads elsewhere, or further than the robot has come, is a pupil's
        error: then it begins anew.
        """
        if progress.plan and not self._leads_there(progress, task, observation):
            progress = replace(progress, plan=None, since=0)
        proposal = self.planner.infer(observation, task, scene, progress)
        verdict = verify(proposal, task, scene, observation, progress, self._limits)
        found = found_by(
            proposal.plan.steps, task.instruction, observation, scene, progress, self._ambiguity
        )
        return proposal, self._shown(proposal, verdict, task, found)

    def _leads_there(self, progress: Progress, task: Task, observation: Observation) -> bool:
        """Whether the steps to come are the last ones of the task's, those before them done."""
        assert progress.plan is not None
        outline, to_come = self.planner.outline(task).steps, progress.plan.to_come
        before, rest = outline[: -len(to_come)], outline[-len(to_come) :]
        texts = [[step_text(step, task.instruction) for step in some] for some in (to_come, rest)]
        lets_go = to_come[:1] and progress.since and to_come[0].gripper is GripperEffect.OPEN
        taken = observation.holding or lets_go or not any(map(closes, before))
        return not to_come or (texts[0] == texts[1] and bool(taken))

    def _shown(
        self, proposal: Proposal, verdict: Verdict, task: Task, found: Mapping[Noun, SceneObject]
    ) -> Shown | None:
        steps = proposal.plan.to_come or proposal.plan.steps[-1:]
        if not steps or (verdict.outcome is Outcome.HOLD and verdict.reason.name not in REASONS):
            return None
        claims = claims_of(proposal, verdict)
        for step in steps:
            found = {**found, **step.objects}
        about = {noun for step in steps for noun in step.nouns}
        found = {noun: thing for noun, thing in found.items() if noun in about}
        places = places_text(found, task, self._tokenizer)
        text = decision_text(steps, task, places, claims, self._end(proposal, verdict))
        return Shown(text, frozenset((*claims, PLACES)))

    def _end(self, proposal: Proposal, verdict: Verdict) -> str:
        if verdict.outcome is Outcome.DONE:
            return DONE
        if verdict.outcome is Outcome.HOLD:
            return f"{HOLD} {verdict.reason.name}"
        assert proposal.rows is not None
        return rows_text(proposal.rows, self._tokenizer)


def rows_text(rows: FloatArray, tokenizer: ActionTokenizer) -> str:
    """Rows float64[H,1+D], NaN where a dimension is not used, as a policy writes them."""
    tokens = tokenizer.encode(rows, ~np.isnan(rows[:, 1:]))
    return f"{EXECUTE} {' '.join(map(str, tokens.ravel().tolist()))}"


def places_text(found: Mapping[Noun, SceneObject], task: Task, tokenizer: ActionTokenizer) -> str:
    """Where the nouns of the instruction are, as a policy writes it, at most at the edge of the
    action space.
    """
    space, said = tokenizer.space, []
    for noun in task.instruction.named:
        position = found[noun].position if noun in found else None
        if position is None:
            said.append(NOWHERE)
            continue
        row = np.full((1, len(space.columns)), np.nan)
        row[0, :3] = 1, *np.clip(position[:2], space.low[:2], space.high[:2])
        _, x, y, *_ = tokenizer.encode(row, ~np.isnan(row[:, 1:]))[0].tolist()
        said.append(f"{AT} {x} {y}")
    return " ".join(said)


def decision_text(
    steps: Sequence[SkillStep], task: Task, places: str, claims: Mapping[str, bool], end: str
) -> str:
    """A decision as a policy writes it; what is not claimed is written as true."""
    said = [CLAIMS[name][0 if claims.get(name, True) else 1] for name in CLAIMS]
    texts = f" {THEN} ".join(step_text(step, task.instruction) for step in steps)
    parts = (PLAN, texts, places, VERIFY, *said, end, END)
    return " ".join(part for part in parts if part)


_BEFORE: dict[Reason, tuple[str, ...]] = {
    Reason.INSTRUCTION_INVALID: (),
    Reason.TARGET_NOT_FOUND: (),
    Reason.DESTINATION_NOT_FOUND: (),
    Reason.TARGET_AMBIGUOUS: ("found",),
    Reason.NO_POSITION: ("found", "single"),
    Reason.UNREACHABLE: ("found", "single"),
    Reason.PATH_BLOCKED: ("found", "single", "reachable"),
    Reason.PRECONDITION: ("found", "single", "reachable", "free"),
}
"""What is true where the gate refuses for a reason, in the order in which it asks."""
_DENIED: dict[Reason, str] = {
    Reason.TARGET_NOT_FOUND: "found",
    Reason.DESTINATION_NOT_FOUND: "found",
    Reason.TARGET_AMBIGUOUS: "single",
    Reason.UNREACHABLE: "reachable",
    Reason.PATH_BLOCKED: "free",
    Reason.PRECONDITION: "ready",
}
"""The claim that a reason is the contrary of."""


def claims_of(proposal: Proposal, verdict: Verdict) -> dict[str, bool]:
    """Which of CLAIMS are known to be true or false of a decision that was made by the truth."""
    if verdict.outcome is Outcome.HOLD:
        claims = dict.fromkeys(_BEFORE[verdict.reason], True)
        if verdict.reason in _DENIED:
            claims[_DENIED[verdict.reason]] = False
        return claims
    claims = dict.fromkeys(("found", "single", "reachable", "free", "ready"), True)
    if verdict.outcome is Outcome.DONE:
        return claims | {"there": True}
    current = proposal.plan.to_come[0]
    if current.target is None and current.destination is None and current.displacement is None:
        # A search goes on for what it has not found.
        claims = {"free": True, "ready": True, "found": False}
    return claims | {"there": current.pose_of is PoseFrame.TOOL}
