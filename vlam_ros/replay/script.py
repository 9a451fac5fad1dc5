"""Instructions that are given on the command line in place of the bag's, each at its time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlam_ros.errors import ReplayError

_LINE = re.compile(r"\s*(?:(\d+(?:\.\d*)?)\s*:)?\s*(.*\S)\s*", re.DOTALL)


@dataclass(frozen=True)
class Cue:
    """What is said, and when: seconds from the first message of the bag."""

    seconds: float
    text: str


def parse_script(lines: Sequence[str]) -> tuple[Cue, ...]:
    """Cues in order of time from "go to the red cup" (at once) or "12.5: stop".

    Raises:
        ReplayError: an instruction is empty.
    """
    cues = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ReplayError(f"an instruction is TEXT or SECONDS: TEXT, got {line!r}")
        cues.append(Cue(float(match[1] or 0.0), match[2]))
    return tuple(sorted(cues, key=lambda cue: cue.seconds))
