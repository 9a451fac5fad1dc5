"""Decisions that nobody made, for those who listen to them."""

from __future__ import annotations

import numpy as np

from vlam_ros.actions import ActionTokenizer
from vlam_ros.types import (
    ActionChunk,
    ActionSpace,
    Decision,
    InstructionRequest,
    Outcome,
    Plan,
    Scene,
    SceneObject,
    SkillStep,
    Verdict,
)

SPACE = ActionSpace.of(("stop", "go_to", "pick_up"), (-1.0, -1.0, -1.0, -3.0), (1.0, 1.0, 1.0, 3.0))
EXECUTE, DONE = Verdict(Outcome.EXECUTE, confidence=0.9), Verdict(Outcome.DONE)
CUP = SceneObject(
    "red cup", (320, 240, 400, 320), np.ones((4, 4), bool), 0.9, 0.9, 0.5, position=(1.0, 0.2, 0.05)
)
TRACE = "go to red cup (1.00, 0.20) [0.90] -> pick up red cup (1.00, 0.20) [0.90]"


def decision(
    skill: str = "go_to",
    verdict: Verdict = EXECUTE,
    request: InstructionRequest | None = None,
    stamp: int = 0,
    trace: str = TRACE,
) -> Decision:
    """A decision about a red cup."""
    rows, used = np.array([[1, 0.5, 0.0, 0.0, 0.0]]), np.ones((1, 4), bool)
    chunk = ActionChunk(
        stamp=stamp,
        frame_id="base_link",
        space=SPACE,
        tokens=ActionTokenizer(SPACE).encode(rows, used),
        start_offset=0,
        step=100_000_000,
        request=request or InstructionRequest("pick up the red cup"),
        skill=skill,
        trace=trace,
        verdict=verdict,
    )
    plan = Plan((SkillStep(skill, CUP),), trace=trace)
    return Decision(Scene(stamp, (CUP,)), plan, verdict, chunk)
