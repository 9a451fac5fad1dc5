"""`vlam record` as a process beside a simulated robot: one bag of what it does, on its clock."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vlam_ros.cli.node_process import START_PATIENCE
from vlam_ros.errors import BagError, ConfigurationError, VlamError

NEEDED = ("/image", "/camera_info", "/instruction", "/action_chunk", "/scene", "/decision_inputs")
"""Without these a bag cannot be replayed as it was."""
CLOSE_PATIENCE = 60.0
"""Seconds to write the end of a bag."""

Wait = Callable[[Callable[[str], None]], None]
"""Waits until all that is needed is recorded; calls its argument all the while, see `Watch`."""


def check_free(bag: Path | None) -> None:
    """Raise BagError for a bag that is there already, before anything is started for it."""
    if bag is not None and bag.exists():
        raise BagError(f"{bag} exists already: choose another name, or delete it first")


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
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        output = log.open("wb")
    except OSError as error:
        raise ConfigurationError(f"cannot write {log}: {error.strerror}") from error
    with output:
        process = subprocess.Popen(
            [*command, "--out", str(bag)], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield lambda watch: _wait(process, log, watch)
        except BaseException:
            _end(process)
            raise
        if _end(process) != 0:
            raise VlamError(_last_line(log))


def _wait(process: subprocess.Popen[bytes], log: Path, watch: Callable[[str], None]) -> None:
    end = time.monotonic() + START_PATIENCE
    while True:
        told = {line.partition(" ")[0] for line in _lines(log)}
        missing = [topic for topic in NEEDED if topic not in told]
        if not missing:
            return
        if process.poll() is not None:
            raise VlamError(_last_line(log))
        if time.monotonic() > end:
            raise VlamError(f"the recorder found no {missing[0]}; all of it is in {log}")
        watch(f"the recorder to find {missing[0]}")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(CLOSE_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def _last_line(log: Path) -> str:
    last = next((line for line in reversed(_lines(log)) if line.strip()), "it said nothing")
    return f"the bag was not recorded: {last.strip()}; all of it is in {log}"
