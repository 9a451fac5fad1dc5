"""`vlam up`: starts the nodes with a parameter file as `ros2 launch` would, on machines without it.

Each node is a process of its own. The first one to end ends the others; SIGINT and SIGTERM are
handed on, and what does not end in time is killed, as launch does it.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from vlam_ros.configuration import check_parameter_file
from vlam_ros.errors import ConfigurationError, did_you_mean
from vlam_ros.interface import TOPICS
from vlam_ros.resources import resource_path, with_profile

NODES = ("vlam_node", "fusion_node", "controller_node")
"""The nodes of a robot, each a module of `vlam_ros.nodes`."""
_PATIENCE = 5.0  # s from one signal to the next stronger one


def up(
    params_file: Path | None = None,
    namespace: str = "",
    model: str = "",
    remappings: Sequence[str] = (),
) -> int:
    """Run the nodes until a signal comes or one of them ends.

    Args:
        params_file: ROS parameter file; without one, the package's defaults.
        namespace: ROS namespace of all nodes, as "robot1"; empty: the root.
        model: CLIPSeg checkpoint; empty: that of the parameter file.
        remappings: what topics are called here, as "image:=/camera/image_raw".

    Returns:
        0 after SIGINT or SIGTERM if all nodes ended cleanly, otherwise the exit code of the first
        that did not (128 + n if signal n killed it), and 1 if one ended that nobody stopped.

    Raises:
        ConfigurationError: something is wrong in the parameter file, or it does not exist; there is
            no such topic.
    """
    file = params_file or resource_path("config/vlam.yaml")
    check_parameter_file(file, namespace)
    for remapping in remappings:
        topic, arrow, name = remapping.partition(":=")
        if topic not in TOPICS or not arrow or not name:
            near = did_you_mean(topic, TOPICS) or ": write TOPIC:=NAME, topics are in README"
            raise ConfigurationError(f"cannot remap {remapping!r}{near}")
    os.environ.update(with_profile(os.environ))  # the nodes inherit it
    commands = {
        name: node_command(f"vlam_ros.nodes.{name}", file, namespace, remappings) for name in NODES
    }
    if model:
        # JSON is YAML, which ROS reads: a name that looks like a number stays a name.
        commands["vlam_node"] += ["-p", f"model.name_or_path:={json.dumps(model)}"]
    code = run_together(commands)
    for number in (signal.SIGINT, signal.SIGTERM):  # another one must not change the code
        signal.signal(number, signal.SIG_IGN)
    return code


def node_command(
    module: str, params_file: Path, namespace: str, remappings: Sequence[str] = ()
) -> list[str]:
    """The command line of the node in a module, with this interpreter."""
    command = [sys.executable, "-m", module, "--ros-args"]
    command += ["--params-file", str(params_file)]
    if namespace.strip("/"):
        remappings = [f"__ns:=/{namespace.strip('/')}", *remappings]
    for remapping in remappings:
        command += ["--remap", remapping]
    return command


def run_together(commands: Mapping[str, Sequence[str]]) -> int:
    """Run commands side by side; see `up` for when they end and with which code."""
    # A SimpleQueue may be filled from a signal handler, even while the main thread waits for it.
    events: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()

    def on_signal(number: int, frame: FrameType | None) -> None:
        events.put(("", number))

    previous = {n: signal.signal(n, on_signal) for n in (signal.SIGINT, signal.SIGTERM)}
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            # Ctrl-C in a terminal goes to the whole group; a node must hear of it once, from here.
            processes[name] = subprocess.Popen(command, start_new_session=True)
            watch = threading.Thread(
                target=lambda n, p: events.put((n, p.wait())),
                args=(name, processes[name]),
                daemon=True,
            )
            watch.start()
        name, code = events.get()
    finally:
        codes = _end(processes)
        for number, handler in previous.items():
            signal.signal(number, handler)
    if name:
        print(f"{name} ended with code {code}; the others were stopped", file=sys.stderr)
        return _exit_code(code) or 1
    return next((_exit_code(c) for c in codes if c), 0)


def _end(processes: Mapping[str, subprocess.Popen[bytes]]) -> list[int]:
    """Ask the processes to end, ever more strongly; their return codes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for process in processes.values():
            process.send_signal(number)  # does nothing to one that has ended
        for process in processes.values():
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                break
        else:
            break
    return [process.wait() for process in processes.values()]


def _exit_code(code: int) -> int:
    """As a shell reports it: 128 + n for a process that signal n killed."""
    return 128 - code if code < 0 else code
