"""The whole system at work on a simulated scene, judged by what the simulator knows.

First a robot that stands is asked what it would do; then another carries out an instruction. The
nodes run as processes of their own and are talked to over ROS 2 alone, in a ROS domain of the
demo's own on this machine, so that no robot hears of it. At last the learned policy does the same
in this process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median_high

import numpy as np
from rich.console import Console
from rich.status import Status
from rich.text import Text

from vlam_ros.actions import ActionTokenizer
from vlam_ros.cli.show import STYLES, show_decision, write_chunk, write_image
from vlam_ros.configuration import ControllerSettings, FusionNodeSettings, Settings
from vlam_ros.lab.bags.recorder import recorder_process
from vlam_ros.lab.evaluation.episode_recorder import EpisodeRecord
from vlam_ros.lab.evaluation.episodes import Episode
from vlam_ros.lab.evaluation.film import Film, PlanProgress
from vlam_ros.lab.evaluation.lockstep import run_episode
from vlam_ros.lab.live.client import NodeDecision
from vlam_ros.lab.live.mission import (
    CommandEvent,
    DecisionEvent,
    MissionClient,
    MissionEvent,
    Overview,
)
from vlam_ros.lab.live.node_process import START_PATIENCE
from vlam_ros.lab.live.run_mission import carry_out, robot_nodes, simulated_room
from vlam_ros.lab.live.simulated_robot import simulated_robot
from vlam_ros.lab.simulation.rooms import DEMO_SCENE, named_room
from vlam_ros.lab.simulation.tasks import Kind, TaskSpec
from vlam_ros.lab.simulation.truth import truth_from_json
from vlam_ros.lab.visualization import draw_depth, draw_top_view
from vlam_ros.pipeline import Pipeline
from vlam_ros.resources import write_file
from vlam_ros.types import (
    ActionChunk,
    Camera,
    Decision,
    DepthImage,
    Outcome,
    PositionSource,
    Reason,
    Uint8Array,
)

ROOM = "pick_and_place"
INSTRUCTION = "pick up the orange ball and put it next to the yellow box"
TOLERANCE = 0.08
"""Metres that a position may be off; a bin of the commands is 0.024 m wide."""


def run_demo(out: Path, model: str, record: Path | None = None) -> int:
    """Ask and carry out, and say how it went; the exit code, 1 if any of it went wrong.

    `out` is the folder of film, images, chunks and the nodes' logs; `record` a bag of the robot
    that carries it out.
    """
    console, begin = Console(highlight=False, markup=False), time.monotonic()
    with console.status("starting the nodes") as status:
        summary, failures = ask_all(console, status, out, model)
        wrong = run_pick_and_place(console, status, out, model, record)
        wrong += run_learned(console, status, model)
    console.rule()
    console.print(summary)
    console.print(
        f"the robot {'did not do' if wrong else 'did'} what it was told; film.gif, film_strip.jpg, "
        f"images and chunks are in {out}/, after {time.monotonic() - begin:.0f} s"
    )
    return 1 if failures or wrong else 0


@dataclass(frozen=True)
class DemoCase:
    """An instruction, and what the answer must be, with the phrases of objects of DEMO_SCENE.

    The results go into the folder `name`, those of the case without a name above it.
    """

    name: str
    instruction: str
    skill: str = "stop"
    target: str = ""
    destination: str = ""
    reason: Reason = Reason.NONE


PUT = "pick up the red cup and put it on the blue plate"
CASES = (
    DemoCase("", "go to the ball right of the red cup", "go_to", "orange ball"),
    DemoCase("put", PUT, "pick_up", "red cup", "blue plate"),
    # The red cup stands where the robot would pass.
    DemoCase("blocked", "go to the green box", reason=Reason.PATH_BLOCKED),
    DemoCase("refused", "pick up the purple cone", reason=Reason.TARGET_NOT_FOUND),
    DemoCase("unknown", "go to the giraffe", reason=Reason.TARGET_NOT_FOUND),
)


def judge(case: DemoCase, answer: NodeDecision, standoff: float) -> list[str]:
    """What is wrong with an answer, by a base that keeps a standoff (m) from what it goes to."""
    chunk, verdict = answer.chunk, answer.chunk.verdict
    outcome = Outcome.HOLD if case.reason else Outcome.EXECUTE
    if (verdict.outcome, verdict.reason, chunk.skill) != (outcome, case.reason, case.skill):
        return [f"expected {outcome.name} {case.reason.name if case.reason else case.skill}"]
    wrong = []
    if case.target:
        target = answer.plan.target
        if target is None or target.source is not PositionSource.DEPTH:
            wrong.append(f"does not place the {case.target} by measured depth")
        x, y = _acted_on(chunk, standoff)
        if (off := math.dist((x, y), _place(case.target))) > TOLERANCE:
            wrong.append(f"acts on ({x:.2f}, {y:.2f}), {off:.2f} m beside the {case.target}")
    if case.destination:
        seen = answer.scene.of(case.destination)
        if not seen or seen[0].position is None:
            wrong.append(f"does not know where the {case.destination} is")
        elif (off := math.dist(seen[0].position[:2], _place(case.destination))) > TOLERANCE:
            wrong.append(f"places the {case.destination} {off:.2f} m beside itself")
    return wrong


def _place(phrase: str) -> tuple[float, float]:
    """Where an object of DEMO_SCENE stands."""
    x, y, _ = next(o for o in DEMO_SCENE.objects if o.phrase == phrase).position
    return x, y


def _acted_on(chunk: ActionChunk, standoff: float) -> tuple[float, float]:
    """Where the object is that the chunk's last waypoint is for."""
    rows = ActionTokenizer(chunk.space).decode(chunk.tokens)
    _, x, y, _, theta = map(float, rows[~np.isnan(rows[:, 1])][-1])
    if chunk.skill != "go_to":
        return x, y
    # The base stops short of it, and looks at it.
    return x + standoff * math.cos(theta), y + standoff * math.sin(theta)


