"""What one would write first: CLIPSeg for the noun, the highest pixel, and drive there.

It has no second look, no competing prompts, no verification and no arm, takes the floor for level,
and knows "stop" by its words. It gets the noun from our own parser, which is generous.
"""

from __future__ import annotations

import math
import re

import numpy as np

from vlam_ros.actions import STOP, ActionTokenizer
from vlam_ros.configuration import ActionSettings
from vlam_ros.errors import InstructionError
from vlam_ros.language import parse_instruction
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.pipeline import FRAME
from vlam_ros.types import (
    ActionChunk,
    ActionSpace,
    Camera,
    Decision,
    InstructionRequest,
    Observation,
    Outcome,
    Plan,
    Reason,
    Scene,
    Verdict,
)

STANDOFF, TOLERANCE = 0.65, 0.05
"""Metres from the place at which it stops, and within which it is there."""
_STOP = re.compile(r"\b(stop|halt|freeze|wait|still|stay|do not)\b")


class HighestPixel:
    """A decision maker to compare with."""

    def __init__(
        self, grounder: ClipsegGrounder, space: ActionSpace, action: ActionSettings
    ) -> None:
        self._grounder, self._tokenizer = grounder, ActionTokenizer(space)
        self._horizon, self._step = action.horizon, round(action.step * 1e9)
        self._start_offset = round(action.start_offset * 1e9)

    def reset(self) -> None:
        """It remembers nothing."""

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        """Drive to the highest pixel of the noun's mask; hold where there is no noun."""
        verdict, rows = self._decide(observation, request.text if request else "")
        chunk = ActionChunk(
            stamp=observation.stamp,
            frame_id=FRAME,
            space=self._tokenizer.space,
            tokens=self._tokenizer.encode(rows, ~np.isnan(rows[:, 1:])),
            start_offset=self._start_offset if verdict.outcome is Outcome.EXECUTE else 0,
            step=self._step,
            request=request or InstructionRequest(""),
            skill=self._tokenizer.space.names[int(rows[0, 0])],
            trace="",
            verdict=verdict,
        )
        return Decision(Scene(observation.stamp), Plan(), verdict, chunk)

    def _decide(self, observation: Observation, text: str) -> tuple[Verdict, np.ndarray]:
        """The verdict and its rows [H,5], NaN where a dimension is not used."""
        stand = np.array([[STOP, *[math.nan] * 4]])
        done = Verdict(Outcome.DONE, confidence=1.0)
        if _STOP.search(text):
            return done, stand
        try:
            target = parse_instruction(text).target
        except InstructionError:
            target = None
        if target is None or not isinstance(observation.camera, Camera):
            return Verdict(Outcome.HOLD, Reason.INSTRUCTION_INVALID, "no noun"), stand
        features = self._grounder.encode_image(observation.image)
        logits = self._grounder.segment(features, [target.text])[0]
        place = _on_floor(logits, observation.camera)
        distance = math.hypot(*place)
        if distance <= STANDOFF + TOLERANCE:
            return done, stand
        x, y = np.clip(place, -3.0, 3.0) * (1 - STANDOFF / distance)
        shares = np.arange(1, self._horizon + 1) / self._horizon
        rows = np.full((self._horizon, 5), math.nan)
        rows[:, 0] = self._tokenizer.space.names.index("go_to")
        rows[:, 1], rows[:, 2], rows[:, 4] = shares * x, shares * y, math.atan2(y, x)
        return Verdict(Outcome.EXECUTE, confidence=1.0), rows


def _on_floor(logits: np.ndarray, camera: Camera) -> tuple[float, float]:
    """Where the ray through the highest pixel meets a level floor, x and y in `base_link`."""
    row, column = np.unravel_index(int(logits.argmax()), logits.shape)
    height, width = logits.shape
    u = (column + 0.5) * camera.width / width - 0.5
    v = (row + 0.5) * camera.height / height - 0.5
    direction = camera.rotation @ camera.rays([[u, v]])[0]
    down = min(float(direction[2]), -1e-3)  # the horizon is far away, not nowhere
    x, y, _ = camera.position - camera.position[2] / down * direction
    return float(x), float(y)
