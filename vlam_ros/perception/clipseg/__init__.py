"""Checkpoints: loading them, what runs them, and the thresholds that belong to each."""

from vlam_ros.perception.calibration import UNCALIBRATED_MASK_THRESHOLD, Calibration
from vlam_ros.perception.clipseg.backends import Activations, Backend, TorchBackend
from vlam_ros.perception.clipseg.checkpoint import Checkpoint, Preprocessing
from vlam_ros.perception.clipseg.loader import EMBEDDED, load_checkpoint, load_clip
from vlam_ros.perception.clipseg.saving import save_checkpoint

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
