"""Checkpoints: loading them, what runs them, and the thresholds that belong to each."""

from vlam_ros.models.backends import Activations, Backend, TorchBackend
from vlam_ros.models.calibration import Calibration
from vlam_ros.models.checkpoint import Checkpoint, Preprocessing
from vlam_ros.models.loader import EMBEDDED, load_checkpoint, load_clip

__all__ = [
    "EMBEDDED",
    "Activations",
    "Backend",
    "Calibration",
    "Checkpoint",
    "Preprocessing",
    "TorchBackend",
    "load_checkpoint",
    "load_clip",
]
