"""Jobs of a replay, and functions that other processes can import to do them."""

import os
import signal
from pathlib import Path

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.lab.replay.job import ReplayJob
from vlam_ros.lab.replay.offline import ReplayOptions
from vlam_ros.lab.replay.table import BagRow

BAGS = Path(__file__).parents[1] / "data" / "bags"


def job(bag: Path, **changes: object) -> ReplayJob:
    """Of a bag, with the package's settings."""
    settings = Settings.load(), FusionNodeSettings.load()
    return ReplayJob(bag, bag.stem, ReplayOptions(), *settings, **changes)  # type: ignore[arg-type]


def told_by_name(job: ReplayJob) -> BagRow:
    """Says how it was called, in the row's error; of a bag called "killed" its process dies."""
    if job.name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return BagRow(job.name, error=f"replayed with {job.threads} threads")
