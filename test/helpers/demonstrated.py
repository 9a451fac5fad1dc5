"""Demonstrations of short episodes, for tests."""

from __future__ import annotations

from pathlib import Path

from vlam_ros.configuration import Settings
from vlam_ros.lab.evaluation.episodes import episode_of_seed
from vlam_ros.lab.simulation.tasks import CONTROL, Kind
from vlam_ros.lab.training.policy.asked import names_held_out
from vlam_ros.lab.training.policy.demonstrations import (
    DemonstrationJob,
    Parts,
    ShardKind,
    run_shard,
)
from vlam_ros.language import parse_instruction
from vlam_ros.types import Task

SETTINGS = Settings.load(model__dtype="float32")
SEED = 21_000_000


def seed_of(kind: Kind) -> int:
    """The first seed of an episode of a kind."""
    control = kind in CONTROL
    told = ((seed, episode_of_seed(seed, control, True)) for seed in range(SEED, SEED + 500))
    return next(
        seed
        for seed, episode in told
        if episode.task.kind is kind and not names_held_out(episode.script[0][1])
    )


def short_episodes(folder: Path) -> None:
    """Demonstrations of three, of tasks and of the control set, and the first as a bag."""
    turning = DemonstrationJob(
        folder, seed_of(Kind.TURN_TO), 1, ShardKind.TASKS, SETTINGS, folder / "bags"
    )
    held = (
        DemonstrationJob(folder, seed_of(kind), 1, ShardKind.CONTROL, SETTINGS)
        for kind in (Kind.ABSENT, Kind.AMBIGUOUS)
    )
    for job in (turning, *held):
        run_shard(job)


def task(text: str, skill: str, parts: Parts) -> Task:
    return Task(parse_instruction(text, parts.lexicon), skill, 0.9)
