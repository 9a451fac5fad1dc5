"""A task, how far it is done, and what a policy proposes to do about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
import numpy.typing as npt

from vlam_ros.types.action import ActionChunk, GripperEffect, PoseFrame
from vlam_ros.types.instruction import Displacement, Instruction, Noun, Placement
from vlam_ros.types.observation import Odometry, PlanarPose
from vlam_ros.types.scene import Scene, SceneObject
from vlam_ros.types.verdict import Reason, Refusal, Verdict

Rows = npt.NDArray[np.float64]
_HERE = PlanarPose(0.0, 0.0, 0.0)

NOT_FOUND = {
    Noun.TARGET: Reason.TARGET_NOT_FOUND,
    Noun.DESTINATION: Reason.DESTINATION_NOT_FOUND,
}
"""Why the robot holds if what a noun names is not there."""


class Grip(Enum):
    """What the gripper must be before a step begins."""

    ANY = "any"
    EMPTY = "empty"
    HOLDING = "holding"


def said(skill: str) -> str:
    """A skill's name as one says it: "pick up"."""
    return skill.replace("_", " ")


@dataclass(frozen=True)
class Task:
    """An instruction, parsed, and the skill that CLIP chose for it with `confidence` in 0..1."""

    instruction: Instruction
    skill: str
    confidence: float


@dataclass(frozen=True)
class SkillStep:
    """One skill of a plan: the skill's name, and the objects it acts on.

    `nouns` are those of the instruction that name target and destination. An `approach` only brings
    the base to where the next step is done. `load` is how wide what the gripper holds then is, in
    m; 0 if nobody knows. `keyframes` are the poses x, y, z, θ [K,4] in `base_link` that the step
    leads to in straight lines, NaN where not used; None while it is not planned in detail.
    `displacement` is what a step that is measured by odometry was asked for, and `end` where that
    ends in the `base_link` of now, its yaw also beyond half a turn.
    """

    skill: str
    target: SceneObject | None = None
    destination: SceneObject | None = None
    placement: Placement = Placement.NONE
    load: float = 0.0
    nouns: tuple[Noun | None, Noun | None] = (Noun.TARGET, Noun.DESTINATION)
    approach: bool = False
    pose_of: PoseFrame = PoseFrame.BASE
    gripper: GripperEffect = GripperEffect.KEEP
    precondition: Grip = Grip.ANY
    keyframes: Rows | None = field(default=None, compare=False)
    displacement: Displacement | None = None
    end: PlanarPose = _HERE

    @property
    def objects(self) -> dict[Noun, SceneObject]:
        """Its objects by the nouns that name them."""
        pairs = zip(self.nouns, (self.target, self.destination), strict=True)
        return {noun: thing for noun, thing in pairs if noun and thing}

    @property
    def said(self) -> str:
        """Its skill as one says it: "pick up"."""
        return said(self.skill)


@dataclass(frozen=True)
class Plan:
    """Skill steps in order, which of them is current, and the one-line trace a person reads."""

    steps: tuple[SkillStep, ...] = ()
    current: int = 0
    trace: str = ""

    @property
    def to_come(self) -> tuple[SkillStep, ...]:
        """The current step and those after it; none once all is done."""
        return self.steps[self.current :]

    @property
    def target(self) -> SceneObject | None:
        """The first target of the steps that are still to be done."""
        return next((s.target for s in self.to_come if s.target), None)

    @property
    def destination(self) -> SceneObject | None:
        """The first destination of the steps that are still to be done."""
        return next((s.destination for s in self.to_come if s.destination), None)


@dataclass(frozen=True)
class Sighting:
    """Where an object of the plan was seen last: in `base_link` at `stamp`, the base at `base`, and
    how far (m) from it the nearest other one was that was confirmed for the same phrase.
    """

    thing: SceneObject
    stamp: int
    base: Odometry
    apart: float = math.inf


@dataclass(frozen=True)
class Travel:
    """What odometry tells of a step that is measured by it: where the base was when the step began
    and where it was last, and by how much (rad) it turned between, also beyond half a turn.
    """

    start: PlanarPose
    last: PlanarPose
    turned: float = 0.0

    def to(self, here: PlanarPose) -> Travel:
        """The travel as far as here; the base turned by less than half a turn since the last."""
        more = math.remainder(here.yaw - self.last.yaw, math.tau)
        return replace(self, last=here, turned=self.turned + more)


@dataclass(frozen=True)
class Progress:
    """How far a task is done: all that is remembered from one decision to the next.

    `plan` is the plan as it was executed last, None before that: the arm hides the objects it
    moves. `since` is the stamp at which its current step began to be executed, 0 before that.
    `target` and `destination` are where those of the plan were seen last, None where nobody could
    tell how the base moves since. `held` is the phrase of what was picked up last; it outlives the
    task. `travel` is how far a step has come that is measured by odometry, and `other_than` what a
    target that is called "the other one" is not.
    """

    plan: Plan | None = None
    since: int = 0
    target: Sighting | None = None
    destination: Sighting | None = None
    held: str = ""
    travel: Travel | None = None
    other_than: SceneObject | None = None

    @property
    def current(self) -> int:
        """The index of the current step."""
        return self.plan.current if self.plan else 0

    @property
    def sightings(self) -> dict[Noun, Sighting]:
        """Where the objects of the plan were seen last, by the noun that names each."""
        known = {Noun.TARGET: self.target, Noun.DESTINATION: self.destination}
        return {noun: sighting for noun, sighting in known.items() if sighting is not None}

    @property
    def arm_moves(self) -> bool:
        """Whether the current step moves the arm, and has begun: what it moves is hidden."""
        to_come = self.plan.to_come if self.plan else ()
        return bool(self.since and to_come and to_come[0].pose_of is PoseFrame.TOOL)

    def elapsed(self, stamp: int) -> float:
        """Seconds from when the current step began to a stamp (ns); 0 before it has begun."""
        return (stamp - self.since) * 1e-9 if self.since else 0.0

    def interrupted(self) -> Progress:
        """The current step must begin anew."""
        return replace(self, since=0)

    def held_back(self, following: Progress) -> Progress:
        """What is remembered if what comes next must not be executed: what was done and seen."""
        if self.since and following.current != self.current:
            return following.interrupted()
        if self.plan is None:
            return self.interrupted()
        return replace(
            self,
            since=0,
            target=following.target,
            destination=following.destination,
            held=following.held,
            travel=following.travel,
        )


@dataclass(frozen=True)
class Proposal:
    """What a policy would do now.

    `rows` are float64[H,1+D]: command index and dimensions of the policy's action space, NaN where
    not used; none if the task is `done` or the policy has a `refusal`. `progress` is what is to be
    remembered if it is executed, or of a refusal in any case. `confidence` is in 0..1.
    """

    plan: Plan
    progress: Progress
    rows: Rows | None = field(default=None, compare=False)
    confidence: float = 0.0
    done: bool = False
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Decision:
    """The answer to one observation."""

    scene: Scene
    plan: Plan
    verdict: Verdict
    chunk: ActionChunk
