"""What vlam_node did of late, as a diagnostic status: rates, drops, ages, latencies, verdicts.

Every time is passed in, in nanoseconds: `now` of the steady clock, which no bag or simulator can
stop. Latencies run from the stamp of an image to its chunk and are measured with the node's clock.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from vlam_ros.ros.trouble import WINDOW, Trouble
from vlam_ros.types import Reason, Verdict

_PERCENTILES = (50, 95, 99)


class DecisionStatistics:
    """Accumulates over a window of ten seconds; verdicts and drops since the start."""

    def __init__(self, now: int) -> None:
        """Start counting at `now`."""
        self._start = now
        self._images: deque[int] = deque()
        self._latencies: deque[tuple[int, int]] = deque()
        self._verdicts: Counter[str] = Counter()
        self._last_error: Trouble | None = None
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
        self._last_error = Trouble(now, message)

    def status(self, now: int, name: str, details: Mapping[str, str]) -> DiagnosticStatus:
        """The status at `now`: STALE without images, ERROR or WARN after failures in the window.

        `details` are reported beside what was accumulated.
        """
        for times in (self._images, self._latencies):
            while times and now - _time(times[0]) > WINDOW:
                times.popleft()
        seconds = max(1, min(WINDOW, now - self._start)) / 1e9
        status = DiagnosticStatus(name=name)
        status.level, status.message = self._judge(now)
        values = {
            "images (Hz)": f"{len(self._images) / seconds:.1f}",
            **self._latency_values(),
            **{f"verdicts {label}": str(n) for label, n in sorted(self._verdicts.items())},
            **details,
        }
        if self._last_error:
            values["last error"] = self._last_error.ago(now)
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        return status

    def _judge(self, now: int) -> tuple[bytes, str]:
        if self._internal_error is not None and now - self._internal_error <= WINDOW:
            return DiagnosticStatus.ERROR, "decisions fail: see last error and the log"
        if not self._images:
            return DiagnosticStatus.STALE, "no images: is the camera publishing on image?"
        if not self._latencies and now - self._images[0] > WINDOW // 2:
            return DiagnosticStatus.ERROR, "images come, but none is decided on: inference hangs"
        if self._last_error and self._last_error.is_recent(now):
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


def _time(entry: int | tuple[int, int]) -> int:
    return entry if isinstance(entry, int) else entry[0]


def _label(verdict: Verdict) -> str:
    if verdict.reason is Reason.NONE:
        return verdict.outcome.name
    return f"{verdict.outcome.name} {verdict.reason.name}"
