"""Checkpoints: loading them, what runs them, and the thresholds that belong to each."""

from vlam_ros.models.backends import Activations, Backend, TorchBackend
from vlam_ros.models.calibration import UNCALIBRATED_MASK_THRESHOLD, Calibration
from vlam_ros.models.checkpoint import Checkpoint, Preprocessing
from vlam_ros.models.loader import EMBEDDED, load_checkpoint, load_clip
from vlam_ros.models.saving import save_checkpoint

__all__ = [
    "EMBEDDED",
    "UNCALIBRATED_MASK_THRESHOLD",
    "Activations",
    "Backend",
    "Calibration",
    "Checkpoint",
    "Preprocessing",
    "TorchBackend",
    "load_checkpoint",
    "load_clip",
    "save_checkpoint",
]
