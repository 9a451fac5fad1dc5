"""What simulator_node does, as a diagnostic status: its time, and how fast that passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.node import Node

from vlam_ros.ros.diagnostics import LastError
from vlam_ros.ros.reporter import Reporter

_SECOND = 10**9


class SimulatorReporter(Reporter):
    """Reports on a simulation: WARN while what came cannot be used, or it is slower than asked."""

    def __init__(
        self, node: Node, time: Callable[[], tuple[int, float] | None], details: Mapping[str, str]
    ) -> None:
        """`time` gives simulated ns and the rate asked for, None while not active; `details` are
        published beside.
        """
        super().__init__(node)
        self._time, self._details = time, details
        self._last: tuple[int, int] | None = None  # steady and simulated, ns
        self._error: LastError | None = None

    def _note(self, now: int, message: str, about: str) -> None:
        self._error = LastError(now, message)

    def _statuses(self, now: int) -> Sequence[DiagnosticStatus]:
        status = DiagnosticStatus(name=f"{self._node.get_name()}: simulation")
        values = dict(self._details)
        told = self._time()
        if told is None:
            self._last = None
            status.level, status.message = DiagnosticStatus.STALE, "not active: activate it"
        else:
            simulated, asked = told
            status.level, status.message = DiagnosticStatus.OK, "running"
            values["simulated time (s)"] = f"{simulated / _SECOND:.2f}"
            if self._last is not None and now > self._last[0]:
                rate = (simulated - self._last[1]) / (now - self._last[0])
                values["rate"] = f"{rate:.2f}"
                if rate < 0.9 * asked:
                    status.level = DiagnosticStatus.WARN
                    status.message = f"at {rate:.2f} of real time, this machine can no more"
            self._last = (now, simulated)
        if self._error is not None:
            values["last error"] = self._error.ago(now)
            if self._error.is_recent(now) and status.level == DiagnosticStatus.OK:
                status.level, status.message = DiagnosticStatus.WARN, "something cannot be used"
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        return [status]
