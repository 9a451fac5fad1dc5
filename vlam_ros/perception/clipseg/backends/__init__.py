"""What runs a CLIPSeg: PyTorch, or a runtime for the graphs that `vlam export` wrote."""

from vlam_ros.perception.clipseg.backends.exported import load_exported
from vlam_ros.perception.clipseg.backends.protocol import Activations, Backend
from vlam_ros.perception.clipseg.backends.pytorch import TorchBackend

__all__ = ["Activations", "Backend", "TorchBackend", "load_exported"]
