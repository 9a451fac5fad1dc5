"""The whole race of one subject from loading to figures, its stages, and the action tokenizer."""

from __future__ import annotations

import platform
import re
import time
import timeit
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
import torch

from vlam_ros.actions import ActionTokenizer
from vlam_ros.configuration import Settings
from vlam_ros.errors import ModelError
from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.lab.evaluation.speed import race, start, ways
from vlam_ros.lab.evaluation.speed.race import Lap
from vlam_ros.lab.evaluation.speed.subjects import PROMPTS, Subject
from vlam_ros.perception import Perceiver
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.types import ActionSpace, Missing, Observation, Uint8Array

STAGED = 8
"""Prompts in the figures of stages, of memory and of the start."""
PACKAGES = ("torch", "transformers", "onnxruntime", "openvino", "numpy")
"""Packages whose versions a report names."""
ROWS = 1000
REPEATS = 200
"""Rows that the tokenizer takes at once, and how often."""


@dataclass(frozen=True)
class Measured:
    """The laps, all figures, and what was not measured for what reason."""

    laps: tuple[Lap, ...]
    rows: tuple[Metric, ...]
    remarks: tuple[str, ...]


def measure(
    subject: Subject, images: Sequence[Uint8Array], prompts: Sequence[str] = PROMPTS
) -> Measured:
    """Race all ways on images uint8[H,W,3] RGB with as many prompts as race.COUNTS go up to."""
    loaded, remarks = [], []
    for name in ways.NAMES:
        try:
            loaded.append(ways.load(name, subject))
        except ModelError as error:
            remarks.append(f"{subject.name}, {name}: not measured: {error}")
    laps = race.race(subject.name, subject.trained, loaded, images, prompts)
    rows = list(race.rows(laps))
    for way in loaded:
        if way.grounder is not None:
            title = f"{subject.name}, {way.name}"
            rows += stage_rows(title, way.grounder, images, prompts[:STAGED])
    names = [way.name for way in loaded]
    del loaded
    rows += start.rows(subject, names, images[0], prompts[:STAGED])
    return Measured(tuple(laps), tuple(rows), tuple(remarks))


def stage_rows(
    title: str, grounder: ClipsegGrounder, images: Sequence[Uint8Array], prompts: Sequence[str]
) -> Iterator[Metric]:
    """Medians (s) of each stage from image to objects and of the whole, of texts never seen, and
    where the checkpoint is calibrated of the second look at two of the prompts.
    """
    settings = Settings.load().perception
    alone = replace(settings, colours=(), nouns=(), distractors=(), crops=0)
    title = f"{title}, {len(prompts)} prompts"
    stages = _stages(Perceiver(grounder, alone), images, prompts)
    for name, seconds in stages.items():
        yield Metric(f"{title}: {name} (s)", median(seconds), len(seconds))
    whole = [sum(parts) for parts in zip(*stages.values(), strict=True)]
    yield Metric(f"{title}: whole step (s)", median(whole), len(whole))
    unseen = [f"{prompt} again" for prompt in prompts]
    begin = time.perf_counter()
    grounder.text_similarity(unseen[0], unseen)
    yield Metric(f"{title}: texts never seen (s)", time.perf_counter() - begin, 1)
    if grounder.calibration is not None:
        second = _stages(Perceiver(grounder, settings), images, prompts[:2])["second look"]
        yield Metric(f"{title}: second look at two of them (s)", median(second), len(second))


def _stages(
    perceiver: Perceiver, images: Sequence[Uint8Array], prompts: Sequence[str]
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {}
    for image in (images[0], *images):
        observation = Observation(0, 0, image, Missing("there is no camera in a race"))
        scene, _ = perceiver.perceive(observation, prompts, prompts)
        for name, value in scene.seconds:
            seconds.setdefault(name, []).append(value)
    return {name: values[1:] for name, values in seconds.items()}  # the first one warms up


def tokenizer_rows() -> Iterator[Metric]:
    """Medians (µs) of encoding and of decoding ROWS rows at once and one by one."""
    action = Settings.load().action
    commands = ("stop", "go_to", "pick_up", "place")
    tokenizer = ActionTokenizer(ActionSpace.of(commands, action.low, action.high, action.bins))
    random = np.random.default_rng(0)
    values = np.empty((ROWS, 5))
    values[:, 0] = random.integers(len(commands), size=ROWS)
    values[:, 1:] = random.uniform(action.low, action.high, (ROWS, 4))
    tokens = tokenizer.encode(values)
    for name, work, repeats in (
        ("encode", lambda: tokenizer.encode(values), REPEATS),
        ("decode", lambda: tokenizer.decode(tokens), REPEATS),
        ("encode one by one", lambda: [tokenizer.encode(row[None]) for row in values], 3),
        ("decode one by one", lambda: [tokenizer.decode(row[None]) for row in tokens], 3),
    ):
        _, *seconds = timeit.repeat(work, number=1, repeat=1 + repeats)  # the first one warms up
        value = 1e6 * median(seconds)
        yield Metric(f"tokenizer, {ROWS} rows: {name} (µs)", value, repeats)


def machine() -> dict[str, str | int]:
    versions = {name: version(name) for name in PACKAGES}
    return {"processor": _processor(), "threads": torch.get_num_threads(), **versions}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    names = re.findall(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return f"{len(names)} × {names[0]}" if names else platform.processor() or platform.machine()
