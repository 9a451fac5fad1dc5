"""Checkpoints: loading them, and the thresholds that belong to each."""

from vlam_ros.models.calibration import Calibration
from vlam_ros.models.loader import EMBEDDED, Checkpoint, Preprocessing, load_checkpoint, load_clip

__all__ = [
    "EMBEDDED",
    "Calibration",
    "Checkpoint",
    "Preprocessing",
    "load_checkpoint",
    "load_clip",
]
