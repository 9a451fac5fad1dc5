"""`vlam evaluate tasks --ros`: episodes on the nodes themselves, over real topics.

fusion_node, vlam_node and controller_node run through all episodes. simulator_node starts anew for
each, in the episode's room: the nodes' clock jumps back, on which they forget what they know.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from vlam_ros.lab.bags.recorder import recorder_process
from vlam_ros.lab.evaluation.episodes import episode_of_seed
from vlam_ros.lab.evaluation.film import FilmStrip
from vlam_ros.lab.evaluation.task_runs import EpisodeJob, keep, not_run_yet
from vlam_ros.lab.live.mission import DecisionEvent, MissionClient, MissionEvent
from vlam_ros.lab.live.node_process import START_PATIENCE, private_domain
from vlam_ros.lab.live.run_mission import Check, carry_out, robot_nodes, simulated_room

NOTHING_TO_DO = "stop"
"""Said when an episode is over, so that the robot stands until the next one begins."""


def run_over_ros(
    jobs: Sequence[EpisodeJob],
    model: str,
    logs: Path,
    progress: bool = True,
    record: Path | None = None,
) -> None:
    """Run the jobs that have no record yet, one after another.

    Args:
        jobs: what is to be run.
        model: 'embedded', a folder or a hub id.
        logs: folder for what the nodes print; simulator_node's is of the last episode.
        progress: whether to show it.
        record: folder of a bag of each episode, named like the episode.

    Raises:
        ConfigurationError: the folder cannot be written.
        VlamError: an episode's bag cannot be recorded.
        NoAnswerError: the robot fell silent.
    """
    if not (to_do := not_run_yet(jobs)):
        return
    os.environ.update(private_domain(os.environ))
    with robot_nodes(logs, model) as check:
        for job in tqdm(to_do, desc="episodes over ROS", disable=not progress):
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
