"""One small trainer for all that is tuned and distilled: `Fit(task, source, weights, …).run()`."""

from vlam_ros.lab.training.balancing import Weights
from vlam_ros.lab.training.fit.parts import Log
from vlam_ros.lab.training.fit.settings import FitSettings, Stepwise, fastest_dtype
from vlam_ros.lab.training.fit.trainer import STATE, BatchSource, Fit, FitResult

__all__ = [
    "STATE",
    "BatchSource",
    "Fit",
    "FitResult",
    "FitSettings",
    "Log",
    "Stepwise",
    "Weights",
    "fastest_dtype",
]
