"""What decides, as those see it who ask: the pipeline, or what it is compared with."""

from __future__ import annotations

from typing import Protocol

from vlam_ros.types.instruction import InstructionRequest
from vlam_ros.types.observation import Observation
from vlam_ros.types.plan import Decision


class DecisionMaker(Protocol):
    """Decides on one observation after the other, and may remember what it saw."""

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        """Decide on one observation."""

    def reset(self) -> None:
        """Forget everything."""
