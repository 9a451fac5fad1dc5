"""A simulated robot that carries out what it is told: its nodes as processes, over ROS 2 alone."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vlam_ros.lab.bags.recorder import recorder_process
from vlam_ros.lab.evaluation.episode_recorder import SETTLING, EpisodeRecord, EpisodeRecorder
from vlam_ros.lab.evaluation.episodes import Episode, episode_of_seed
from vlam_ros.lab.evaluation.film import FilmStrip
from vlam_ros.lab.evaluation.task_runs import EpisodeJob, keep, not_run_yet
from vlam_ros.lab.live.mission import CommandEvent, DecisionEvent, MissionClient, MissionEvent
from vlam_ros.lab.live.node_process import START_PATIENCE, node_processes, private_domain
from vlam_ros.lab.simulation.truth import truth_from_json

IMAGE_RATE = 5.0
"""Images per simulated second: more than can be decided on costs the machine for nothing."""

CLOCK_PATIENCE = 1.0
"""Seconds that /clock may stand still: on a busy machine an image takes the simulator so long."""

NOTHING_TO_DO = "stop"
"""Said when an episode is over, so that the robot stands until the next one begins."""

Check = Callable[[], None]
"""Raises once a process has ended."""


def robot_nodes(logs: Path, model: str = "embedded") -> AbstractContextManager[Check]:
    """Start what thinks and acts: fusion_node, vlam_node and controller_node, on simulated time."""
    timed = {"use_sim_time": True}
    parameters: dict[str, dict[str, Any]] = {
        "vlam_node": {**timed, "model.name_or_path": model},
        "fusion_node": timed,
        "controller_node": {**timed, "safety.clock_patience": CLOCK_PATIENCE},
    }
    return node_processes(parameters, logs)


def simulated_room(room: str, logs: Path, seed: int = 0) -> AbstractContextManager[Check]:
    """Start simulator_node, and with it the time, in a room by its name (see `named_room`)."""
    parameters = {
        "simulation.scene": room,
        "simulation.seed": seed,
        "simulation.image_rate": IMAGE_RATE,
    }
    return node_processes({"simulator_node": parameters}, logs)


def carry_out(
    client: MissionClient,
    episode: Episode,
    watch: Callable[[str], None],
    on_event: Callable[[float, MissionEvent], None] = lambda seconds, event: None,
) -> EpisodeRecord:
    """Run an episode on a robot that is ready, and judge it.

    Times count on the robot's clock, as in lockstep from SETTLING seconds before the instruction.

    `watch` is as in `MissionClient.events`; `on_event` hears of all that happens, with the seconds.

    Raises:
        NoAnswerError: the robot fell silent.
    """
    events = client.events(watch)
    before = Counter(client.stops())
    first = next(truth_from_json(h.truth) for h in events if isinstance(h, CommandEvent))
    start = first.stamp - round(SETTLING * 1e9)
    recorder = EpisodeRecorder(episode, first, start)
    script = list(episode.script)

    def say_what_is_due(seconds: float) -> None:
        if script and seconds >= script[0][0] + SETTLING:
            client.say(script.pop(0)[1])

    say_what_is_due(SETTLING)
    for event in events:
        seconds = (event.now - start) / 1e9
        on_event(seconds, event)
        if isinstance(event, DecisionEvent):
            recorder.decided(seconds, event.decision.verdict)
            if event.latency is not None and event.wall_latency is not None:
                recorder.waited(event.latency, event.wall_latency)
        elif isinstance(event, CommandEvent):
            truth = truth_from_json(event.truth)
            say_what_is_due((truth.stamp - start) / 1e9)
            # The last look counts what is visible, which not every truth does.
            if recorder.over and truth.visible is not None:
                recorder.stopped(dict(Counter(client.stops()) - before))
                return recorder.record(truth)
            recorder.saw(truth)
    raise AssertionError("events never end")


def run_over_ros(
    jobs: Sequence[EpisodeJob],
    model: str,
    logs: Path,
    record: Path | None,
) -> None:
    """Run the jobs that have no record yet, one after another, on the nodes themselves.

    fusion_node, vlam_node and controller_node run through all episodes. simulator_node starts anew
    for each, in its room: the nodes' clock jumps back, on which they forget what they know. Its log
    in the folder `logs` is of the last episode; `record` is the folder of a bag of each.

    Raises:
        ConfigurationError: the folder cannot be written.
        VlamError: an episode's bag cannot be recorded.
        NoAnswerError: the robot fell silent.
    """
    if not (to_do := not_run_yet(jobs)):
        return
    os.environ.update(private_domain(os.environ))
    with robot_nodes(logs, model) as check:
        for job in tqdm(to_do, desc="episodes over ROS"):
            run_job_over_ros(job, check, logs, record / job.record.stem if record else None)


def run_job_over_ros(job: EpisodeJob, check_nodes: Check, logs: Path, bag: Path | None) -> None:
    """Run one episode on nodes that are there, record its bag if one is asked for, and write its
    record; see `task_runs.keep`.
    """
    episode = episode_of_seed(job.seed, job.control)
    if bag is not None:
        shutil.rmtree(bag, ignore_errors=True)  # of a run that was interrupted
    room = f"{'control' if job.control else 'task'}:{job.seed}"
    strip = FilmStrip()
    with (
        simulated_room(room, logs, job.seed) as check_room,
        recorder_process(bag, logs / "record.log") as wait_for_recorder,
        MissionClient(images=True) as client,
    ):

        def watch(waiting_for: str) -> None:
            check_nodes()
            check_room()

        def on_event(seconds: float, event: MissionEvent) -> None:
            if isinstance(event, DecisionEvent) and event.image is not None:
                strip.add(seconds, event.image, event.decision)

        wait_for_recorder(watch)
        client.wait_until_ready(START_PATIENCE, watch)
        record = carry_out(client, episode, watch, on_event)
        keep(job, record, strip)
        client.say(NOTHING_TO_DO)
        for event in client.events(watch):
            if isinstance(event, DecisionEvent):
                break
