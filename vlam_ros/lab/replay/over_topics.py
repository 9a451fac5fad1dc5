"""`vlam replay --ros`: a bag through the nodes themselves, over topics."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from vlam_ros.errors import ReplayError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.bags.recorder import Recorder, recording, topics_of
from vlam_ros.lab.live.node_process import START_PATIENCE, node_processes, private_domain
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.job import (
    Progress,
    Replayed,
    ReplayJob,
    ReplayResult,
    about_run,
    baseline_of,
    decide,
    finish,
)
from vlam_ros.lab.replay.live import LiveReplay
from vlam_ros.lab.replay.mounts import with_mounts
from vlam_ros.lab.replay.offline import ReplayOptions, fuses_anew
from vlam_ros.lab.replay.records import ReplayRun
from vlam_ros.lab.replay.roles import DECISIONS, FUSED, Assignment, assign

ON_ITS_WAY = 0.2
"""Seconds of the bag in which an image is decided on after it has waited for its depth."""


@dataclass(frozen=True)
class Pace:
    """How a bag is played: `rate` times as fast as recorded, or as fast as decisions are made
    (None), and how often; time jumps back in between.
    """

    rate: float | None = 1.0
    loops: int = 1

    def __str__(self) -> str:
        how = "as fast as decisions came" if self.rate is None else f"at {self.rate:g} × its speed"
        times = f", {self.loops} times" if self.loops > 1 else ""
        return f"by the nodes over topics, played {how}{times}"


def replay_bag_over_ros(
    job: ReplayJob,
    pace: Pace,
    record: Path | None,
    logs: Path,
    progress: Progress = lambda done: None,
) -> ReplayResult:
    """Play a bag to nodes in a domain of their own, record what they do, and decide on that once
    more in this process: the two must agree, or the report says where they do not.

    Args:
        job: the bag.
        pace: how it is played.
        record: where the recorded bag stays, if anywhere.
        logs: folder for what the nodes print.
        progress: hears how much was played.

    Raises:
        VlamError: a node did not start, or ended.
    """
    os.environ.update(private_domain(os.environ))
    begin, notes = perf_counter(), Notes()
    with TemporaryDirectory(prefix="vlam-replay-") as folder:
        kept = record or Path(folder) / "live"
        with BagReader(job.bag) as bag:
            roles = assign(bag.topics, job.options.mapping)
            baseline = baseline_of(job, bag, roles)
            if find_spec("tf2_ros") is None:
                settings, fusion = with_mounts(bag, roles, job.settings, job.fusion, notes)
                job = replace(job, settings=settings, fusion=fusion)
            live = _play(job, bag, roles, pace, kept, logs, progress, notes)
        again = decide(replace(job, bag=kept, baseline=None, options=ReplayOptions()))
    agreement = _agreement(live, again.run)
    run = replace(live, about={**live.about, "decided again in one process": agreement})
    places = {(d.era, d.stamp, d.instruction): i for i, d in enumerate(run.decisions)}
    images = {
        places[key]: image
        for i, image in again.images.items()
        if (key := _key(again.run, i)) in places
    }
    return finish(job, Replayed(run, baseline, images, perf_counter() - begin))


def _agreement(live: ReplayRun, again: ReplayRun) -> str:
    if live.decisions_json() == again.decisions_json():
        return f"{len(live.decisions)} decisions, equal to the byte"
    made = {decision.to_json() for decision in again.decisions}
    missed = sum(decision.to_json() not in made for decision in live.decisions)
    return f"{missed} of {len(live.decisions)} decisions are not made again"


def _key(run: ReplayRun, index: int) -> tuple[int, int, str]:
    decision = run.decisions[index]
    return decision.era, decision.stamp, decision.instruction


def _play(
    job: ReplayJob,
    bag: BagReader,
    roles: Assignment,
    pace: Pace,
    kept: Path,
    logs: Path,
    progress: Progress,
    notes: Notes,
) -> ReplayRun:
    """What the nodes decide; what they do is recorded."""
    options = job.options
    fuses = fuses_anew(roles, options)
    slack = job.settings.sensors.lidar_wait + ON_ITS_WAY
    nodes = {"vlam_node": job.settings, **({"fusion_node": job.fusion} if fuses else {})}
    told = {name: {"use_sim_time": True, **own.changed()} for name, own in nodes.items()}
    with (
        node_processes(told, logs) as check,
        LiveReplay(bag, roles, notes, options.script, not fuses, slack) as live,
        # By this machine's clock: the bag's may jump back, and a bag is read in order of time.
        recording(kept, topics_of("")) as recorder,
    ):
        said = {f"/{topic}" for topic in (*DECISIONS, *(FUSED if fuses else ()))}
        live.wait_until_heard(
            START_PATIENCE,
            lambda state: check(),
            lambda: _unrecorded(recorder, live.player.topics | said),
        )
        for turn in range(pace.loops):

            def on_time(now: int, turn: int = turn) -> None:
                part = (now - bag.start) / max(1, bag.end - bag.start)
                progress((turn + part) / pace.loops)

            live.play(pace.rate, lambda state: check(), on_time, options.period)
    if live.space is None:
        raise ReplayError(f"the nodes decided on no image of the bag; what they say is in {logs}")
    about = about_run(job, bag, roles, str(pace))
    remarks = (*roles.notes, *bag.notes, *notes.lines)
    records, seconds = zip(*live.decisions, strict=True) if live.decisions else ((), ())
    return ReplayRun(live.space, records, seconds, about, remarks)


def _unrecorded(recorder: Recorder, topics: Collection[str]) -> str:
    """What the recorder does not hear yet of what is to be recorded; empty if that is nothing."""
    missing = [t for t in topics if t not in recorder.left_out and not recorder.hears(t)]
    return f"the recorder to hear {min(missing)}" if missing else ""
