"""A simulated robot that carries out what it is told: its nodes as processes, over ROS 2 alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlam_ros.lab.evaluation.episode_recorder import SETTLING, EpisodeRecord, EpisodeRecorder
from vlam_ros.lab.evaluation.episodes import Episode
from vlam_ros.lab.evaluation.judging import moment_of
from vlam_ros.lab.live.mission import CommandEvent, DecisionEvent, MissionClient, MissionEvent
from vlam_ros.lab.live.node_process import node_process, node_processes
from vlam_ros.lab.simulation.truth import truth_from_json

IMAGE_RATE = 5.0
"""Images per simulated second: more than can be decided on costs the machine for nothing."""

CLOCK_PATIENCE = 1.0
"""Seconds that /clock may stand still: on a busy machine an image takes the simulator so long."""

Check = Callable[[], None]
"""Raises once a process has ended."""


@contextmanager
def robot_nodes(logs: Path, model: str = "embedded") -> Iterator[Check]:
    """Start what thinks and acts: fusion_node, vlam_node and controller_node, on simulated time.

    Args:
        logs: folder for what the nodes print.
        model: 'embedded', a folder or a hub id.
    """
    timed = {"use_sim_time": True}
    parameters: dict[str, dict[str, Any]] = {
        "vlam_node": {**timed, "model.name_or_path": model},
        "fusion_node": timed,
        "controller_node": {**timed, "safety.clock_patience": CLOCK_PATIENCE},
    }
    with node_processes(parameters, logs) as check:
        yield check


@contextmanager
def simulated_room(room: str, logs: Path, seed: int = 0) -> Iterator[Check]:
    """Start simulator_node, and with it the time.

    Args:
        room: its name, see `named_room`.
        logs: folder for what the node prints.
        seed: of the errors of the sensors.
    """
    parameters = {
        "simulation.scene": room,
        "simulation.seed": seed,
        "simulation.image_rate": IMAGE_RATE,
    }
    with node_process("simulator_node", parameters, logs / "simulator_node.log") as check:
        yield check


def carry_out(
    client: MissionClient,
    episode: Episode,
    watch: Callable[[str], None],
    on_event: Callable[[float, MissionEvent], None] = lambda seconds, event: None,
) -> EpisodeRecord:
    """Run an episode on a robot that is ready, and judge it.

    Times count on the robot's clock, as in lockstep from SETTLING seconds before the instruction.

    Args:
        client: of the robot, which stands in the episode's room.
        episode: what is asked for.
        watch: as in `MissionClient.events`.
        on_event: hears of all that happens, with the seconds.

    Raises:
        NoAnswerError: the robot fell silent.
    """
    events = client.events(watch)
    before = client.stops()
    first = next(truth_from_json(h.truth) for h in events if isinstance(h, CommandEvent))
    start = first.stamp - round(SETTLING * 1e9)
    recorder = EpisodeRecorder(episode, moment_of(first, start))
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
            moment = moment_of(truth, start)
            say_what_is_due(moment.seconds)
            # The last look counts what is visible, which not every truth does.
            if recorder.over and truth.visible is not None:
                recorder.stopped(_since(before, client.stops()))
                return recorder.record(moment, truth.contacts)
            recorder.saw(moment)
    raise AssertionError("events never end")


def _since(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What was counted meanwhile."""
    counts = {reason: count - before.get(reason, 0) for reason, count in after.items()}
    return {reason: count for reason, count in counts.items() if count > 0}
