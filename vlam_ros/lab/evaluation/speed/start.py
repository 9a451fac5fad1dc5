"""What each way costs before its first image, and in memory: in a process of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.lab.evaluation.speed.subjects import Subject
from vlam_ros.lab.evaluation.speed.ways import load
from vlam_ros.types import Uint8Array


def rows(
    subject: Subject, names: Sequence[str], image: Uint8Array, prompts: Sequence[str]
) -> Iterator[Metric]:
    """Seconds to load and of the first image, and peak memory (MB) after three, each way alone."""
    for name in names:
        # A pool of its own: a process's peak of memory never falls.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            figures = pool.submit(_start, name, subject, image, tuple(prompts)).result()
        title = f"{subject.name}, {len(prompts)} prompts, {name}"
        for what, value in zip(
            ("load (s)", "first image (s)", "peak memory (MB)"), figures, strict=True
        ):
            yield Metric(f"{title}: {what}", value, 1)


def _start(
    name: str, subject: Subject, image: Uint8Array, prompts: tuple[str, ...]
) -> tuple[float, float, float]:
    times = [time.perf_counter()]
    way = load(name, subject)
    times.append(time.perf_counter())
    way.masks(image, prompts)
    times.append(time.perf_counter())
    for _ in range(2):
        way.masks(image, prompts)
    return times[1] - times[0], times[2] - times[1], _peak_memory()


def _peak_memory() -> float:
    """MB; what getrusage tells begins with the memory of the parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) / 1024
