"""How long things take: half of them, 95 % and 99 % of them less."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vlam_ros.lab.report.table import NOTHING


@dataclass(frozen=True)
class Percentiles:
    """Of durations in seconds: half, 95 % and 99 % of them are shorter. NaN of no cases."""

    p50: float
    p95: float
    p99: float
    cases: int

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Percentiles:
        """Linearly interpolated, as NumPy does by default."""
        values = np.array(list(seconds), np.float64)
        if not len(values):
            return cls(math.nan, math.nan, math.nan, 0)
        p50, p95, p99 = (float(p) for p in np.percentile(values, (50, 95, 99)))
        return cls(p50, p95, p99, len(values))

    def text(self, scale: float = 1.0, digits: int = 3) -> str:
        """As "p50 / p95 / p99", in seconds, or in milliseconds with a scale of 1000."""
        times = (scale * self.p50, scale * self.p95, scale * self.p99)
        return NOTHING if math.isnan(self.p50) else " / ".join(f"{t:.{digits}f}" for t in times)
