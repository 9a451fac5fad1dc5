"""CLIPSeg checkpoints: loading them, what runs them, and the Grounder made of one."""

from vlam_ros.perception.calibration import UNCALIBRATED_MASK_THRESHOLD, Calibration
from vlam_ros.perception.clipseg.backend import Activations, Backend, TorchBackend
from vlam_ros.perception.clipseg.grounder import ClipsegGrounder, ImageFeatures
from vlam_ros.perception.clipseg.loader import EMBEDDED, Checkpoint, load_checkpoint, load_clip
from vlam_ros.perception.clipseg.preprocess import Preprocessing, preprocess

__all__ = [
    "EMBEDDED",
    "UNCALIBRATED_MASK_THRESHOLD",
    "Activations",
    "Backend",
    "Calibration",
    "Checkpoint",
    "ClipsegGrounder",
    "ImageFeatures",
    "Preprocessing",
    "TorchBackend",
    "load_checkpoint",
    "load_clip",
    "preprocess",
]
