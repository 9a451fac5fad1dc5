"""One decision of a replay: an image's message to a Decided."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vlam_ros.errors import ImageError
from vlam_ros.lab.notes import Notes
from vlam_ros.ros.images import image_from_message
from vlam_ros.types import Decision, DecisionInputs, InstructionRequest, Observation, Uint8Array
from vlam_ros.types.decision_maker import DecisionMaker


@dataclass(frozen=True)
class Decided:
    """A decision, what it was made on, and the seconds that it took to compute."""

    decision: Decision
    inputs: DecisionInputs
    observation: Observation
    seconds: float


class Decider:
    """Decides on one image after the other; remembers nothing from one era to the next."""

    def __init__(self, maker: DecisionMaker, notes: Notes) -> None:
        """Start from a maker that remembers nothing."""
        maker.reset()
        self._maker = maker
        self._notes = notes
        self._era: int | None = None

    def on_image(
        self,
        message: Any,
        observe: Callable[[Uint8Array], Observation],
        request: InstructionRequest | None,
        era: int,
    ) -> Decided | None:
        """Decide; None for an image that cannot be used, which is noted."""
        if era != self._era:
            self._maker.reset()
            self._era = era
        try:
            # An image of a bag may be a view that cannot be written to, of which PyTorch warns.
            observation = observe(np.require(image_from_message(message), requirements="W"))
        except ImageError as error:
            self._notes.add(f"an image was passed over: {error}", once="image")
            return None
        begin = time.perf_counter()
        decision = self._maker.step(observation, request)
        seconds = time.perf_counter() - begin
        # As in messages: the pipeline cannot know the order of a request that it is not given.
        chunk = replace(decision.chunk, request=request or InstructionRequest(""))
        inputs = DecisionInputs.of(observation, request, era)
        return Decided(replace(decision, chunk=chunk), inputs, observation, seconds)
