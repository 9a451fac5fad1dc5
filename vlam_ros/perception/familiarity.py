"""Whether an image, or the crop of a candidate, is of the kind that a checkpoint was calibrated on.

A model answers about any image, and its scores mean nothing on one that is unlike all those they
were calibrated on. The activations of the vision tower, averaged over an image, have a density:
a Gaussian whose covariance is free in the directions in which the calibration's images vary most,
and the same in all others (probabilistic PCA; Tipping and Bishop, J. R. Stat. Soc. B 61, 1999). An
image's distance is Mahalanobis', in units of what one in a hundred images exceeds that the density
was not made of.
"""

from __future__ import annotations

import dataclasses
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ModelError

FILE_NAME = "familiarity.npz"
"""Beside `calibration.json`, and made with it."""
UNFAMILIAR = 1.0
"""The distance from which an image is unlike the calibration's."""
UNFAMILIAR_UNDER_WAY = 1.2
"""The same where a task is under way that a familiar image has begun: of a hundred images of a
drive one is a hair beyond 1, and a robot that has stopped before it would see it for ever.
"""
FALSE_REFUSALS = 0.01
COMPONENTS, IMAGES_PER_COMPONENT = 256, 4
FOLDS = 10

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Density:
    """What images of one kind look like to the vision tower.

    It knows the last D numbers of an image's statistics. A calibration fits it to those of the last
    layer: over many kinds of images, light and surfaces, which earlier ones tell of, hide what is
    strange about a photograph.

    Attributes:
        mean: float32[D].
        directions: in which images vary most, orthonormal float32[K,D].
        deviations: standard deviations along these, float32[K].
        rest: the standard deviation along every other direction, float32[].
        limit: the Mahalanobis distance that counts as 1, float32[].
    """

    mean: Float32Array
    directions: Float32Array
    deviations: Float32Array
    rest: Float32Array
    limit: Float32Array

    def __post_init__(self) -> None:
        count, width = self.directions.shape if self.directions.ndim == 2 else (-1, -1)
        arrays = [getattr(self, f.name) for f in dataclasses.fields(self)]
        if [a.shape for a in arrays] != [(width,), (count, width), (count,), (), ()]:
            raise ValueError(f"the shapes are no density's: {[a.shape for a in arrays]}")
        if not all(np.isfinite(a).all() for a in arrays):
            raise ValueError("a number is not finite")
        if not min(self.deviations.min(initial=1), self.rest, self.limit) > 0:
            raise ValueError("a deviation is not above 0")

    @classmethod
    def fit(cls, statistics: Float32Array) -> Density:
        """The density of N images with statistics float32[N,D]; its limit is cross-validated.

        Raises:
            ModelError: the images are too few, or all the same.
        """
        if len(statistics) < 2 * FOLDS or not statistics.std(axis=0).any():
            raise ModelError(
                f"{len(statistics)} images do not say what is familiar: {2 * FOLDS} different ones "
                "are the least"
            )
        fold = np.arange(len(statistics)) % FOLDS
        left_out = [
            cls._of(statistics[fold != i])._mahalanobis(statistics[fold == i]) for i in range(FOLDS)
        ]
        limit = np.quantile(np.concatenate(left_out), 1 - FALSE_REFUSALS)
        return dataclasses.replace(cls._of(statistics), limit=np.array(limit, np.float32))

    @classmethod
    def _of(cls, statistics: Float32Array) -> Density:
        count = min(COMPONENTS, len(statistics) // IMAGES_PER_COMPONENT, statistics.shape[1] - 1)
        mean = statistics.mean(axis=0)
        _, spread, directions = np.linalg.svd(statistics - mean, full_matrices=False)
        deviations = spread / np.sqrt(len(statistics) - 1)
        rest = np.sqrt((deviations[count:] ** 2).sum() / (statistics.shape[1] - count))
        least = np.finfo(np.float32).eps * deviations[0]
        kept = np.maximum(deviations[:count], least)
        of_rest = np.array(max(rest, least), np.float32)
        return cls(mean, directions[:count], kept, of_rest, np.array(1, np.float32))

    def distances(self, statistics: Float32Array) -> Float32Array:
        """How far N images with statistics float32[N,S], S >= D, are from what is known,
        float32[N].
        """
        distances: Float32Array = self._mahalanobis(statistics) / self.limit
        return distances

    def _mahalanobis(self, statistics: Float32Array) -> Float32Array:
        offsets = statistics[:, -len(self.mean) :] - self.mean
        along = offsets @ self.directions.T
        beyond = (offsets - along @ self.directions) / self.rest
        squares = ((along / self.deviations) ** 2).sum(axis=1) + (beyond**2).sum(axis=1)
        distances: Float32Array = np.sqrt(squares)
        return distances


@dataclass(frozen=True)
class Familiarity:
    """The densities of whole images, and of the close crops of the second look."""

    image: Density
    crop: Density

    @classmethod
    def load(cls, folder: str | Path) -> Familiarity:
        """Read what `save` wrote.

        Raises:
            ModelError: the file is missing or damaged.
        """
        path = Path(folder) / FILE_NAME
        try:
            with np.load(path, allow_pickle=False) as arrays:
                image, crop = (
                    Density(*(arrays[f"{part}.{name}"] for name in _ARRAYS)) for part in _PARTS
                )
                return cls(image, crop)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ModelError(
                f"cannot read {path}: {error}; calibrate the checkpoint again, or restore the file "
                "it was published with"
            ) from error

    def save(self, folder: str | Path) -> Path:
        """Write it beside a checkpoint's calibration and return the file's path."""
        path = Path(folder) / FILE_NAME
        np.savez(
            path,
            **{
                f"{part}.{name}": getattr(getattr(self, part), name)
                for part in _PARTS
                for name in _ARRAYS
            },
        )
        return path

    @property
    def width(self) -> int:
        """How many of the numbers of the vision tower's statistics it knows, the last ones."""
        return len(self.image.mean)


_ARRAYS = [f.name for f in dataclasses.fields(Density)]
_PARTS = [f.name for f in dataclasses.fields(Familiarity)]
