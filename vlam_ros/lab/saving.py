"""Writing a checkpoint as a folder that `load_checkpoint` reads, and its thresholds beside it."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from vlam_ros.errors import ModelError
from vlam_ros.perception import familiarity
from vlam_ros.perception.calibration import FILE_NAME, Calibration
from vlam_ros.perception.clipseg.loader import SHIPPED, Checkpoint, load_checkpoint

PACKAGES = tuple(path.resolve() for path in (Path(__file__).parents[1], *SHIPPED.values()))
"""What belongs to an installation, and is not written into."""


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


@dataclass(frozen=True)
class CalibrationPlace:
    """Where the thresholds of a checkpoint go: beside its adapter or itself, or into a copy `out`.

    `name` is "embedded", a folder or a hub id.
    """

    name: str
    adapter: Path | None = None
    out: Path | None = None

    @property
    def model(self) -> str | Path:
        """The checkpoint, as `load_checkpoint` takes it."""
        folder = SHIPPED.get(self.name) or Path(self.name).expanduser()
        return folder if folder.is_dir() else self.name

    def require(self) -> None:
        """ModelError where nothing could be written: before hours of work, not after."""
        target = self.out or self.adapter or Path(self.model)
        if self.out is not None and self.out.exists():
            raise ModelError(f"{self.out} exists: choose a folder that does not, or remove it")
        if self.out is None and not target.is_dir():
            raise ModelError(
                f"{target} is no folder, and the thresholds must be kept beside the checkpoint: "
                "download it to a folder and give that, or give --out FOLDER for a copy of it"
            )
        if any(target.resolve().is_relative_to(package) for package in PACKAGES):
            raise ModelError(
                f"{target} is in the installed package, where nothing is written: give --out "
                "FOLDER, anywhere else, for a copy of the checkpoint with its thresholds"
            )
        there = next(p for p in (target, *target.absolute().parents) if p.exists())
        try:
            with TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise ModelError(
                f"nothing can be written to {there}: {error.strerror}; give --out FOLDER, "
                "elsewhere, for a copy of the checkpoint with its thresholds"
            ) from error

    def write(self, calibration: Calibration) -> Path:
        """Keep a calibration, whole or not at all, and return the path of its file.

        A copy has the adapter merged into it.

        Raises:
            ModelError: the copy's folder exists, or the adapter cannot be merged.
        """
        model, out = self.model, self.out
        if out is None:
            folder = self.adapter or Path(model)
            with TemporaryDirectory(prefix=".calibration-", dir=folder) as temporary:
                calibration.save(temporary)
                # The file that names the other comes last.
                for file in sorted(Path(temporary).iterdir(), key=lambda p: p.name == FILE_NAME):
                    os.replace(file, folder / file.name)
            return folder / FILE_NAME
        if self.adapter is None and isinstance(model, Path):
            with new_folder(out) as complete:
                ignored = shutil.ignore_patterns(FILE_NAME, familiarity.FILE_NAME, ".*")
                shutil.copytree(model, complete, ignore=ignored, dirs_exist_ok=True)
                calibration.save(complete)
        else:
            checkpoint = load_checkpoint(model, "cpu", "float32", adapter=self.adapter or "")
            save_checkpoint(dataclasses.replace(checkpoint, calibration=calibration), out)
        return out / FILE_NAME
