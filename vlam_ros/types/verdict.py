"""What is decided about a plan, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from vlam_ros.errors import VlamError


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
    UNFAMILIAR = 14
    ANSWERED = 15
    PLAN_MISMATCH = 16


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


class Refusal(VlamError):
    """The robot holds, for a typed reason; the message says what is wrong and what to do.

    After a `final` refusal the current step is not started over: it was carried out, and did not
    have its effect, or not one that can be seen.
    """

    def __init__(self, reason: Reason, message: str, final: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.final = final
