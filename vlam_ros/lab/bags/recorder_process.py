"""`vlam record` as a process beside a simulated robot: one bag of what it does, on its clock."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vlam_ros.errors import VlamError
from vlam_ros.lab.live.node_process import START_PATIENCE, end, last_line, open_log

NEEDED = ("/image", "/camera_info", "/instruction", "/action_chunk", "/scene", "/decision_inputs")
"""Without these a bag cannot be replayed as it was."""
CLOSE_PATIENCE = 60.0
"""Seconds to write the end of a bag."""

Wait = Callable[[Callable[[str], None]], None]
"""Waits until all that is needed is recorded; calls its argument all the while, see `Watch`."""


@contextmanager
def recorder_process(bag: Path | None, log: Path) -> Iterator[Wait]:
    """Record a bag as long as the context lasts; without a bag nothing is done.

    Args:
        bag: where it is written.
        log: file for what the recorder prints.

    Raises:
        VlamError: it cannot be recorded; the message says why.
    """
    if bag is None:
        yield lambda watch: None
        return
    command = [sys.executable, "-m", "vlam_ros.cli.main", "record", "--use-sim-time"]
    with open_log(log) as output:
        process = subprocess.Popen(
            [*command, "--out", str(bag)], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield lambda watch: _wait(process, log, watch)
        except BaseException:
            end(process, CLOSE_PATIENCE)
            raise
        if end(process, CLOSE_PATIENCE) != 0:
            raise VlamError(f"the bag was not recorded: {last_line(log)}")


def _wait(process: subprocess.Popen[bytes], log: Path, watch: Callable[[str], None]) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while True:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        told = {line.partition(" ")[0] for line in lines}
        missing = [topic for topic in NEEDED if topic not in told]
        if not missing:
            return
        if process.poll() is not None:
            raise VlamError(f"the bag was not recorded: {last_line(log)}")
        if time.monotonic() > deadline:
            raise VlamError(f"the recorder found no {missing[0]}; all of it is in {log}")
        watch(f"the recorder to find {missing[0]}")
        time.sleep(0.05)
