"""What the nodes did of late, as diagnostic statuses: rates, drops, ages, latencies, stops.

Every time is passed in, in nanoseconds: `now` of the steady clock, which no bag or simulator can
stop. Latencies run from the stamp of an image to its chunk and are measured with the node's clock.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from vlam_ros.types import Halt, Reason, Verdict

_PERCENTILES = (50, 95, 99)
_MEANT = (Halt.NONE, Halt.NO_CHUNK, Halt.HOLD, Halt.DONE)
"""What is as it should be; anything else somebody should look into."""
ABSENT = "absent"
"""The state of a sensor that never spoke."""
ITSELF = ""
"""What errors are about that no sensor is to blame for."""
WINDOW = 10 * 10**9
"""ns for which diagnostics look back."""


@dataclass(frozen=True)
class LastError:
    """What could not be used or done last, and when: ns of the steady clock."""

    when: int
    why: str

    def is_recent(self, now: int) -> bool:
        """Whether it was within the window."""
        return now - self.when <= WINDOW

    def ago(self, now: int) -> str:
        """For people: "3 s ago: odom: must be finite"."""
        return f"{(now - self.when) / 1e9:.0f} s ago: {self.why.strip()}"


class DecisionStatistics:
    """Accumulates over a window of ten seconds; verdicts and drops since the start."""

    def __init__(self, now: int) -> None:
        """Start counting at `now`."""
        self._start = now
        self._images: deque[int] = deque()
        self._latencies: deque[tuple[int, int]] = deque()
        self._verdicts: Counter[str] = Counter()
        self._last_error: LastError | None = None
        self._internal_error: int | None = None

    def image(self, now: int) -> None:
        """An image arrived."""
        self._images.append(now)

    def decision(self, now: int, verdict: Verdict, latency: int | None = None) -> None:
        """A chunk was published, `latency` after the stamp of its image if it had one."""
        self._verdicts[_label(verdict)] += 1
        if latency is not None:
            self._latencies.append((now, latency))
        if verdict.reason is Reason.INTERNAL_ERROR:
            self._internal_error = now

    def error(self, now: int, message: str) -> None:
        """A message was unusable or a decision failed."""
        self._last_error = LastError(now, message)

    def status(self, now: int, name: str, details: Mapping[str, str]) -> DiagnosticStatus:
        """The status at `now`: STALE without images, ERROR or WARN after failures in the window.

        `details` are reported beside what was accumulated.
        """
        while self._images and now - self._images[0] > WINDOW:
            self._images.popleft()
        while self._latencies and now - self._latencies[0][0] > WINDOW:
            self._latencies.popleft()
        seconds = max(1, min(WINDOW, now - self._start)) / 1e9
        values = {
            "images (Hz)": f"{len(self._images) / seconds:.1f}",
            **self._latency_values(),
            **{f"verdicts {label}": str(n) for label, n in sorted(self._verdicts.items())},
            **details,
        }
        return _status(name, *self._judge(now), values, now, self._last_error)

    def _judge(self, now: int) -> tuple[bytes, str]:
        if self._internal_error is not None and now - self._internal_error <= WINDOW:
            return DiagnosticStatus.ERROR, "decisions fail: see last error and the log"
        recent = self._last_error is not None and self._last_error.is_recent(now)
        if not self._images:
            why = "see last error" if recent else "is the camera publishing on image?"
            return DiagnosticStatus.STALE, f"no images: {why}"
        if not self._latencies and now - self._images[0] > WINDOW // 2:
            return DiagnosticStatus.ERROR, "images come, but none is decided on: inference hangs"
        if recent:
            return DiagnosticStatus.WARN, "unusable messages: see last error"
        return DiagnosticStatus.OK, "deciding"

    def _latency_values(self) -> dict[str, str]:
        if not self._latencies:
            return {}
        milliseconds = np.percentile([ns / 1e6 for _, ns in self._latencies], _PERCENTILES)
        return {
            f"stamp to chunk p{p} (ms)": f"{value:.1f}"
            for p, value in zip(_PERCENTILES, milliseconds, strict=True)
        }


def _label(verdict: Verdict) -> str:
    if verdict.reason is Reason.NONE:
        return verdict.outcome.name
    return f"{verdict.outcome.name} {verdict.reason.name}"


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
        self._last: dict[str, LastError] = {}

    def message(self, now: int, sensor: str) -> None:
        """A message of a sensor arrived, usable or not."""
        self._messages[sensor].append(now)
        self._forget(now, sensor)

    def error(self, now: int, sensor: str, why: str) -> None:
        """A message of a sensor could not be used."""
        self._unusable[sensor] += 1
        self._last[sensor] = LastError(now, why)

    def statuses(
        self, now: int, node: str, states: Mapping[str, str], details: Mapping[str, str]
    ) -> list[DiagnosticStatus]:
        """The statuses at `now`: WARN for a sensor that is lost or unusable, STALE for all if none
        ever spoke; and before them one of the node, with `details`, ERROR if it failed of late.
        """
        silent = all(state.startswith(ABSENT) for state in states.values())
        level, message = DiagnosticStatus.OK, "fusing"
        if silent:
            level, message = DiagnosticStatus.STALE, "no sensor ever spoke"
        last = self._last.get(ITSELF)
        if last is not None and last.is_recent(now):
            level, message = DiagnosticStatus.ERROR, last.ago(now)
        sensors = [
            _status(f"{node}: {name}", _level(state, silent), state, self._values(now, name))
            for name, state in states.items()
        ]
        return [_status(f"{node}: fusion", level, message, details), *sensors]

    def inactive(self, now: int, node: str, why: str) -> DiagnosticStatus:
        """The status of a node that takes nothing in."""
        last = self._last.get(ITSELF)
        return _status(f"{node}: fusion", DiagnosticStatus.STALE, why, {}, now, last)

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


def _status(
    name: str,
    level: bytes,
    message: str,
    values: Mapping[str, str],
    now: int = 0,
    last: LastError | None = None,
) -> DiagnosticStatus:
    status = DiagnosticStatus(name=name, level=level, message=message)
    values = {**values, "last error": last.ago(now)} if last else values
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return status


def _level(state: str, silent: bool) -> bytes:
    if state.startswith("ok"):
        return bytes(DiagnosticStatus.OK)
    if state.startswith(ABSENT):
        return bytes(DiagnosticStatus.STALE if silent else DiagnosticStatus.OK)
    return bytes(DiagnosticStatus.WARN)


class ControlStatistics:
    """Counts how often the robot was stopped for each reason since the start."""

    def __init__(self) -> None:
        self._halt = Halt.INACTIVE
        self._stops: Counter[Halt] = Counter()
        self._missed = self._late = 0
        self._last_error: LastError | None = None

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
        self._last_error = LastError(now, why)

    def status(self, now: int, name: str, details: Mapping[str, str]) -> DiagnosticStatus:
        """The status at `now`: WARN for a stop that nobody decided, or after errors of late."""
        level, error = DiagnosticStatus.OK, self._last_error
        if self._halt is Halt.INACTIVE:
            level = DiagnosticStatus.STALE
        elif self._halt not in _MEANT or (error is not None and error.is_recent(now)):
            level = DiagnosticStatus.WARN
        stops = sorted((halt.name, n) for halt, n in self._stops.items())
        values = {
            "halt": self._halt.name,
            **{f"stops {name}": str(n) for name, n in stops},
            "gripper events missed": str(self._missed),
            "cmd_vel deadlines missed": str(self._late),
            **details,
        }
        return _status(name, level, self._halt.value or "following", values, now, error)
