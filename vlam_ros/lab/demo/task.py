"""The end of `vlam demo`: the robot carries out an instruction, and is filmed and judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.text import Text

from vlam_ros.cli.show import STYLES
from vlam_ros.lab.bags.recorder import recorder_process
from vlam_ros.lab.evaluation.episode_recorder import EpisodeRecord
from vlam_ros.lab.evaluation.episodes import Episode
from vlam_ros.lab.evaluation.film import Film, PlanProgress
from vlam_ros.lab.live.mission import (
    CommandEvent,
    DecisionEvent,
    MissionClient,
    MissionEvent,
    Overview,
)
from vlam_ros.lab.live.node_process import START_PATIENCE
from vlam_ros.lab.live.run_mission import carry_out, robot_nodes, simulated_room
from vlam_ros.lab.simulation.rooms import named_room
from vlam_ros.lab.simulation.tasks import Kind, Task
from vlam_ros.lab.simulation.truth import truth_from_json
from vlam_ros.resources import write_file
from vlam_ros.types import Decision, Outcome

ROOM = "pick_and_place"
INSTRUCTION = "pick up the orange ball and put it next to the yellow box"


def pick_and_place() -> Episode:
    """What is asked for: to drive, pick up, drive and place."""
    room = named_room(ROOM)
    phrases = [thing.phrase for thing in room.scene.objects]
    target, destination = phrases.index("orange ball"), phrases.index("yellow box")
    task = Task(Kind.PUT_NEXT_TO, room, target, destination, "orange ball", "yellow box")
    return Episode(0, task, ((0.0, INSTRUCTION),), paraphrased=False)


def run_pick_and_place(
    console: Console, status: Status, out: Path, model: str, record: Path | None = None
) -> list[str]:
    """Let the robot carry it out, print how it goes, and write the film; what went wrong.

    If `record` is given, a bag of it is recorded there.
    """
    console.rule(f"a robot is told: “{INSTRUCTION}”", align="left")
    status.update("starting a robot that drives")
    begin = time.monotonic()
    film, timeline = Film(INSTRUCTION), Timeline(console.print)
    with (
        robot_nodes(out / ROOM, model) as check_nodes,
        simulated_room(ROOM, out / ROOM) as check_room,
        recorder_process(record, out / ROOM / "record.log") as wait_for_recorder,
        MissionClient(images=True, overview=True) as client,
    ):

        def watch(waiting_for: str) -> None:
            check_nodes()
            check_room()
            status.update(f"waiting for {waiting_for}")

        def on_event(seconds: float, event: MissionEvent) -> None:
            timeline.add(seconds, event)
            if isinstance(event, DecisionEvent):
                film.decided(event.decision, event.image)
            elif isinstance(event, Overview):
                film.saw(seconds, event.image)

        wait_for_recorder(watch)
        client.wait_until_ready(START_PATIENCE, watch)
        console.print(f"{time.monotonic() - begin:4.1f} s  all four nodes are ready")
        episode = carry_out(client, pick_and_place(), watch, on_event)
        rate = client.clock.rate()
    console.print(
        f"{episode.seconds:.0f} simulated seconds at {rate:.2f} of real time; decisions came "
        f"{_median(episode.latencies):.2f} s after their image, on the wall "
        f"{_median(episode.wall_latencies):.2f} s; the robot drove {episode.path:.2f} m"
    )
    if record:
        console.print(f"recorded {record}; vlam replay {record} decides on it again")
    if film.frames:
        write_file(out / "film.gif", film.gif())
        write_file(out / "film_strip.jpg", film.strip())
    wrong = errors(episode)
    for error in wrong:
        console.print(f"wrong    {error}", style="bold red")
    return wrong


def errors(record: EpisodeRecord) -> list[str]:
    """What is wrong with how it was carried out; nothing if all is as it must be."""
    wrong = []
    if record.outcome != Outcome.DONE.name:
        wrong.append(f"ended in {record.outcome} {record.reason}: {record.message}")
    if not record.success:
        wrong.append(f"the truth: {record.why}")
    wrong += [f"hit something: {collision}" for collision in record.collisions]
    return wrong


class Timeline:
    """Prints what changes: the step, the verdict, and what the gripper holds in truth."""

    def __init__(self, show: Callable[[Text], None]) -> None:
        self._show = show
        self._progress = PlanProgress()
        self._last: tuple[str, str] | None = None
        self._held: int | None = None

    def add(self, seconds: float, event: MissionEvent) -> None:
        """Something happened."""
        if isinstance(event, DecisionEvent):
            self._decided(seconds, event.decision)
        elif isinstance(event, CommandEvent):
            truth = truth_from_json(event.truth)
            if truth.held != self._held:
                self._held = truth.held
                taken = "nothing" if truth.held is None else f"the {truth.phrases[truth.held]}"
                self._show(Text(f"{seconds:4.1f} s           it holds {taken}"))

    def _decided(self, seconds: float, decision: Decision) -> None:
        progress, verdict = self._progress, decision.verdict
        progress.follow(decision)
        doing = ""
        if verdict.outcome is Outcome.EXECUTE and progress.current < len(progress.steps):
            step = progress.steps[progress.current]
            doing = f"step {progress.current + 1} of {len(progress.steps)}: {step}"
        elif verdict.reason:
            doing = f"{verdict.reason.name}: {verdict.message}"
        if (verdict.outcome.name, doing) != self._last:
            self._last = verdict.outcome.name, doing
            name = f"{verdict.outcome.name:8}"
            self._show(
                Text.assemble(f"{seconds:4.1f} s  ", (name, STYLES[verdict.outcome]), f" {doing}")
            )


def _median(seconds: tuple[float, ...]) -> float:
    return sorted(seconds)[len(seconds) // 2] if seconds else float("nan")
