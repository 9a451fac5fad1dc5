"""How long the action tokenizer takes for a thousand rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np

from vlam_ros.actions import ActionTokenizer
from vlam_ros.configuration import Settings
from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.types import ActionSpace

ROWS = 1000
REPEATS = 200


def rows() -> Iterator[Metric]:
    """Medians, in µs, of encoding and of decoding ROWS rows at once, and row by row as a loop would
    do it.
    """
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
        yield Metric(f"tokenizer, {ROWS} rows: {name} (µs)", _median(work, repeats), repeats)


def _median(work: Callable[[], object], repeats: int) -> float:
    laps = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        work()
        laps.append((time.perf_counter() - begin) * 1e6)
    return median(laps[1:])
