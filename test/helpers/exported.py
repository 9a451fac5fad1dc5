"""The tiny checkpoint and what `vlam export` makes of it, made once for all tests."""

from __future__ import annotations

import atexit
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tiny_clipseg import CALIBRATION, save_tiny_checkpoint

from vlam_ros.lab.export import export
from vlam_ros.perception.clipseg import load_checkpoint


class Exported(NamedTuple):
    """Folders of a calibrated checkpoint's weights, and of its graphs in float32 and int8."""

    weights: Path
    graphs: Path


@cache
def tiny_weights() -> Path:
    """The folder of a calibrated checkpoint; for reading only."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    weights = save_tiny_checkpoint(Path(folder.name) / "weights", extract_layers=[0, 1])
    CALIBRATION.save(weights)
    return weights


@cache
def exported_tiny() -> Exported:
    """For reading only. Half a minute."""
    weights = tiny_weights()
    graphs = weights.parent / "graphs"
    export(load_checkpoint(weights, "cpu", "float32"), graphs, int8=True)
    return Exported(weights, graphs)
