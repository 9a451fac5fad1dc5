"""TensorBoard files of a run, where the package is installed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


class TensorBoardLog:
    """Curves for `tensorboard --logdir FOLDER`; without the package nothing is written."""

    def __init__(self, folder: Path, step: int) -> None:
        """Go on from a step; what a stopped run has written of later ones is hidden."""
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            _log.warning("no TensorBoard files (%s): pip install tensorboard", error)
            return
        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, step: int, group: str, values: Mapping[str, float]) -> None:
        """Add a point to the curves `group/name`."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
