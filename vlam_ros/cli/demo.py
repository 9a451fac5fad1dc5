"""`vlam demo`: the whole system at work on a simulated scene, judged by what the simulator knows.

vlam_node runs as a process of its own and is talked to over ROS 2 alone, in a ROS domain of the
demo's own on this machine, so that no robot hears of it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlam_ros.cli.arguments import Subparsers, command_parser
from vlam_ros.errors import ConfigurationError, VlamError

if TYPE_CHECKING:
    from vlam_ros.simulation import CameraSpec

START_PATIENCE = 120.0
END_PATIENCE = 10.0
"""Seconds for the node to start, on a machine that is busy, and to end."""


def add_parser(commands: Subparsers) -> None:
    """Add `vlam demo`."""
    parser = command_parser(
        commands,
        "demo",
        "see the whole system work on a simulated scene",
        "vlam demo --out demo",
        "Render a scene, publish it with instructions to a vlam_node, and show what it decides. "
        "The exit code is 1 if an answer is not what the simulator knows to be right.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo"),
        metavar="DIR",
        help="of overlays, chunks and the node's log (%(default)s)",
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
    # Before ROS reads them; the node's process inherits them.
    os.environ.update(private_domain(os.environ))
    with console.status("rendering the scene"):
        from vlam_ros.cli.demo_scene import SCENE, TASKS, judge
        from vlam_ros.cli.files import write_chunk, write_overlay
        from vlam_ros.cli.show import show_decision
        from vlam_ros.configuration import Settings
        from vlam_ros.ros.client import VlamClient
        from vlam_ros.simulation import World

        with World() as world:
            world.load(SCENE)
            image, camera = world.render().image, world.camera
    standoff, failures = Settings.load().policy.standoff, 0
    with (
        vlam_node(
            node_parameters(options.model, SCENE.camera), options.out / "node.log"
        ) as check_node,
        VlamClient() as client,
        console.status("starting vlam_node") as status,
    ):
        shown = ""

        def watch(waiting_for: str) -> None:
            nonlocal shown
            check_node()
            if waiting_for != shown:
                shown = waiting_for
                status.update(f"waiting for {waiting_for}")
                console.print(f"{time.monotonic() - begin:4.1f} s  waiting for {waiting_for}")

        client.wait_for_node(START_PATIENCE, watch)
        console.print(f"{time.monotonic() - begin:4.1f} s  vlam_node is ready")
        for task in TASKS:
            status.update(f"asking: {task.instruction}")
            answer = client.ask(image, camera, task.instruction, watch=lambda _: check_node())
            folder = options.out / task.name
            write_overlay(folder / "overlay.png", answer.overlay)
            write_chunk(folder / "chunk.json", answer.chunk)
            console.rule(f"“{task.instruction}”", align="left")
            show_decision(console, answer.chunk)
            for complaint in (complaints := judge(task, answer, standoff)):
                console.print(f"wrong    {complaint}", style="bold red")
            failures += bool(complaints)
    console.rule()
    console.print(
        f"{len(TASKS) - failures} of {len(TASKS)} answers are as they must be, after "
        f"{time.monotonic() - begin:.0f} s; overlays and chunks are in {options.out}/"
    )
    return 1 if failures else 0


def node_parameters(model: str, camera: CameraSpec) -> dict[str, Any]:
    """What the node must know: its model, and the mount of the simulated camera."""
    return {
        "model.name_or_path": model,
        "camera.x": camera.x,
        "camera.y": 0.0,
        "camera.height": camera.height,
        "camera.tilt": camera.tilt,
        "camera.yaw": 0.0,
    }


def private_domain(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a ROS domain on this machine only, other than the one in use.

    With it goes Fast DDS's profile for raw pictures, which its default shared memory is too small
    for.
    """
    from vlam_ros.resources import resource_path

    # Domains above 101 collide with ephemeral ports, and 0 is everybody's.
    domain = 1 + os.getpid() % 101
    if environment.get("ROS_DOMAIN_ID") == str(domain):
        domain = 1 + domain % 101
    return {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(resource_path("config/fastdds.xml")),
    }


@contextmanager
def vlam_node(parameters: Mapping[str, Any], log: Path) -> Iterator[Callable[[], None]]:
    """Run vlam_node as a process that ends with the context, also where SIGTERM ends that.

    Args:
        parameters: by dotted name, over the package's defaults.
        log: file for what the node prints.

    Yields:
        A function that raises VlamError once the process has ended.
    """
    from vlam_ros.resources import resource_path
    from vlam_ros.ros.up import node_command

    command = node_command("vlam_node", resource_path("config/vlam.yaml"), namespace="")
    for name, value in parameters.items():
        command += ["-p", f"{name}:={json.dumps(value)}"]  # JSON is YAML, which ROS reads
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        output = log.open("wb")
    except OSError as error:
        raise ConfigurationError(f"cannot write {log}: {error.strerror}") from error
    before = signal.signal(signal.SIGTERM, lambda number, frame: _exit(128 + number))
    with output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield lambda: _check(process, log)
        finally:
            process.terminate()
            try:
                process.wait(END_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            signal.signal(signal.SIGTERM, before)


def _exit(code: int) -> None:
    raise SystemExit(code)


def _check(process: subprocess.Popen[bytes], log: Path) -> None:
    if (code := process.poll()) is not None:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        raise VlamError(f"vlam_node ended with code {code}: {last.strip()}; all of it is in {log}")
