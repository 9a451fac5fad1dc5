"""One small trainer for all that is tuned and distilled: `Fit(task, source, weights, …).run()`."""

from vlam_ros.learning.fit.parts import (
    Log,
    adamw,
    cosine_rate,
    follow,
    read_state,
    write_state,
)
from vlam_ros.learning.fit.settings import FitSettings
from vlam_ros.learning.fit.trainer import STATE, Fit, FitResult, Source
from vlam_ros.learning.fit.weighing import Weights

__all__ = [
    "STATE",
    "Fit",
    "FitResult",
    "FitSettings",
    "Log",
    "Source",
    "Weights",
    "adamw",
    "cosine_rate",
    "follow",
    "read_state",
    "write_state",
]
