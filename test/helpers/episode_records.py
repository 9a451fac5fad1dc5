"""Records of episodes that were never run."""

from dataclasses import replace
from typing import Any

from vlam_ros.lab.evaluation.episode_recorder import EpisodeRecord

GONE_TO = EpisodeRecord(
    name="task-1",
    seed=1,
    kind="go to",
    control=False,
    instructions=("go to the red cup",),
    relational=False,
    held_out=False,
    paraphrased=False,
    success=True,
    wrong_object=False,
    why="",
    outcome="DONE",
    reason="NONE",
    message="",
    seconds=10.0,
    path=1.5,
    straight=1.0,
)


def record(**changes: Any) -> EpisodeRecord:
    """Of a go to that was done, with changes."""
    return replace(GONE_TO, **changes)
