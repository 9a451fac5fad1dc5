"""The whole race of one subject, from loading to figures."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import torch

from vlam_ros.errors import ModelError
from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.lab.evaluation.speed import race, stages, start, ways
from vlam_ros.lab.evaluation.speed.race import Lap
from vlam_ros.lab.evaluation.speed.subjects import PROMPTS, Subject
from vlam_ros.types import Uint8Array

STAGED = 8
"""Prompts in the figures of stages, of memory and of the start."""
PACKAGES = ("torch", "transformers", "onnxruntime", "openvino", "numpy")
"""Packages whose versions a report names."""


@dataclass(frozen=True)
class Measured:
    """The laps, all figures, and what was not measured for what reason."""

    laps: tuple[Lap, ...]
    rows: tuple[Metric, ...]
    remarks: tuple[str, ...]


def measure(
    subject: Subject,
    images: Sequence[Uint8Array],
    prompts: Sequence[str] = PROMPTS,
    progress: bool = True,
) -> Measured:
    """Race all ways on a subject.

    Args:
        subject: the checkpoint.
        images: uint8[H,W,3] RGB each; medians are over them.
        prompts: at least as many as the most of race.COUNTS.
        progress: whether to show it.
    """
    loaded, remarks = [], []
    for name in ways.NAMES:
        try:
            loaded.append(ways.load(name, subject))
        except ModelError as error:
            remarks.append(f"{subject.name}, {name}: not measured: {error}")
    laps = race.race(subject.name, subject.trained, loaded, images, prompts, progress)
    rows = list(race.rows(laps))
    for way in loaded:
        if way.grounder is not None:
            title = f"{subject.name}, {way.name}"
            rows += stages.rows(title, way.grounder, images, prompts[:STAGED])
    names = [way.name for way in loaded]
    del loaded
    rows += start.rows(subject, names, images[0], prompts[:STAGED])
    return Measured(tuple(laps), tuple(rows), tuple(remarks))


def machine() -> dict[str, str | int]:
    """On what and with what it was measured."""
    versions = {name: version(name) for name in PACKAGES}
    return {"processor": _processor(), "threads": torch.get_num_threads(), **versions}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [
                line.partition(":")[2].strip() for line in file if line.startswith("model name")
            ]
    except OSError:
        names = []
    return f"{len(names)} × {names[0]}" if names else platform.processor() or platform.machine()
