"""`vlam demo`: the whole system at work on a simulated scene, judged by what the simulator knows.

fusion_node and vlam_node run as processes of their own and are talked to over ROS 2 alone, in a ROS
domain of the demo's own on this machine, so that no robot hears of it.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import Subparsers, command_parser
from vlam_ros.cli.node_process import private_domain

if TYPE_CHECKING:
    from vlam_ros.ros.client import Answer
    from vlam_ros.types import Camera, Uint8Array

START_PATIENCE = 120.0
"""Seconds for the nodes to start, on a machine that is busy."""


def add_parser(commands: Subparsers) -> None:
    """Add `vlam demo`."""
    parser = command_parser(
        commands,
        "demo",
        "see the whole system work on a simulated scene",
        "vlam demo --out demo",
        "Publish what camera, LiDAR, IMU and wheels of a simulated robot sense, with instructions, "
        "to fusion_node and vlam_node, and show what they decide. The exit code is 1 if an answer "
        "is not what the simulator knows to be right.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo"),
        metavar="DIR",
        help="of pictures, chunks and the nodes' logs (%(default)s)",
    )
    parser.add_argument(
        "--model",
        default="embedded",
        metavar="NAME",
        help="'embedded', a folder or a hub id (%(default)s)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask all there is to ask; 1 if an answer was wrong."""
    from rich.console import Console

    begin = time.monotonic()
    console = Console(highlight=False, markup=False)
    # Before ROS reads them; the nodes' processes inherit them.
    os.environ.update(private_domain(os.environ))
    with console.status("starting the nodes") as status:
        from vlam_ros.cli.demo_scene import SCENE, TASKS, judge
        from vlam_ros.cli.show import show_decision
        from vlam_ros.cli.simulated_robot import simulated_robot
        from vlam_ros.configuration import Settings

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
                for complaint in (complaints := judge(task, answer, standoff)):
                    console.print(f"wrong    {complaint}", style="bold red")
                failures += bool(complaints)
    console.rule()
    console.print(
        f"{len(TASKS) - failures} of {len(TASKS)} answers are as they must be, after "
        f"{time.monotonic() - begin:.0f} s; pictures and chunks are in {options.out}/"
    )
    return 1 if failures else 0


def write_answer(folder: Path, image: Uint8Array, camera: Camera, answer: Answer) -> None:
    """Write the overlay, the depth over the picture, the top view and the chunk."""
    from vlam_ros.cli.files import write_chunk, write_picture
    from vlam_ros.drawing import draw_depth, draw_top_view
    from vlam_ros.types import Decision, DepthImage

    decision = Decision(answer.scene, answer.plan, answer.chunk.verdict, answer.chunk)
    write_picture(folder / "overlay.png", answer.overlay)
    if isinstance(answer.depth, DepthImage):
        write_picture(folder / "depth.png", draw_depth(image, answer.depth.depth))
    write_picture(folder / "top.png", draw_top_view(decision, answer.obstacles, camera=camera))
    write_chunk(folder / "chunk.json", answer.chunk)
