"""How the sensors of fusion_node did of late, a diagnostic status for each.

Every time is passed in, in nanoseconds of the steady clock, which no bag or simulator can stop.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from vlam_ros.ros.trouble import WINDOW, Trouble

ABSENT = "absent"
"""The state of a sensor that never spoke."""
ITSELF = ""
"""What errors are about that no sensor is to blame for."""


class SensorStatistics:
    """Accumulates rates over a window of ten seconds, and what could not be used since the start.

    The state of a sensor is a text that begins with "ok", with "absent" if it never spoke, and
    with anything else if it is lost or cannot be used.
    """

    def __init__(self, now: int) -> None:
        """Start counting at `now`."""
        self._start = now
        self._messages: defaultdict[str, deque[int]] = defaultdict(deque)
        self._unusable: Counter[str] = Counter()
        self._last: dict[str, Trouble] = {}

    def message(self, now: int, sensor: str) -> None:
        """A message of a sensor arrived, usable or not."""
        self._messages[sensor].append(now)
        self._forget(now, sensor)

    def error(self, now: int, sensor: str, why: str) -> None:
        """A message of a sensor could not be used."""
        self._unusable[sensor] += 1
        self._last[sensor] = Trouble(now, why)

    def statuses(
        self, now: int, node: str, states: Mapping[str, str], details: Mapping[str, str]
    ) -> list[DiagnosticStatus]:
        """The statuses at `now`: WARN for a sensor that is lost or unusable, STALE for all if none
        ever spoke; and before them one of the node, with `details`, ERROR if it failed of late.
        """
        silent = all(state.startswith(ABSENT) for state in states.values())
        whole = _status(f"{node}: fusion", DiagnosticStatus.OK, "fusing", details)
        if silent:
            whole.level, whole.message = DiagnosticStatus.STALE, "no sensor ever spoke"
        last = self._last.get(ITSELF)
        if last is not None and last.is_recent(now):
            whole.level, whole.message = DiagnosticStatus.ERROR, last.ago(now)
        sensors = [
            _status(f"{node}: {name}", _level(state, silent), state, self._values(now, name))
            for name, state in states.items()
        ]
        return [whole, *sensors]

    def inactive(self, now: int, node: str, why: str) -> DiagnosticStatus:
        """The status of a node that takes nothing in."""
        last = {"last error": self._last[ITSELF].ago(now)} if ITSELF in self._last else {}
        return _status(f"{node}: fusion", DiagnosticStatus.STALE, why, last)

    def _values(self, now: int, sensor: str) -> dict[str, str]:
        self._forget(now, sensor)
        seconds = max(1, min(WINDOW, now - self._start)) / 1e9
        values = {"messages (Hz)": f"{len(self._messages[sensor]) / seconds:.1f}"}
        if sensor in self._last:
            values["unusable messages"] = str(self._unusable[sensor])
            values["last error"] = self._last[sensor].ago(now)
        return values

    def _forget(self, now: int, sensor: str) -> None:
        times = self._messages[sensor]
        while times and now - times[0] > WINDOW:
            times.popleft()


def _status(name: str, level: bytes, message: str, values: Mapping[str, str]) -> DiagnosticStatus:
    status = DiagnosticStatus(name=name, level=level, message=message)
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return status


def _level(state: str, silent: bool) -> bytes:
    if state.startswith("ok"):
        return bytes(DiagnosticStatus.OK)
    if state.startswith(ABSENT):
        return bytes(DiagnosticStatus.STALE if silent else DiagnosticStatus.OK)
    return bytes(DiagnosticStatus.WARN)
