"""vlam_node with a model that decides at once: what is left is what the node itself takes.

Run as `python -m vlam_ros.lab.evaluation.speed.null_node`, with the parameters of vlam_node.
"""

from __future__ import annotations

import sys
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from vlam_ros.configuration import Settings
from vlam_ros.nodes.vlam_node import VlamNode
from vlam_ros.ros.managed import run_managed
from vlam_ros.ros.mount import BASE_FRAME
from vlam_ros.types import (
    ActionChunk,
    ActionSpace,
    Decision,
    InstructionRequest,
    Observation,
    Outcome,
    Plan,
    Scene,
    Verdict,
)


class NullPipeline:
    """Answers every image with a whole chunk that stays where it is, without a look at it."""

    grounder: Any = SimpleNamespace(
        name="none", backend="none", device="none", precision="none", notes=()
    )

    def __init__(self, settings: Settings) -> None:
        action = settings.action
        self._space = ActionSpace.of(("stop",), action.low, action.high, action.bins)
        self._tokens = np.full((action.horizon, 5), action.bins, np.uint16)
        self._tokens[:, 0] = 0
        self._step = round(action.step * 1e9)

    def warm_up(self) -> None:
        """There is nothing to warm up."""

    def reset(self) -> None:
        """There is nothing to forget."""

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        verdict = Verdict(Outcome.EXECUTE, confidence=1.0)
        chunk = ActionChunk(
            stamp=observation.stamp,
            frame_id=BASE_FRAME,
            space=self._space,
            tokens=self._tokens,
            start_offset=0,
            step=self._step,
            request=request or InstructionRequest(""),
            skill="stop",
            trace="",
            verdict=verdict,
        )
        return Decision(Scene(observation.stamp), Plan(), verdict, chunk)


def main() -> int:
    return run_managed(partial(VlamNode, NullPipeline))


if __name__ == "__main__":
    sys.exit(main())
