"""Latency under load: the figures from what was heard, and some seconds over real topics."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.lab.evaluation.speed import load as bench_load
from vlam_ros.lab.evaluation.speed.load import Memory, ages, commands, measure_load
from vlam_ros.lab.evaluation.speed.node import null_node
from vlam_ros.lab.live.load import ChunkTimes, LoadResult
from vlam_ros.lab.live.node_process import Running, node_process
from vlam_ros.resources import with_profile

MS = 1_000_000


def heard(
    *chunks: tuple[float, float], gaps: tuple[float, ...] = (33.0,), decided: int = 7
) -> LoadResult:
    """Of chunks with the ms that their images waited and were decided on; 100 images were
    shown, 90 passed over and 3 lost.
    """
    aged = [ChunkTimes(0, round(w * MS), round((w + i) * MS)) for w, i in chunks]
    told = [round(sum(gaps[:n]) * MS) for n in range(len(gaps) + 1)]
    return LoadResult(tuple(aged), tuple(told), 100, decided, 90, 3, deadlines_missed=2)


def by_name(rows: list[Metric]) -> dict[str, Metric]:
    return {row.name.removeprefix("a: "): row for row in rows}


def test_a_chunk_keeps_its_age_up_to_a_fifth_of_its_inference_and_a_frame() -> None:
    share = "share of chunks with age ≤ 1.2 × inference + a frame"
    # 0.2 × 100 ms + 33.3 ms = 53.3 ms
    rows = by_name(list(ages("a", heard((53, 100), (54, 100), (73, 200), (74, 200)))))
    assert (rows[share].value, rows[share].cases, rows[share].passed) == (0.5, 4, False)
    assert by_name(list(ages("a", heard((53, 100)))))[share].passed
    assert rows["inference, at most (ms)"].value == 200.0
    assert rows["age of a chunk's image, at most (ms)"].value == 274.0
    assert rows["age of a chunk's image, p50 (ms)"].value == pytest.approx((154 + 273) / 2)


def test_every_image_that_was_shown_is_accounted_for() -> None:
    names = ("decided on", "passed over", "lost before vlam_node took them", "not accounted for")
    for decided, rest in ((7, 0), (6, 1)):
        rows = by_name(list(ages("a", heard((10.0, 100.0), decided=decided))))
        figures = [rows[f"images {name}"] for name in names]
        assert [row.value for row in figures] == [decided, 90, 3, rest]
        assert {row.cases for row in figures} == {100}
        assert figures[-1].passed == (rest == 0)


def test_the_controller_is_judged_by_its_longest_silence_and_by_what_it_missed() -> None:
    rows = by_name(list(commands("a", heard(gaps=(30.0, 33.0, 101.0)))))
    longest = rows["from command to command, at most (ms)"]
    assert (longest.value, longest.cases, longest.passed) == (101.0, 3, False)
    assert rows["from command to command, p50 (ms)"].value == 33.0
    assert by_name(list(commands("a", heard(gaps=(30.0, 100.0)))))[longest.name[3:]].passed
    assert rows["deadlines of cmd_vel missed"].value == 2


def test_memory_is_compared_by_medians_and_with_what_it_was_when_the_process_had_settled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Not settled at first; then thirds with medians of 302 and 306, and a peak in each.
    megabytes = [90, 100, 300, 302, 330, 1, 2, 3, 304, 306, 350]
    looks = [(5.0 * n, size) for n, size in enumerate(megabytes)]
    monkeypatch.setattr(bench_load.time, "monotonic", lambda: looks[0][0])
    monkeypatch.setattr(bench_load, "resident", lambda pid: looks[0][1] * 10**6)
    with subprocess.Popen(["sleep", "60"]) as process:
        memory = Memory(Running("sleep", process, tmp_path / "log"), settles=10.0)
        while len(looks) > 1:
            looks.pop(0)
            memory.look("anything")
        process.kill()
    row = memory.row("a")
    assert (row.value, row.cases, row.gate, row.passed) == (4.0, 9, 5.0, True)


def test_memory_of_a_process_is_read_in_bytes() -> None:
    assert 1e7 < bench_load.resident(os.getpid()) < 1e11


def null_vlam_node(
    name: str, parameters: Mapping[str, Any], log: Path
) -> AbstractContextManager[Running]:
    """In place of `node_process`: the embedded model takes long to load."""
    return null_node(log) if name == "vlam_node" else node_process(name, parameters, log)


@pytest.mark.real_time
def test_figures_come_of_a_robot_that_drives_and_all_images_are_accounted_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench_load, "private_domain", with_profile)
    monkeypatch.setattr(bench_load, "node_process", null_vlam_node)
    rows = measure_load(1.0)
    assert len({row.name for row in rows}) == len(rows)
    for title in ("alone", "beside a busy process"):
        mine = {r.name.partition(": ")[2]: r for r in rows if r.name.startswith(f"{title}: ")}
        assert mine["images decided on"].value > 0
        assert mine["images not accounted for"].value == 0
        inference, age = mine["inference, p50 (ms)"], mine["age of a chunk's image, p50 (ms)"]
        assert 0 < inference.value < age.value
        assert mine["from command to command, p99 (ms)"].cases > 5
