"""Instructions that are given on the command line in place of the bag's, each at its time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlam_ros.errors import ReplayError

_TIMED = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*:(.*)", re.DOTALL)


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
        match = _TIMED.fullmatch(line)
        seconds, text = (float(match[1]), match[2]) if match else (0.0, line)
        if not text.strip():
            raise ReplayError(f"an instruction is TEXT or SECONDS: TEXT, got {line!r}")
        cues.append(Cue(seconds, text.strip()))
    return tuple(sorted(cues, key=lambda cue: cue.seconds))
