"""Episodes: a task, and the words in which it is asked for.

Every second instruction is put in a way that the model was not trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import Generator

from vlam_ros.lab.evaluation.skills import UNKNOWN_VERBS
from vlam_ros.lab.simulation.tasks import (
    CONTROL,
    RELATIONAL_SHARE,
    Kind,
    TaskSpec,
    generator_of,
    random_task,
)
from vlam_ros.lab.training.captions import SKILL_PATTERNS, TEST_PATTERNS, pseudo_word

STOP_AFTER = 3.0
"""Seconds from the first instruction of a stop task to the stop."""

_SKILLS = {
    Kind.GO_TO: "go_to",
    Kind.TURN_TO: "turn_to",
    Kind.PICK_UP: "pick_up",
    Kind.PUT_ON: "place",
    Kind.PUT_NEXT_TO: "place",
    Kind.PUSH: "push",
    Kind.PUSH_TO: "push",
    Kind.STOP: "go_to",
    Kind.SEARCH: "search",
}
_PLACING = {
    Kind.PUT_ON: (" on ", " onto ", "on top of"),
    Kind.PUT_NEXT_TO: ("next to", "beside", "near"),
}
_ASKED = ("go_to", "turn_to", "pick_up", "push")
"""What is asked for with objects that are absent, ambiguous or out of reach."""


@dataclass(frozen=True)
class Episode:
    """A task with what is said, each at its time in seconds; `paraphrased` where the pattern of the
    sentence was never trained.
    """

    seed: int
    task: TaskSpec
    script: tuple[tuple[float, str], ...]
    paraphrased: bool

    @property
    def control(self) -> bool:
        return self.task.kind in CONTROL

    @property
    def name(self) -> str:
        return episode_name(self.seed, self.control)


def episode_name(seed: int, control: bool) -> str:
    """What the episode with this seed is called in files."""
    return f"{'control' if control else 'task'}-{seed}"


def episode_of_seed(
    seed: int,
    control: bool = False,
    trained: bool = False,
    relational_share: float = RELATIONAL_SHARE,
) -> Episode:
    """The episode of a seed; one that is `trained` on is told in words that models learn."""
    rng = generator_of(seed, control)
    task = random_task(rng, control, relational_share)
    paraphrased = bool(rng.random() < 0.5) and not trained
    script = [(0.0, sentence(task, paraphrased, rng))]
    if task.kind is Kind.STOP:
        stops = (TEST_PATTERNS if paraphrased else SKILL_PATTERNS)["stop"]
        script.append((STOP_AFTER, stops[int(rng.integers(len(stops)))]))
    return Episode(seed, task, tuple(script), paraphrased and task.kind is not Kind.NONSENSE)


def sentence(task: TaskSpec, paraphrased: bool, rng: Generator) -> str:
    """How a task is said: `paraphrased`, in words that no model is trained on."""
    target, destination = f"the {task.noun}", f"the {task.place}"
    if task.kind is Kind.NONSENSE:
        return _nonsense(target, rng)
    skill = _SKILLS.get(task.kind) or _ASKED[int(rng.integers(len(_ASKED)))]
    if task.kind in (Kind.BLOCKED, Kind.TOO_FAR):
        skill = "go_to"
    words = _PLACING.get(task.kind, ("",))
    patterns = [
        pattern
        for pattern in (TEST_PATTERNS if paraphrased else SKILL_PATTERNS)[skill]
        if ("{d}" in pattern) == bool(task.place) and any(word in pattern for word in words)
    ]
    return patterns[int(rng.integers(len(patterns)))].format(t=target, d=destination)


def _nonsense(target: str, rng: Generator) -> str:
    verb = UNKNOWN_VERBS[int(rng.integers(len(UNKNOWN_VERBS)))]
    choices = (
        f"{verb} {target}",
        f"{pseudo_word(rng)} {target}",
        f"go to the {pseudo_word(rng)}",
        f"{pseudo_word(rng)} {pseudo_word(rng)}",
        f"pick up two {target.removeprefix('the ')}s",
        f"do not go to {target}",
        "what is the weather like",
        f"{target} is nice",
    )
    return choices[int(rng.integers(len(choices)))]
