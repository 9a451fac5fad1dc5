"""vlam_node with a model that decides at once: what is left is what the node itself takes.

Run as `python -m vlam_ros.lab.evaluation.speed.null_node`, with the parameters of vlam_node.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

from vlam_ros.configuration import Settings
from vlam_ros.language import PLAIN
from vlam_ros.nodes.vlam_node import VlamNode
from vlam_ros.ros.decisions import hold_chunk
from vlam_ros.ros.managed import run_managed
from vlam_ros.types import Decision, InstructionRequest, Observation, Outcome, Plan, Scene, Verdict


class NullPipeline:
    """Answers every image with a whole chunk that stays where it is, without a look at it."""

    grounder: Any = SimpleNamespace(
        name="none", backend="none", device="none", precision="none", notes=()
    )
    lexicon = PLAIN

    def __init__(self, settings: Settings) -> None:
        request, done = InstructionRequest(""), Verdict(Outcome.DONE, confidence=1.0)
        stop = hold_chunk(settings.action, 0, request, done)
        tokens = stop.tokens.repeat(settings.action.horizon, axis=0)
        self._chunk = replace(stop, tokens=tokens, verdict=replace(done, outcome=Outcome.EXECUTE))

    def warm_up(self) -> None:
        """There is nothing to warm up."""

    def attention(self) -> None:
        """It looks at nothing."""

    def reset(self) -> None:
        """There is nothing to forget."""

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        stamp = observation.stamp
        chunk = replace(self._chunk, stamp=stamp, request=request or self._chunk.request)
        return Decision(Scene(stamp), Plan(), chunk.verdict, chunk)


def main() -> int:
    return run_managed(partial(VlamNode, NullPipeline))


if __name__ == "__main__":
    sys.exit(main())
