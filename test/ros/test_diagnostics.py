"""Diagnostics with the clock in the test's hand."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from vlam_ros.ros.diagnostics import DecisionStatistics
from vlam_ros.types import Outcome, Reason, Verdict

SECOND = 10**9
GO = Verdict(Outcome.EXECUTE)
INTERNAL = Verdict(Outcome.HOLD, Reason.INTERNAL_ERROR, "bug")


def values(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def busy(decisions: int = 100, rate: int = 10) -> tuple[DecisionStatistics, int]:
    """Statistics of images at `rate` Hz, the i-th answered after i ms; and the time then."""
    statistics = DecisionStatistics(now=0)
    for i in range(decisions):
        statistics.image(i * SECOND // rate)
        statistics.decision(i * SECOND // rate, GO, latency=(i + 1) * 10**6)
    return statistics, (decisions - 1) * SECOND // rate


def test_rate_and_latencies_are_those_of_the_last_ten_seconds() -> None:
    statistics, now = busy()
    got = values(statistics.status(now, "vlam_node", {"device": "cpu"}))
    assert float(got["images (Hz)"]) == pytest.approx(10.0, abs=0.2)
    percentiles = [float(got[f"stamp to chunk p{p} (ms)"]) for p in (50, 95, 99)]
    assert percentiles == pytest.approx([50.5, 95.05, 99.01], abs=0.06)
    assert got["device"] == "cpu"
    assert got["verdicts EXECUTE"] == "100"


def test_the_rate_is_right_from_the_first_second_on() -> None:
    statistics, _ = busy(decisions=20)
    assert values(statistics.status(2 * SECOND, "vlam_node", {}))["images (Hz)"] == "10.0"


def test_what_is_older_than_the_window_is_forgotten_but_verdicts_are_counted_on() -> None:
    statistics, now = busy()
    later = statistics.status(now + 11 * SECOND, "vlam_node", {})
    assert later.level == DiagnosticStatus.STALE
    assert values(later)["images (Hz)"] == "0.0"
    assert "stamp to chunk p50 (ms)" not in values(later)
    assert values(later)["verdicts EXECUTE"] == "100"


def test_a_chunk_without_a_image_has_no_latency() -> None:
    statistics = DecisionStatistics(now=0)
    statistics.decision(0, Verdict(Outcome.HOLD, Reason.STALE_SENSOR, "no image"))
    got = values(statistics.status(0, "vlam_node", {}))
    assert got["verdicts HOLD STALE_SENSOR"] == "1"
    assert "stamp to chunk p50 (ms)" not in got


def test_an_unusable_message_warns_for_ten_seconds_and_stays_named() -> None:
    statistics, now = busy()
    statistics.error(now, "step of a 3x2 image")
    soon = statistics.status(now + SECOND, "vlam_node", {})
    assert soon.level == DiagnosticStatus.WARN
    assert values(soon)["last error"] == "1 s ago: step of a 3x2 image"
    for i in range(20):
        statistics.image(now + i * SECOND)
        statistics.decision(now + i * SECOND, GO, latency=1)
    late = statistics.status(now + 20 * SECOND, "vlam_node", {})
    assert late.level == DiagnosticStatus.OK
    assert values(late)["last error"].startswith("20 s ago")


def test_an_internal_error_is_an_error_even_without_images() -> None:
    statistics = DecisionStatistics(now=0)
    statistics.decision(0, INTERNAL)
    assert statistics.status(SECOND, "vlam_node", {}).level == DiagnosticStatus.ERROR
    assert statistics.status(11 * SECOND, "vlam_node", {}).level == DiagnosticStatus.STALE


def test_images_without_decisions_are_an_error() -> None:
    statistics, now = busy()
    for i in range(11 * 10):
        statistics.image(now + i * SECOND // 10)
    hanging = statistics.status(now + 11 * SECOND, "vlam_node", {})
    assert (hanging.level, "inference hangs" in hanging.message) == (DiagnosticStatus.ERROR, True)