def ask_all(console: Console, status: Status, out: Path, model: str) -> tuple[str, int]:
    """Ask a standing robot all there is to ask; a summary, and how many answers are wrong."""
    begin = time.monotonic()
    standoff, failures = Settings.load().policy.standoff, 0
    with simulated_robot(DEMO_SCENE, out, model) as robot:

        def watch(waiting_for: str) -> None:
            robot.keep_alive()
            status.update(f"waiting for {waiting_for}")

        robot.client.wait_for_node(START_PATIENCE, watch)
        seconds = time.monotonic() - begin
        console.print(f"{seconds:4.1f} s  fusion_node and vlam_node are ready")
        for case in CASES:
            status.update(f"asking: {case.instruction}")
            answer = robot.client.ask(robot.image, robot.camera, case.instruction, watch=watch)
            write_answer(out / case.name, robot.image, robot.camera, answer)
            console.rule(f"“{case.instruction}”", align="left")
            show_decision(console, answer.chunk, answer.plan)
            for error in (errors := judge(case, answer, standoff)):
                console.print(f"wrong    {error}", style="bold red")
            failures += bool(errors)
    return f"{len(CASES) - failures} of {len(CASES)} answers are as they must be", failures


def write_answer(folder: Path, image: Uint8Array, camera: Camera, answer: NodeDecision) -> None:
    """Write the overlay, the depth over the image, the top view and the chunk."""
    decision = Decision(answer.scene, answer.plan, answer.chunk.verdict, answer.chunk)
    write_image(folder / "overlay.png", answer.overlay)
    if isinstance(answer.depth, DepthImage):
        write_image(folder / "depth.png", draw_depth(image, answer.depth.depth))
    box = FusionNodeSettings.load().fusion.robot_box
    write_image(folder / "top.png", draw_top_view(decision, answer.obstacles, camera, box))
    write_chunk(folder / "chunk.json", answer.chunk)


def pick_and_place() -> Episode:
    """What is asked for: to drive, pick up, drive and place."""
    room = named_room(ROOM)
    phrases = [thing.phrase for thing in room.scene.objects]
    target, destination = phrases.index("orange ball"), phrases.index("yellow box")
    task = TaskSpec(Kind.PUT_NEXT_TO, room, target, destination, "orange ball", "yellow box")
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
    times = (episode.latencies, episode.wall_latencies)
    latency, on_the_wall = (median_high(seconds or (math.nan,)) for seconds in times)
    console.print(
        f"{episode.seconds:.0f} simulated seconds at {rate:.2f} of real time; decisions came "
        f"{latency:.2f} s after their image, on the wall {on_the_wall:.2f} s; "
        f"the robot drove {episode.path:.2f} m"
    )
    if record:
        console.print(f"recorded {record}; vlam replay {record} decides on it again")
    if film.frames:
        write_file(out / "film.gif", film.gif())
        write_file(out / "film_strip.jpg", film.strip())
    return _told(console, episode)


def run_learned(console: Console, status: Status, model: str) -> list[str]:
    """Let the learned policy carry out the same in this process, and say how it went."""
    console.rule("the same by the learned policy, behind the same gate", align="left")
    status.update("the learned policy is at work")
    if model != "embedded":
        console.print("left out: it reads what the embedded model sees")
        return []
    # Named, lest the choice of one is told in the middle of the demo.
    settings = Settings.load(policy__kind="transformer", model__device="cpu")
    pipeline = Pipeline.from_settings(settings)
    robot = FusionNodeSettings.load(), ControllerSettings.load()
    record = run_episode(pick_and_place(), pipeline, *robot)
    console.print(
        f"{record.outcome} after {record.seconds:.0f} simulated seconds; the robot drove "
        f"{record.path:.2f} m"
    )
    return _told(console, record)


def _told(console: Console, record: EpisodeRecord) -> list[str]:
    wrong = errors(record)
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
                held = None if truth.held is None else truth.objects[truth.held]
                taken = f"the {held.phrase}" if held else "nothing"
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
