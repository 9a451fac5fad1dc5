"""What is planned, and what is decided about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from vlam_ros.types.instruction import InstructionRequest, Placement
from vlam_ros.types.observation import Odometry
from vlam_ros.types.scene import SceneObject


class Outcome(IntEnum):
    """What the robot does now."""

    HOLD = 0
    EXECUTE = 1
    DONE = 2


class Reason(IntEnum):
    """Why the robot does not move."""

    NONE = 0
    NO_INSTRUCTION = 1
    INSTRUCTION_INVALID = 2
    UNKNOWN_SKILL = 3
    TARGET_NOT_FOUND = 4
    TARGET_AMBIGUOUS = 5
    DESTINATION_NOT_FOUND = 6
    NO_POSITION = 7
    UNREACHABLE = 8
    PATH_BLOCKED = 9
    PRECONDITION = 10
    LOW_CONFIDENCE = 11
    STALE_SENSOR = 12
    INTERNAL_ERROR = 13


@dataclass(frozen=True)
class Verdict:
    """The decision on the plan's current step, with a message that says what to do about it."""

    outcome: Outcome
    reason: Reason = Reason.NONE
    message: str = ""
    confidence: float = 0.0

    def __post_init__(self) -> None:
        if (self.outcome is Outcome.HOLD) != (self.reason is not Reason.NONE):
            raise ValueError(f"HOLD needs a reason and nothing else has one, got {self}")


@dataclass(frozen=True)
class SkillStep:
    """One skill of a plan: the skill's name, and the objects it acts on.

    `load` is how wide what the gripper holds then is, in m; 0 if nobody knows.
    """

    skill: str
    target: SceneObject | None = None
    destination: SceneObject | None = None
    placement: Placement = Placement.NONE
    load: float = 0.0


@dataclass(frozen=True)
class Plan:
    """Skill steps in order, which of them is current, and the one-line trace a person reads."""

    steps: tuple[SkillStep, ...] = ()
    current: int = 0
    trace: str = ""

    @property
    def target(self) -> SceneObject | None:
        """The first target of the steps that are still to be done."""
        return next((s.target for s in self.steps[self.current :] if s.target), None)

    @property
    def destination(self) -> SceneObject | None:
        """Their first destination."""
        return next((s.destination for s in self.steps[self.current :] if s.destination), None)


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
class PlanState:
    """What a pipeline remembers from one call to the next: how far the instruction is done.

    `since` is the stamp at which the current step began to be executed, 0 before that. `plan` is
    the plan as it was executed last, None before that: the arm hides the objects it moves. `target`
    and `destination` are where those of the plan were seen last, None where nobody could tell how
    the base moves since. `held` is the phrase of what was picked up last; it outlives the
    instruction.
    """

    request: InstructionRequest | None = None
    current: int = 0
    since: int = 0
    plan: Plan | None = None
    target: Sighting | None = None
    destination: Sighting | None = None
    held: str = ""
