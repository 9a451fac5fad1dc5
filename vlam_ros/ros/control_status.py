"""What controller_node does, as a diagnostic status: whether it moves, and its stops by reason.

Every time is passed in, in nanoseconds of the steady clock, which no bag or simulator can stop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.node import Node

from vlam_ros.ros.reporter import Reporter
from vlam_ros.ros.trouble import Trouble
from vlam_ros.types import Halt

_MEANT = (Halt.NONE, Halt.NO_CHUNK, Halt.HOLD, Halt.DONE)
"""What is as it should be; anything else somebody should look into."""


class ControlStatistics:
    """Counts how often the robot was stopped for each reason since the start."""

    def __init__(self) -> None:
        self._halt = Halt.INACTIVE
        self._stops: Counter[Halt] = Counter()
        self._missed = self._late = 0
        self._last_error: Trouble | None = None

    def command(self, halt: Halt) -> None:
        """A command was given; with a halt other than that of the last one this is a stop."""
        if halt not in (Halt.NONE, self._halt):
            self._stops[halt] += 1
        self._halt = halt

    def missed(self) -> None:
        """An event of the gripper passed."""
        self._missed += 1

    def late(self, times: int) -> None:
        """cmd_vel was silent for longer than its deadline."""
        self._late += times

    def error(self, now: int, why: str) -> None:
        """Something that came cannot be used."""
        self._last_error = Trouble(now, why)

    def status(self, now: int, name: str, details: Mapping[str, str]) -> DiagnosticStatus:
        """The status at `now`: WARN for a stop that nobody decided, or after errors of late."""
        status = DiagnosticStatus(name=name, level=DiagnosticStatus.OK)
        status.message = self._halt.value or "following"
        recent = self._last_error is not None and self._last_error.is_recent(now)
        if self._halt is Halt.INACTIVE:
            status.level = DiagnosticStatus.STALE
        elif self._halt not in _MEANT or recent:
            status.level = DiagnosticStatus.WARN
        values = {
            "halt": self._halt.name,
            **{f"stops {halt.name}": str(n) for halt, n in sorted(self._stops.items(), key=_name)},
            "gripper events missed": str(self._missed),
            "cmd_vel deadlines missed": str(self._late),
            **details,
        }
        if self._last_error:
            values["last error"] = self._last_error.ago(now)
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        return status


def _name(item: tuple[Halt, int]) -> str:
    return item[0].name


class ControlReporter(Reporter):
    """Reports on a controlling node with `ControlStatistics`."""

    def __init__(self, node: Node, details: Callable[[], Mapping[str, str]]) -> None:
        """`details` are values to publish beside the statistics."""
        super().__init__(node)
        self._details = details
        self._statistics = ControlStatistics()

    def command(self, halt: Halt) -> None:
        """A command was given."""
        self._statistics.command(halt)

    def missed(self, why: str) -> None:
        """An event of the gripper passed, and a new chunk was asked for."""
        self._statistics.missed()
        self._node.get_logger().warning(f"a new chunk is asked for: {why}")

    def late(self, times: int) -> None:
        """cmd_vel missed its deadline, because the machine is too slow or too busy."""
        self._statistics.late(times)

    def _note(self, now: int, message: str, about: str) -> None:
        self._statistics.error(now, message)

    def _statuses(self, now: int) -> Sequence[DiagnosticStatus]:
        name = f"{self._node.get_name()}: control"
        return [self._statistics.status(now, name, self._details())]
