"""Bags decided on and compared: one, or many side by side on this machine's cores or a Ray cluster.

A job and its result are data, so that they can go to another process or machine and come back. What
goes wrong with one of many bags is said in its row, and the others go on.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from textwrap import shorten
from time import perf_counter
from typing import Any

import torch

from vlam_ros import __version__
from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.errors import ReplayError, VlamError
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
LOCAL = "local"
"""The address of a cluster that is started for the replay, on this machine."""
LONGEST = 300
"""Characters of why nothing could be decided on."""
CONNECTING = 5.0
"""Seconds that a cluster may take to answer."""

Progress = Callable[[float], None]
"""Hears which part of the bag was read, in 0..1."""


@dataclass(frozen=True)
class ReplayJob:
    """A bag to be replayed.

    `baseline` is a file of `ReplayRun.to_json`; without one the bag's own decisions are, if it
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


BagResult = ReplayResult | BagRow
"""What became of a bag: a row alone says why it was not replayed."""


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
        ReplayError: its topics do not fit, nothing can be decided on, or the baseline is none.
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
        if not records:
            raise ReplayError(_why_nothing(job, roles, (*notes.lines, *bag.notes)))
    progress(1.0)
    run = ReplayRun(pipeline.policy.space, tuple(records), tuple(seconds), about, remarks)
    return Replayed(run, baseline, album.images, perf_counter() - begin)


def _why_nothing(job: ReplayJob, roles: Assignment, remarks: Sequence[str]) -> str:
    again = "; --redecide decides anew" if follows_recording(roles, job.options) else ""
    why = shorten("; ".join([r for r in remarks if "image" in r] or remarks), LONGEST)
    return f"no image of {roles.images} could be decided on: {why or 'there is none'}{again}"


def _turns(before: DecisionRecord, now: DecisionRecord) -> bool:
    names = ("outcome", "reason", "skill", "instruction", "era")
    return any(getattr(before, name) != getattr(now, name) for name in names)


def _draw(job: ReplayJob, decided: DecisionResult) -> DecisionImages:
    decision, seen, request = decided.decision, decided.observation, decided.inputs.request
    box = job.fusion.fusion.robot_box
    overlay = draw_overlay(seen.image, decision, request.text if request else "")
    top_view = draw_top_view(decision, seen.obstacles, seen.camera, box)
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
    told = roles.topics.get("instruction", "none")
    return {
        "bag": describe_bag(bag),
        "images": roles.images,
        "instructions": "given for this replay" if job.options.script else told,
        "decided": how,
        "model": job.settings.model.name_or_path,
        "vlam_ros": __version__,
    }


def attempt(job: ReplayJob, replay: Callable[[ReplayJob], ReplayResult] = replay_bag) -> BagResult:
    """Replay a bag; whatever goes wrong is an answer."""
    try:
        return replay(job)
    except VlamError as error:
        return BagRow(job.name, error=_told(error))
    except Exception as error:  # a fault of the program must not cost the other bags
        return BagRow(job.name, error=f"{type(error).__name__}: {_told(error)}")


def _told(error: Exception) -> str:
    return " ".join(str(error).split())


def replay_on_cores(
    jobs: Sequence[ReplayJob], workers: int, replay: Callable[[ReplayJob], BagResult] = attempt
) -> Iterator[tuple[ReplayJob, BagResult]]:
    """Replay bags in so many processes, which share the cores and have a model each; yields what
    became of them as they are done. `replay` is a function of a module, for other processes.
    """
    workers = min(workers, len(jobs))
    threads = max(1, (os.cpu_count() or 1) // max(1, workers))
    given = [replace(job, threads=threads) for job in jobs]
    lost = yield from _in_pool(given, workers, replay)
    # A process that was killed takes all that were waiting with it: each gets a process of its own.
    for job in lost:
        for again in (yield from _in_pool([job], 1, replay)):
            why = "the process that replayed it was killed: was there enough memory?"
            yield again, BagRow(again.name, error=why)


def _in_pool(
    jobs: Sequence[ReplayJob], workers: int, replay: Callable[[ReplayJob], BagResult]
) -> Generator[tuple[ReplayJob, BagResult], None, list[ReplayJob]]:
    """Yields as `replay_on_cores`; returns the jobs that a killed process took with it."""
    lost = []
    # Not forked: torch's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running: dict[Future[BagResult], ReplayJob] = {pool.submit(replay, j): j for j in jobs}
        try:
            for future in as_completed(running):
                try:
                    yield running[future], future.result()
                except BrokenProcessPool:
                    lost.append(running[future])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return lost


def replay_on_ray(jobs: Sequence[ReplayJob], address: str) -> Iterator[tuple[ReplayJob, BagResult]]:
    """Replay bags on a Ray cluster, one CPU for each, as they are done.

    The cluster's machines must have this package, and the bags under the same paths. Its address is
    "auto" for the one of this machine, LOCAL to start one here.

    Raises:
        ReplayError: there is no cluster at the address.
    """
    import ray

    started = not ray.is_initialized()
    if started:
        _check_reachable(address)
        try:
            dashboard = False if address == LOCAL else None
            quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
            ray.init(address=address, include_dashboard=dashboard, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ReplayError(f"there is no Ray cluster at {address!r}: {_told(error)}") from error
    try:
        remote: Callable[[ReplayJob], Any] = ray.remote(num_cpus=1)(attempt).remote
        running = {remote(replace(job, threads=1)): job for job in jobs}
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(done)
            try:
                yield job, ray.get(done)
            except ray.exceptions.RayError as error:
                lines = str(error).strip().splitlines() or [type(error).__name__]
                yield job, BagRow(job.name, error=f"Ray: {lines[0]}")
    finally:
        if started:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself waits for minutes for a machine that does not answer."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), CONNECTING).close()
    except OSError as error:
        raise ReplayError(f"there is no Ray cluster at {address!r}: {error}") from error
