"""The node's own time: the figures from times, and a few images over real topics."""

from __future__ import annotations

import math

import pytest

from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.lab.evaluation.speed.node import AT_MOST, SIZES, measure_node, overhead
from vlam_ros.resources import with_profile

FEW = 3


def by_name(rows: tuple[Metric, ...]) -> dict[str, Metric]:
    return {row.name: row for row in rows}


def test_the_nodes_own_time_is_the_difference_of_the_95th_percentiles() -> None:
    hop = [float(ms) for ms in range(101)]
    node = [2.0 * ms for ms in hop]
    rows = by_name(tuple(overhead((640, 480), hop, node)))
    assert [rows[f"640 × 480: bare hop, p{p} (ms)"].value for p in (50, 95, 99)] == [50, 95, 99]
    own = rows["640 × 480: the node's own, p95 - p95 (ms)"]
    assert (own.value, own.gate, own.passed) == (95.0, AT_MOST, False)
    assert by_name(tuple(overhead(SIZES[0], hop, hop)))[own.name].passed


def test_lost_images_are_counted_and_have_no_time() -> None:
    rows = by_name(tuple(overhead((1920, 1080), [1.0, None, 3.0], [None, None, None])))
    assert rows["1920 × 1080: bare hop, images lost"] == Metric(
        "1920 × 1080: bare hop, images lost", 1, 3
    )
    assert rows["1920 × 1080: bare hop, p50 (ms)"].value == 2.0
    assert math.isnan(rows["1920 × 1080: vlam_node, null model, p50 (ms)"].value)
    assert rows["1920 × 1080: the node's own, p95 - p95 (ms)"].gate is None


def test_without_any_answer_at_the_size_of_the_gate_it_is_missed() -> None:
    own = tuple(overhead(SIZES[0], [1.0], [None]))[-1]
    assert own.passed is False


def test_both_nodes_answer_every_image_over_real_topics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vlam_ros.lab.evaluation.speed.node.private_domain", with_profile)
    rows = measure_node(FEW, sizes=((64, 48),))
    assert len(rows) == 9
    figures = by_name(rows)
    for name in ("bare hop", "vlam_node, null model"):
        lost = figures[f"64 × 48: {name}, images lost"]
        assert lost.cases == FEW
        p50, p99 = (figures[f"64 × 48: {name}, p{p} (ms)"] for p in (50, 99))
        assert p50.cases + lost.value == FEW
        assert 0 < p50.value <= p99.value < 1000
