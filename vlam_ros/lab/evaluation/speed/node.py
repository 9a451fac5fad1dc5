"""What vlam_node itself takes from image to chunk, beside a bare hop from topic to topic.

Both run as processes of their own, as on a robot. They get the images of one camera in turn, so
that a busy machine hits both.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.lab.live.answer_times import NODES, AnswerTimes, ImageMessages
from vlam_ros.lab.live.load import CAMERA_PERIOD
from vlam_ros.lab.live.node_process import START_PATIENCE, Running, private_domain, running
from vlam_ros.resources import resource_path

SIZES = ((640, 480), (1920, 1080))
"""Width and height of the images, pixels."""
AT_MOST = 8.0
"""Milliseconds that vlam_node may take at 640 × 480 beyond the bare hop, at the 95th percentile."""
WARM_UP = 15
"""Images to each node that do not count."""
PERCENTILES = (50, 95, 99)


def measure_node(images: int, sizes: Sequence[tuple[int, int]] = SIZES) -> tuple[Metric, ...]:
    """Measure vlam_node with a model that decides at once, by images of each (width, height)."""
    rows: list[Metric] = []
    with TemporaryDirectory() as logs, answering(Path(logs)) as client:
        for size in sizes:
            rows += overhead(size, *_times(client, size, images))
    return tuple(rows)


def overhead(
    size: tuple[int, int], hop: Sequence[float | None], node: Sequence[float | None]
) -> Iterator[Metric]:
    """Figures of the ms from image to answer through both, None for a lost one."""
    title, p95 = _title(size), []
    for name, times in (("bare hop", hop), ("vlam_node, null model", node)):
        came = [ms for ms in times if ms is not None]
        for percentile in PERCENTILES:
            value = float(np.percentile(came, percentile)) if came else math.nan
            yield Metric(f"{title}: {name}, p{percentile} (ms)", value, len(came))
            p95 += [value] if percentile == 95 else []
        yield Metric(f"{title}: {name}, images lost", len(times) - len(came), len(times))
    gate = AT_MOST if size == SIZES[0] else None
    yield Metric(f"{title}: the node's own, p95 - p95 (ms)", p95[1] - p95[0], len(node), gate, True)


def null_node(log: Path) -> AbstractContextManager[Running]:
    command = [sys.executable, "-m", "vlam_ros.lab.evaluation.speed.null_node", "--ros-args"]
    command += ["--params-file", str(resource_path("config/vlam.yaml"))]
    return running("vlam_node", command, log)


@contextmanager
def answering(logs: Path) -> Iterator[AnswerTimes]:
    os.environ.update(private_domain(os.environ))
    command = [sys.executable, "-m", "vlam_ros.lab.live.answer_times"]
    with (
        null_node(logs / "vlam_node.log") as node,
        running("the hop", command, logs / "hop.log") as hop,
        AnswerTimes() as client,
    ):

        def watch(waiting_for: str) -> None:
            node.check()
            hop.check()

        shown = ImageMessages(np.zeros((48, 64, 3), np.uint8))
        client.wait_until_answered(shown, START_PATIENCE, watch)
        yield client


def _times(
    client: AnswerTimes, size: tuple[int, int], images: int
) -> tuple[list[float | None], list[float | None]]:
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    shown = ImageMessages(image)
    times: dict[str, list[float | None]] = {name: [] for name in NODES}
    for _ in tqdm(range(WARM_UP + images), desc=_title(size)):
        for name in NODES:
            due = time.perf_counter() + CAMERA_PERIOD
            times[name].append(client.measure(name, shown))
            client.rest_until(due)
    hop, node = (times[name][WARM_UP:] for name in NODES)
    return hop, node


def _title(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"
