"""Runs many episodes on all cores, and goes on where it was interrupted.

Each episode's record is a file of its own, written when the episode is over, so that nothing is
lost and nothing is half-written. One worker has one model.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from vlam_ros.configuration import ControllerSettings, FusionNodeSettings, Settings
from vlam_ros.errors import ConfigurationError
from vlam_ros.lab.evaluation.baseline import HighestPixel
from vlam_ros.lab.evaluation.episode_recorder import EpisodeRecord
from vlam_ros.lab.evaluation.episodes import episode_name, episode_of_seed
from vlam_ros.lab.evaluation.film import FilmStrip
from vlam_ros.lab.evaluation.lockstep import run_episode
from vlam_ros.pipeline import Pipeline
from vlam_ros.policies.registry import policy_kinds
from vlam_ros.policies.skills.planner import SkillPlanner
from vlam_ros.policies.transformer.checkpoint import read_config
from vlam_ros.resources import write_file
from vlam_ros.runtime import DecisionMaker


class Variant(Enum):
    """What runs an episode."""

    VLAM = "vlam"
    ENSEMBLE = "ensemble"
    BASELINE = "baseline"
    ROS = "ros"
    """The nodes themselves, over topics; not run by `run_all`."""


@dataclass(frozen=True)
class EpisodeJob:
    """One episode to be run by one variant, and the folder of its results.

    `policy` is a kind, or the folder of an action transformer; `verify` what the gate's verdict
    does.
    """

    variant: Variant
    seed: int
    control: bool
    model: str
    folder: Path
    policy: str = SkillPlanner.name
    verify: str = "enforce"

    @property
    def record(self) -> Path:
        """The file of its record; its film strip, if there is one, lies beside it as a JPEG."""
        name = episode_name(self.seed, self.control)
        return self.folder / self.variant.value / f"{name}.json"


def run_all(jobs: Sequence[EpisodeJob], workers: int) -> None:
    """Run the jobs that have no record yet, spread over processes.

    Raises:
        ConfigurationError: the folder cannot be written, or the model not be loaded.
    """
    if not (to_do := not_run_yet(jobs)):
        return
    # Not forked: MuJoCo's and torch's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(to_do)), torch.set_num_threads, (1,)) as pool:
        done = pool.imap_unordered(run_job, to_do)
        for _ in tqdm(done, total=len(to_do), desc="episodes"):
            pass


def not_run_yet(jobs: Sequence[EpisodeJob]) -> list[EpisodeJob]:
    """The jobs without a record, whose folders are made; ConfigurationError if that fails."""
    to_do = [job for job in jobs if not job.record.exists()]
    for job in to_do:
        try:
            job.record.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"cannot write to {job.folder}: {error.strerror}") from error
    return to_do


def records(jobs: Sequence[EpisodeJob]) -> dict[Variant, list[EpisodeRecord]]:
    found: dict[Variant, list[EpisodeRecord]] = {}
    for job in jobs:
        if job.record.exists():
            values = json.loads(job.record.read_text(encoding="utf-8"))
            found.setdefault(job.variant, []).append(EpisodeRecord.from_dict(values))
    return found


def film_strip(folder: Path, variant: str, record: EpisodeRecord) -> bytes | None:
    path = folder / variant / f"{record.name}.jpg"
    return path.read_bytes() if path.exists() else None


def run_job(job: EpisodeJob) -> None:
    strip = FilmStrip()
    controller = ControllerSettings.load()
    if job.variant is Variant.ENSEMBLE:
        controller = replace(controller, control=replace(controller.control, ensemble=True))
    record = run_episode(
        episode_of_seed(job.seed, job.control),
        _decider(job.variant is Variant.BASELINE, job.model, job.policy, job.verify),
        FusionNodeSettings.load(),
        controller,
        lambda seconds, made: strip.add(seconds, made.observation.image, made.decision),
    )
    keep(job, record, strip)


def keep(job: EpisodeJob, record: EpisodeRecord, strip: FilmStrip) -> None:
    """Write down what became of an episode; the film strip only if something went wrong."""
    if not record.success or record.collisions:
        write_file(job.record.with_suffix(".jpg"), strip.jpeg())
    write_file(job.record, json.dumps(asdict(record), indent=1).encode())


def policy_settings(policy: str) -> dict[str, Any]:
    """The parameters of a policy that is told by its kind, or by the folder of a transformer, whose
    chunks are as long as it has learned.

    Raises:
        ModelError: there is no policy in the folder.
    """
    if policy in policy_kinds():
        return {"policy__kind": policy}
    return {
        "policy__kind": "transformer",
        "policy__name_or_path": policy,
        "action__horizon": read_config(policy).horizon,
    }


@cache
def _decider(baseline: bool, model: str, policy: str, verify: str) -> DecisionMaker:
    chosen = policy_settings(policy)
    pipeline = Pipeline.from_settings(
        Settings.load(model__name_or_path=model, policy__verify=verify, **chosen)
    )
    pipeline.warm_up()
    if not baseline:
        return pipeline
    return HighestPixel(pipeline.grounder, pipeline.policy.space, Settings.load().action)
