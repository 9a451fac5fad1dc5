"""What is commanded: action spaces, action chunks and the decision that holds one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlam_ros.errors import ActionError
from vlam_ros.types.arrays import Uint16Array
from vlam_ros.types.instruction import InstructionRequest
from vlam_ros.types.plan import Plan, Verdict
from vlam_ros.types.scene import Scene

DIMENSIONS = ("x", "y", "z", "theta")
"""Continuous dimensions of an action: metres, metres, metres, radians."""


@dataclass(frozen=True)
class ActionSpace:
    """How token rows ⟨cmd, x, y, z, θ⟩ are read.

    `commands[i]` is the skill of cmd i, `commands[0]` is "stop". Dimension d has `bins` centres
    `linspace(low[d], high[d], bins)`; the bin index `bins` means "not used".
    """

    commands: tuple[str, ...]
    low: tuple[float, float, float, float]
    high: tuple[float, float, float, float]
    bins: int = 255

    @classmethod
    def of(
        cls, commands: Sequence[str], low: Sequence[float], high: Sequence[float], bins: int
    ) -> ActionSpace:
        """One of sequences of any kind, as parameters and messages hold them."""
        (x0, y0, z0, theta0), (x1, y1, z1, theta1) = (map(float, ends) for ends in (low, high))
        return cls(tuple(commands), (x0, y0, z0, theta0), (x1, y1, z1, theta1), int(bins))

    def __post_init__(self) -> None:
        if not self.commands or self.commands[0] != "stop":
            raise ActionError(f"command 0 must be 'stop', got commands {self.commands}")
        if len(set(self.commands)) != len(self.commands):
            raise ActionError(f"commands must be different from each other, got {self.commands}")
        if self.bins % 2 == 0 or not 3 <= self.bins <= 65535:
            raise ActionError(f"bins must be odd (an exact zero) and in 3..65535, got {self.bins}")
        if len(self.low) != len(DIMENSIONS) or len(self.high) != len(DIMENSIONS):
            raise ActionError(f"low and high need one value each for {DIMENSIONS}")
        for name, low, high in zip(DIMENSIONS, self.low, self.high, strict=True):
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise ActionError(f"{name}: low < high and finite expected, got {low}..{high}")


@dataclass(frozen=True)
class ActionChunk:
    """A short sequence of actions, with everything a stranger needs to decode and judge it.

    `tokens` is uint16[H,5]; row i is due at `stamp + start_offset + i * step` (ns) and the chunk is
    void after the last row's end. HOLD and DONE chunks hold one STOP row.
    """

    stamp: int
    frame_id: str
    space: ActionSpace
    tokens: Uint16Array
    start_offset: int
    step: int
    request: InstructionRequest
    skill: str
    trace: str
    verdict: Verdict

    def __post_init__(self) -> None:
        if self.tokens.dtype != np.uint16 or self.tokens.ndim != 2 or self.tokens.shape[1] != 5:
            raise ActionError(
                f"tokens must be uint16[H,5], got {self.tokens.dtype}{self.tokens.shape}"
            )
        if len(self.tokens) == 0 or self.step <= 0 or self.start_offset < 0:
            raise ActionError(
                "a chunk needs a row, a positive step and a non-negative start offset"
            )


@dataclass(frozen=True)
class Decision:
    """The answer to one observation."""

    scene: Scene
    plan: Plan
    verdict: Verdict
    chunk: ActionChunk
