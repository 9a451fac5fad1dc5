"""How old a decision's image is when the camera is faster than the model, and what else suffers.

vlam_node with the embedded model and controller_node run as processes of their own. A robot that
stands tells them what its camera (30 Hz), wheels and LiDAR measure: first with nothing beside them,
then beside a process that wants all cores.

fusion_node is left out: with it an image waits for the sweep that belongs to it, by design.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.interface import COMMAND_DEADLINE
from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.lab.live.load import CAMERA_PERIOD, Load, LoadResult
from vlam_ros.lab.live.node_process import (
    START_PATIENCE,
    Running,
    node_process,
    private_domain,
    running,
)
from vlam_ros.lab.live.simulated_robot import camera_parameters
from vlam_ros.lab.simulation.motion import Standing
from vlam_ros.lab.simulation.rooms import DEMO_SCENE
from vlam_ros.lab.simulation.sensors import Lidar, LidarSpec
from vlam_ros.lab.simulation.world import World

INSTRUCTION = "go to the orange ball"
AT_MOST = 1.2
"""Times its inference that a chunk's image may be old, and one frame."""
DEADLINE = COMMAND_DEADLINE * 1e3
"""ms that cmd_vel may be silent."""
SETTLES = 10.0
"""Seconds after which the memory must not grow any more."""
FLAT = 5.0
"""MB that it may grow all the same."""
PERCENTILES = (50, 95)
BUSY = (sys.executable, "-m", "vlam_ros.lab.evaluation.speed.load_generator")


def measure_load(seconds: float) -> tuple[Metric, ...]:
    """Measure for so many seconds alone, then beside a process that wants all cores."""
    rows: list[Metric] = []
    total = 2 * round(seconds)
    with (
        TemporaryDirectory() as logs,
        driving(Path(logs)) as (load, vlam),
        tqdm(total=total, unit="s", desc="under load") as bar,
    ):
        phases: dict[str, AbstractContextManager[object]] = {
            "alone": nullcontext(),
            "beside a busy process": running("the busy process", BUSY, Path(logs) / "busy.log"),
        }
        for title, beside in phases.items():
            with beside:
                memory = Memory(vlam, min(SETTLES, seconds / 3))
                result = load.run(seconds, memory.look)
            rows += [*ages(title, result), *commands(title, result), memory.row(title)]
            bar.update(round(seconds))
    return tuple(rows)


def ages(title: str, result: LoadResult) -> Iterator[Metric]:
    """How old the images behind the chunks were, against the time that each took, and what became
    of all images.

    A chunk's inference is from when its image was taken to be decided on until the chunk came;
    its age is from the image's stamp until then.
    """
    age = np.array([c.arrived - c.stamp for c in result.chunks]) / 1e6
    inference = np.array([c.arrived - c.began for c in result.chunks]) / 1e6
    cases = len(result.chunks)
    for name, values in (("inference", inference), ("age of a chunk's image", age)):
        for percentile in PERCENTILES:
            value = float(np.percentile(values, percentile))
            yield Metric(f"{title}: {name}, p{percentile} (ms)", value, cases)
        yield Metric(f"{title}: {name}, at most (ms)", float(values.max()), cases)
    kept = float(np.mean(age <= AT_MOST * inference + CAMERA_PERIOD * 1000))
    yield Metric(f"{title}: share of chunks with age ≤ 1.2 × inference + a frame", kept, cases, 1.0)
    counts = {
        "decided on": result.decided,
        "passed over": result.passed_over,
        "lost before vlam_node took them": result.lost,
    }
    for name, count in counts.items():
        yield Metric(f"{title}: images {name}", count, result.shown)
    rest = result.shown - sum(counts.values())
    yield Metric(f"{title}: images not accounted for", rest, result.shown, 0.0, True)


def commands(title: str, result: LoadResult) -> Iterator[Metric]:
    """How regularly the controller commands, by its stamps, and whether it keeps its deadline."""
    gaps = np.diff(result.commands) / 1e6
    cases = len(gaps)
    for percentile in (50, 99):
        value = float(np.percentile(gaps, percentile))
        yield Metric(f"{title}: from command to command, p{percentile} (ms)", value, cases)
    longest = float(gaps.max())
    yield Metric(f"{title}: from command to command, at most (ms)", longest, cases, DEADLINE, True)
    yield Metric(f"{title}: deadlines of cmd_vel missed", result.deadlines_missed, cases)


class Memory:
    """How much a process grows after it has settled: within each inference its memory goes up and
    down by several MB, so medians of the first and the last third are compared.
    """

    def __init__(self, process: Running, settles: float) -> None:
        self._process = process
        self._from = time.monotonic() + settles
        self._bytes: list[int] = []

    def look(self, waiting_for: str) -> None:
        self._process.check()
        if time.monotonic() >= self._from:
            self._bytes.append(resident(self._process.process.pid))

    def row(self, title: str) -> Metric:
        third = -(-len(self._bytes) // 3)
        grown = (median(self._bytes[-third:]) - median(self._bytes[:third])) / 1e6
        return Metric(
            f"{title}: memory of vlam_node grew by (MB)", grown, len(self._bytes), FLAT, True
        )


def resident(pid: int) -> int:
    """Bytes of memory that a process has now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def driving(logs: Path) -> Iterator[tuple[Load, Running]]:
    os.environ.update(private_domain(os.environ))
    with World() as world:
        world.load(DEMO_SCENE)
        image, camera = world.render().image, world.camera
        sweep = Lidar(world, LidarSpec(), np.random.default_rng(0)).sweep(Standing(), 0.0)
    mount, stamped = camera_parameters(DEMO_SCENE.camera), {"control.stamped_cmd_vel": True}
    with (
        node_process("vlam_node", mount, logs / "vlam_node.log") as vlam,
        node_process("controller_node", stamped, logs / "controller_node.log") as controller,
        Load(image, camera, sweep, FusionNodeSettings.load().lidar) as load,
    ):

        def watch(waiting_for: str) -> None:
            vlam.check()
            controller.check()

        load.wait_until_driving(INSTRUCTION, START_PATIENCE, watch)
        yield load, vlam
