"""`vlam demo`: the whole system at work on a simulated scene, judged by what the simulator knows.

First a robot that stands is asked what it would do; then another carries out an instruction. The
nodes run as processes of their own and are talked to over ROS 2 alone, in a ROS domain of the
demo's own on this machine, so that no robot hears of it.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import Subparsers, add_model, command_parser
from vlam_ros.lab.live.node_process import START_PATIENCE, private_domain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from vlam_ros.lab.live.client import NodeDecision
    from vlam_ros.types import Camera, Uint8Array


def add_parser(commands: Subparsers) -> None:
    """Add `vlam demo`."""
    parser = command_parser(
        commands,
        "demo",
        "see the whole system work on a simulated scene",
        "vlam demo --out demo",
        "Publish what camera, LiDAR, IMU and wheels of a simulated robot sense, with instructions, "
        "to fusion_node and vlam_node, and show what they decide; then let controller_node do it, "
        "and film that. The exit code is 1 if an answer, or what was done, is not what the "
        "simulator knows to be right.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo"),
        metavar="DIR",
        help="of film, images, chunks and the nodes' logs (%(default)s)",
    )
    add_model(parser)
    parser.add_argument(
        "--record", type=Path, metavar="BAG", help="record the robot that carries it out"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask all there is to ask, then let the robot do something; 1 if any of it went wrong."""
    from rich.console import Console

    from vlam_ros.lab.bags.writer import check_free

    if options.record:  # before anything is started for it
        check_free(options.record)
    console = Console(highlight=False, markup=False)
    # Before ROS reads them; the nodes' processes inherit them.
    os.environ.update(private_domain(os.environ))
    begin = time.monotonic()
    with console.status("starting the nodes") as status:
        from vlam_ros.lab.demo.task import run_pick_and_place

        summary, failures = ask_all(console, status, options)
        wrong = run_pick_and_place(console, status, options.out, options.model, options.record)
    console.rule()
    console.print(summary)
    done = "did not do" if wrong else "did"
    console.print(
        f"the robot {done} what it was told; film.gif, film_strip.jpg, images and chunks are in "
        f"{options.out}/, after {time.monotonic() - begin:.0f} s"
    )
    return 1 if failures or wrong else 0


def ask_all(console: Console, status: Status, options: argparse.Namespace) -> tuple[str, int]:
    """Ask a standing robot all there is to ask; a summary, and how many answers are wrong."""
    from vlam_ros.cli.show import show_decision
    from vlam_ros.configuration import Settings
    from vlam_ros.lab.demo.scene import SCENE, TASKS, judge
    from vlam_ros.lab.live.simulated_robot import simulated_robot

    begin = time.monotonic()
    standoff, failures, shown = Settings.load().policy.standoff, 0, ""
    with simulated_robot(SCENE, options.out, options.model) as robot:

        def watch(waiting_for: str) -> None:
            nonlocal shown
            robot.keep_alive()
            if waiting_for != shown:
                shown = waiting_for
                status.update(f"waiting for {waiting_for}")

        robot.client.wait_for_node(START_PATIENCE, watch)
        seconds = time.monotonic() - begin
        console.print(f"{seconds:4.1f} s  fusion_node and vlam_node are ready")
        for task in TASKS:
            status.update(f"asking: {task.instruction}")
            answer = robot.client.ask(robot.image, robot.camera, task.instruction, watch=watch)
            write_answer(options.out / task.name, robot.image, robot.camera, answer)
            console.rule(f"“{task.instruction}”", align="left")
            show_decision(console, answer.chunk, answer.plan)
            for error in (errors := judge(task, answer, standoff)):
                console.print(f"wrong    {error}", style="bold red")
            failures += bool(errors)
    return f"{len(TASKS) - failures} of {len(TASKS)} answers are as they must be", failures


def write_answer(folder: Path, image: Uint8Array, camera: Camera, answer: NodeDecision) -> None:
    """Write the overlay, the depth over the image, the top view and the chunk."""
    from vlam_ros.cli.show import write_chunk, write_image
    from vlam_ros.lab.visualization import draw_depth, draw_top_view
    from vlam_ros.types import Decision, DepthImage

    decision = Decision(answer.scene, answer.plan, answer.chunk.verdict, answer.chunk)
    write_image(folder / "overlay.png", answer.overlay)
    if isinstance(answer.depth, DepthImage):
        write_image(folder / "depth.png", draw_depth(image, answer.depth.depth))
    write_image(folder / "top.png", draw_top_view(decision, answer.obstacles, camera=camera))
    write_chunk(folder / "chunk.json", answer.chunk)
