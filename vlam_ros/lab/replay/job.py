"""One bag, decided on and compared: what `vlam replay` does with each, in whichever process.

A job and its result are data, so that they can go to another process or machine and come back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter

import torch

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.errors import ReplayError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.collected import describe_bag, recorded_run
from vlam_ros.lab.replay.compare import Comparison, compare
from vlam_ros.lab.replay.images import DecisionImages, ImageAlbum
from vlam_ros.lab.replay.offline import ReplayOptions, follows_recording, replay_offline
from vlam_ros.lab.replay.records import DecisionRecord, ReplayRun
from vlam_ros.lab.replay.roles import Assignment, assign
from vlam_ros.lab.replay.table import BagRow
from vlam_ros.lab.replay.thresholds import Exceeded, Thresholds, passed_over
from vlam_ros.lab.report.replay_page import replay_page
from vlam_ros.lab.visualization import draw_top_view
from vlam_ros.lab.visualization.jpeg import jpeg
from vlam_ros.pipeline import Pipeline
from vlam_ros.runtime import DecisionResult
from vlam_ros.visualization import draw_overlay

OVERLAY_WIDTH, TOP_VIEW_WIDTH, QUALITY = 640, 760, 70
"""Pixels and JPEG quality of a report's images."""

Progress = Callable[[float], None]
"""Hears which part of the bag was read, in 0..1."""


@dataclass(frozen=True)
class ReplayJob:
    """A bag to be replayed.

    `baseline` is a file that `ReplayRun.save` wrote; without one the bag's own decisions are, if it
    holds any. Without `thresholds` anything may differ. `threads` are the CPU's for the models, 0:
    as many as there are. At most about `images` decisions have images in the report.
    """

    bag: Path
    name: str
    options: ReplayOptions
    settings: Settings
    fusion: FusionNodeSettings
    baseline: Path | None = None
    thresholds: Thresholds | None = None
    images: int = 200
    threads: int = 0


@dataclass(frozen=True)
class ReplayResult:
    """What became of a bag: its row in the table of many, the run, how it differs from the
    baseline, which thresholds it passed over, and the report (HTML).
    """

    row: BagRow
    run: ReplayRun
    comparison: Comparison | None
    exceeded: tuple[Exceeded, ...]
    page: str


@dataclass(frozen=True)
class Replayed:
    """A run, the baseline that it is to be compared with, images of some of its decisions by
    their places, and the seconds that all of it took.
    """

    run: ReplayRun
    baseline: ReplayRun | None
    images: Mapping[int, DecisionImages]
    seconds: float


def replay_bag(job: ReplayJob, progress: Progress = lambda done: None) -> ReplayResult:
    """Replay a bag, compare and report. The models are loaded once per process.

    Raises:
        BagError: the bag cannot be read.
        ReplayError: its topics do not fit, or the baseline is none.
        ConfigurationError, ModelError: the models cannot be loaded.
    """
    return finish(job, decide(job, progress))


def decide(job: ReplayJob, progress: Progress = lambda done: None) -> Replayed:
    """Replay a bag; see `replay_bag`."""
    if job.threads:
        torch.set_num_threads(job.threads)
    begin, notes, album = perf_counter(), Notes(), ImageAlbum(job.images)
    records: list[DecisionRecord] = []
    seconds: list[float] = []
    with BagReader(job.bag) as bag:
        roles = assign(bag.topics, job.options.mapping)
        baseline = baseline_of(job, bag, roles)
        pipeline = load_pipeline(job.settings)
        settings, length = (job.settings, job.fusion), max(1, bag.end - bag.start)
        expected = {(d.era, d.stamp): d.to_json() for d in baseline.decisions} if baseline else None
        for decided in replay_offline(
            bag,
            roles,
            pipeline,
            settings,
            job.options,
            notes,
            lambda received: progress((received - bag.start) / length),
        ):
            record = DecisionRecord.of(decided.decision, decided.inputs)
            important = not records or _turns(records[-1], record)
            if expected is not None:
                important |= expected.get((record.era, record.stamp)) != record.to_json()
            album.offer(len(records), partial(_draw, job, decided), important)
            records.append(record)
            seconds.append(decided.seconds)
        how = f"anew, every {job.options.period:g} s"
        if follows_recording(roles, job.options):
            how = "with the inputs of the recorded decisions, one by one"
        about = about_run(job, bag, roles, how)
        about["model"] = f"{pipeline.grounder.name} on {pipeline.grounder.device}"
        remarks = (*roles.notes, *bag.notes, *notes.lines)
    progress(1.0)
    run = ReplayRun(pipeline.policy.space, tuple(records), tuple(seconds), about, remarks)
    return Replayed(run, baseline, album.images, perf_counter() - begin)


def _turns(before: DecisionRecord, now: DecisionRecord) -> bool:
    """Whether the robot now does something else than before."""
    names = ("outcome", "reason", "skill", "instruction", "era")
    return any(getattr(before, name) != getattr(now, name) for name in names)


def _draw(job: ReplayJob, decided: DecisionResult) -> DecisionImages:
    decision, seen, request = decided.decision, decided.observation, decided.inputs.request
    box = job.fusion.fusion.robot_box
    overlay = draw_overlay(seen.image, decision, request.text if request else "")
    top_view = draw_top_view(decision, seen.obstacles, camera=seen.camera, robot_box=box)
    return DecisionImages(
        jpeg(overlay, QUALITY, OVERLAY_WIDTH), jpeg(top_view, QUALITY, TOP_VIEW_WIDTH)
    )


def baseline_of(job: ReplayJob, bag: BagReader, roles: Assignment) -> ReplayRun | None:
    """What a run is compared with: what the job says, or else what the bag itself holds; nothing if
    it was told something else than its bag.

    Raises:
        ReplayError: the baseline cannot be read.
    """
    if job.baseline:
        return ReplayRun.load(job.baseline)
    return None if job.options.script else recorded_run(bag, roles)


def finish(job: ReplayJob, replayed: Replayed) -> ReplayResult:
    """Compare a run and report on it.

    Raises:
        ReplayError: there is nothing that thresholds could hold for.
    """
    run, baseline = replayed.run, replayed.baseline
    if job.thresholds and baseline is None:
        raise ReplayError(
            "thresholds need a baseline, and this bag holds no decisions of its own: make one with "
            "--save, and give it as --baseline"
        )
    comparison = compare(baseline, run) if baseline else None
    exceeded = passed_over(comparison, job.thresholds) if comparison and job.thresholds else ()
    return ReplayResult(
        BagRow.of(job.name, run, replayed.seconds, comparison, exceeded),
        run,
        comparison,
        exceeded,
        replay_page(run, replayed.images, comparison, exceeded, job.name),
    )


@lru_cache(1)
def load_pipeline(settings: Settings) -> Pipeline:
    """The pipeline that replays of this process share, warm."""
    pipeline = Pipeline.from_settings(settings)
    pipeline.warm_up()
    return pipeline


def about_run(job: ReplayJob, bag: BagReader, roles: Assignment, how: str) -> dict[str, str]:
    """What a run was, for people; `how` it was decided."""
    try:
        program = version("vlam_ros")
    except PackageNotFoundError:  # colcon need not install metadata
        program = "unknown"
    told = roles.topics.get("instruction", "none")
    return {
        "bag": describe_bag(bag),
        "images": roles.images,
        "instructions": "given for this replay" if job.options.script else told,
        "decided": how,
        "model": job.settings.model.name_or_path,
        "vlam_ros": program,
    }
