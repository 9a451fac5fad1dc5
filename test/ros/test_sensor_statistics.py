"""Diagnostics of fusion_node's sensors with the clock in the test's hand."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from vlam_ros.ros.diagnostics import ABSENT, ITSELF, SensorStatistics

SECOND = 10**9
OK, WARN = DiagnosticStatus.OK, DiagnosticStatus.WARN
ERROR, STALE = DiagnosticStatus.ERROR, DiagnosticStatus.STALE


def by_name(
    statistics: SensorStatistics, now: int, **states: str
) -> dict[str, tuple[bytes, str, dict[str, str]]]:
    statuses = statistics.statuses(now, "fusion_node", states, {"depth images published": "3"})
    return {
        s.name: (s.level, s.message, {pair.key: pair.value for pair in s.values}) for s in statuses
    }


@pytest.mark.parametrize(
    ("state", "level"),
    [
        ("ok, 0.05 s old", OK),
        ("ok, 0.05 s old; no time per point: its sweeps are not deskewed", OK),
        ("lost: nothing comes any more", WARN),
        ("unusable: frame 'laser' came", WARN),
        (ABSENT, OK),
    ],
)
def test_the_level_of_a_sensor_follows_from_its_state(state: str, level: bytes) -> None:
    got = by_name(SensorStatistics(0), 0, camera="ok, 0.01 s old", LiDAR=state)
    assert got["fusion_node: LiDAR"][:2] == (level, state)
    assert got["fusion_node: fusion"] == (OK, "fusing", {"depth images published": "3"})


def test_everything_is_stale_where_nothing_ever_spoke() -> None:
    got = by_name(SensorStatistics(0), 0, camera=ABSENT, LiDAR=ABSENT)
    assert {level for level, _, _ in got.values()} == {STALE}
    lost = by_name(SensorStatistics(0), 0, camera="lost: nothing comes any more", LiDAR=ABSENT)
    assert lost["fusion_node: LiDAR"][0] == OK


def test_rates_are_those_of_the_last_ten_seconds() -> None:
    statistics = SensorStatistics(0)
    for i in range(100):
        statistics.message(i * SECOND // 10, "LiDAR")
        statistics.message(i * SECOND // 5, "odometry")
    got = by_name(statistics, 20 * SECOND, LiDAR="ok", odometry="ok", IMU=ABSENT)
    rates = {name: values.get("messages (Hz)") for name, (_, _, values) in got.items()}
    assert rates["fusion_node: LiDAR"] == "0.0"
    assert rates["fusion_node: odometry"] == "5.0"
    assert rates["fusion_node: IMU"] == "0.0"


def test_the_rate_is_right_from_the_first_second_on() -> None:
    statistics = SensorStatistics(0)
    for i in range(20):
        statistics.message(i * SECOND // 10, "LiDAR")
    got = by_name(statistics, 2 * SECOND, LiDAR="ok")
    assert got["fusion_node: LiDAR"][2]["messages (Hz)"] == "10.0"


def test_errors_are_counted_for_each_sensor_and_the_last_is_named() -> None:
    statistics = SensorStatistics(0)
    statistics.error(SECOND, "IMU", "points: cut off")
    statistics.error(2 * SECOND, "IMU", "imu: must be finite")
    got = by_name(statistics, 5 * SECOND, LiDAR="ok", IMU="lost: must be finite")
    assert got["fusion_node: IMU"][2]["unusable messages"] == "2"
    assert got["fusion_node: IMU"][2]["last error"] == "3 s ago: imu: must be finite"
    assert "last error" not in got["fusion_node: LiDAR"][2]


def test_a_fault_of_the_node_itself_is_an_error_for_ten_seconds() -> None:
    statistics = SensorStatistics(0)
    statistics.error(0, ITSELF, "ZeroDivisionError")
    level, message, _ = by_name(statistics, 9 * SECOND, LiDAR="ok")["fusion_node: fusion"]
    assert (level, message) == (ERROR, "9 s ago: ZeroDivisionError")
    assert by_name(statistics, 11 * SECOND, LiDAR="ok")["fusion_node: fusion"][0] == OK


def test_a_node_that_is_not_active_says_why_it_could_not_be_configured() -> None:
    statistics = SensorStatistics(0)
    statistics.error(0, ITSELF, "cannot configure: lidar.x")
    status = statistics.inactive(SECOND, "fusion_node", "not active")
    assert (status.level, status.message) == (STALE, "not active")
    assert [pair.value for pair in status.values] == ["1 s ago: cannot configure: lidar.x"]
