"""Writing a checkpoint as a folder that `load_checkpoint` reads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg.loader import Checkpoint


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write a checkpoint as it is: with an adapter that it was loaded with as its own weights.

    Args:
        checkpoint: on PyTorch; weights are written in its precision.
        folder: to be made; it appears when it is complete.

    Raises:
        ModelError: the folder exists, the checkpoint is an exported one, or its adapter cannot be
            merged.
    """
    model = checkpoint.model
    if method := getattr(model, "adapted_by", ""):
        raise ModelError(
            f"{method} cannot be merged into the model's own layers: give {checkpoint.name} to a "
            "robot as it is, or tune by full, lora or bitfit"
        )
    with new_folder(folder) as complete:
        model.save_pretrained(complete)
        save_companions(checkpoint, complete)


def save_companions(checkpoint: Checkpoint, folder: Path) -> None:
    """Write what belongs to a model besides itself into a folder that is there."""
    checkpoint.processor.save_pretrained(folder)
    if checkpoint.calibration is not None:
        checkpoint.calibration.save(folder)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which gets its place when it is complete.

    Raises:
        ModelError: something of that name exists.
    """
    if folder.exists():
        raise ModelError(f"{folder} exists: choose a folder that does not, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        complete = Path(temporary) / folder.name
        complete.mkdir()
        yield complete
        shutil.move(complete, folder)
