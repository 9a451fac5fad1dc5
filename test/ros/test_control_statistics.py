"""What diagnostics say of a controller: moving or not, why, and how often it was stopped."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from vlam_ros.ros.diagnostics import ControlStatistics
from vlam_ros.types import Halt

SECOND = 10**9


def status(statistics: ControlStatistics, now: int = 0) -> tuple[bytes, str, dict[str, str]]:
    found = statistics.status(now, "controller_node: control", {"age of odometry (s)": "0.010"})
    return found.level, found.message, {pair.key: pair.value for pair in found.values}


def test_before_it_is_active_it_says_so() -> None:
    level, message, values = status(ControlStatistics())
    assert (level, message) == (DiagnosticStatus.STALE, "the controller is not active")
    assert values["age of odometry (s)"] == "0.010"


@pytest.mark.parametrize(
    ("halt", "level"),
    [
        (Halt.NONE, DiagnosticStatus.OK),
        (Halt.HOLD, DiagnosticStatus.OK),
        (Halt.DONE, DiagnosticStatus.OK),
        (Halt.EXPIRED, DiagnosticStatus.WARN),
        (Halt.ESTOP, DiagnosticStatus.WARN),
        (Halt.CLOCK_FROZEN, DiagnosticStatus.WARN),
    ],
)
def test_a_stop_that_nobody_decided_is_a_warning(halt: Halt, level: bytes) -> None:
    statistics = ControlStatistics()
    statistics.command(halt)
    assert status(statistics)[:2] == (level, halt.value or "following")


def test_stops_are_counted_when_they_begin() -> None:
    statistics = ControlStatistics()
    for halt in (Halt.NONE, Halt.OBSTACLE, Halt.OBSTACLE, Halt.NONE, Halt.OBSTACLE, Halt.ESTOP):
        statistics.command(halt)
    statistics.missed()
    statistics.late(3)
    values = status(statistics)[2]
    assert (values["stops OBSTACLE"], values["stops ESTOP"]) == ("2", "1")
    assert values["halt"] == "ESTOP"
    assert values["gripper events missed"] == "1"
    assert values["cmd_vel deadlines missed"] == "3"


def test_an_error_is_a_warning_for_ten_seconds() -> None:
    statistics = ControlStatistics()
    statistics.command(Halt.NONE)
    statistics.error(0, "odom: must be finite")
    level, _, values = status(statistics, 10 * SECOND)
    assert level == DiagnosticStatus.WARN
    assert values["last error"] == "10 s ago: odom: must be finite"
    assert status(statistics, 10 * SECOND + 1)[0] == DiagnosticStatus.OK
