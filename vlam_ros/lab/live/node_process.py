"""The processes of nodes that a command starts for itself, in a ROS domain of their own."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from vlam_ros.errors import ConfigurationError, VlamError
from vlam_ros.resources import resource_path, with_profile
from vlam_ros.ros.up import node_command

# Domains above 101 collide with ephemeral ports, and 0 is everybody's.
_DOMAINS = 101
_held: dict[int, IO[str]] = {}


def claim_domain(used: str | None = None) -> int:
    """A domain in 1..101 other than the one in `used`, this process's until it ends.

    A lock holds it against other processes of the same user; once claimed it is given again.
    ConfigurationError if all are taken.
    """
    if ours := [domain for domain in _held if str(domain) != used]:
        return ours[0]
    for offset in range(_DOMAINS):
        domain = 1 + (os.getpid() + offset) % _DOMAINS
        if str(domain) == used:
            continue
        path = Path(tempfile.gettempdir()) / f"vlam_ros_{os.getuid()}_domain_{domain}.lock"
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            _held[domain] = lock
            return domain
    raise ConfigurationError(
        f"all {_DOMAINS} ROS domains are taken by other runs on this machine: end one of them"
    )


START_PATIENCE = 120.0
"""Seconds for the nodes to start, on a machine that is busy."""
END_PATIENCE = 10.0
"""Seconds for a node to end."""


def private_domain(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a ROS domain on this machine only, other than the one in use.

    With it goes the profile of Fast DDS for images. ConfigurationError if no domain is left.
    """
    return {
        "ROS_DOMAIN_ID": str(claim_domain(environment.get("ROS_DOMAIN_ID"))),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        **with_profile(environment),
    }


@dataclass(frozen=True)
class Running:
    """A process that was started, and the file that it prints to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise VlamError once it has ended."""
        if (code := self.process.poll()) is not None:
            raise VlamError(f"{self.name} ended with code {code}: {last_line(self.log)}")


@contextmanager
def running(
    name: str, command: Sequence[str], log: Path, patience: float = END_PATIENCE
) -> Iterator[Running]:
    """Run a process that prints to `log` and ends with the context, also on SIGTERM; by force if
    that takes longer than `patience` s.
    """
    output = open_log(log)
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield Running(name, process, log)
        finally:
            end(process, patience)
            signal.signal(signal.SIGTERM, before)


def node_process(
    name: str, parameters: Mapping[str, Any], log: Path
) -> AbstractContextManager[Running]:
    """Run a node, as "vlam_node", with parameters by dotted name over the package's defaults."""
    part = "lab.simulation" if name == "simulator_node" else "nodes"
    defaults = resource_path("config/vlam.yaml")
    command = node_command(f"vlam_ros.{part}.{name}", defaults, namespace="")
    for parameter, value in parameters.items():
        command += ["-p", f"{parameter}:={json.dumps(value)}"]  # JSON is YAML, which ROS reads
    return running(name, command, log)


@contextmanager
def node_processes(
    parameters: Mapping[str, Mapping[str, Any]], logs: Path
) -> Iterator[Callable[[], None]]:
    """Run nodes side by side, each with its parameters, and yield a function that raises VlamError
    once one of them has ended; what they print goes into the folder `logs`.
    """
    with ExitStack() as processes:
        nodes = [
            processes.enter_context(node_process(name, told, logs / f"{name}.log"))
            for name, told in parameters.items()
        ]

        def check_all() -> None:
            for node in nodes:
                node.check()

        yield check_all


def open_log(path: Path) -> BinaryIO:
    """A file for what a process prints; ConfigurationError if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def last_line(log: Path) -> str:
    """What a process printed last, and where the rest of it is."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    return f"{last.strip()}; all of it is in {log}"


def end(process: subprocess.Popen[bytes], patience: float) -> int:
    """End a process, by force if it takes longer than so many seconds; its return code."""
    process.terminate()
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
