"""Generated images as training data: rendered once into shards on disk, then read as arrays.

An image takes about 60 ms to render and 0.1 ms to read, and is looked at dozens of times. A shard
is named by its generator, split and images, so that a stopped run goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from tqdm import tqdm

from vlam_ros.lab.generators import (
    UNDECIDED,
    ImageGenerator,
    LabelledImage,
    Thing,
    generator_named,
)
from vlam_ros.lab.generators.camera import photographed
from vlam_ros.lab.generators.generator import MAX_THINGS
from vlam_ros.lab.generators.vocabulary import NO_THING, vocabulary
from vlam_ros.perception.objects import Window

CROP_SIZE = 88
"""Pixels of a stored crop; training cuts its own windows out of it."""
CROP_CONTEXT = 1.7
"""Side of a stored crop relative to its object."""
MIN_VISIBLE = 60
"""Things with fewer visible pixels in the rendered image get no crop."""
SHARD = 250
UNKNOWN = Thing(UNDECIDED, UNDECIDED)
"""A thing of which nothing can be said."""

Label = TypeVar("Label", np.bool_, np.uint8)


@dataclass(frozen=True)
class SceneData:
    """Images and crops of a split.

    `images` uint8[N,S,S,3] and `labels` uint8[N,S,S] (i + 1 on thing i of the image);
    `things` int16[N,MAX,2] holds the (colour, noun) index of each thing in the vocabulary,
    NO_THING where there is none.
    `crops` uint8[M,C,C,3], `crop_labels` uint8[M,C,C] (1 on the thing in the middle, 2 on others)
    and `crop_things` int16[M,2], NO_THING for a crop of what is no thing.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    things: npt.NDArray[np.int16]
    crops: npt.NDArray[np.uint8]
    crop_labels: npt.NDArray[np.uint8]
    crop_things: npt.NDArray[np.int16]


def render_split(
    folder: Path,
    generator: str,
    split: str,
    count: int,
    size: int,
    workers: int = 1,
    photograph: bool = True,
) -> None:
    """Render the first images of a generator's split, `size` pixels square, in shards; finished
    ones stay. They are as a camera takes them, unless they are not to `photograph`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {_path(folder, generator, split, size, numbers): numbers for numbers in _shards(count)}
    due = {path: numbers for path, numbers in paths.items() if not path.exists()}
    if not due:
        return
    bar = tqdm(total=len(due), desc=f"render {generator} {split}", unit=f"{SHARD} images")
    with bar:
        if workers == 1:
            with generator_named(generator) as own:
                for path, numbers in due.items():
                    _render_shard(own, split, size, photograph, path, numbers)
                    bar.update()
            return
        count, spawned = min(workers, len(due)), get_context("spawn")
        with ProcessPoolExecutor(count, spawned, _open, (generator,)) as pool:
            render_one = partial(_render_in_worker, split, size, photograph)
            for _ in pool.map(render_one, due, due.values()):
                bar.update()


def load_splits(folder: Path, counts: Mapping[str, int], split: str, size: int) -> SceneData:
    """The first images of a split, of each generator so many."""
    paths = [
        _path(folder, generator, split, size, numbers)
        for generator, count in counts.items()
        for numbers in _shards(count)
    ]
    if missing := [path.name for path in paths if not path.exists()]:
        raise FileNotFoundError(f"{folder} lacks {missing[0]}: render the split first")
    names = [field.name for field in fields(SceneData)]
    # One array after the other: all shards at once would need twice the memory.
    return SceneData(**{name: np.concatenate([np.load(p)[name] for p in paths]) for name in names})


def _shards(count: int) -> list[range]:
    return [range(start, min(start + SHARD, count)) for start in range(0, count, SHARD)]


def _path(folder: Path, generator: str, split: str, size: int, numbers: range) -> Path:
    # With its end, lest a short last shard passes for a full one in a longer run.
    return folder / f"{generator}-{split}-{size}-{numbers.start:06d}-{numbers.stop:06d}.npz"


_of_worker: list[ImageGenerator] = []
"""The generator that a worker keeps open: some take as long to open as a shard to render."""


def _open(name: str) -> None:
    _of_worker.append(generator_named(name).__enter__())


def _render_in_worker(split: str, size: int, photograph: bool, path: Path, numbers: range) -> None:
    _render_shard(_of_worker[0], split, size, photograph, path, numbers)


def _render_shard(
    generator: ImageGenerator,
    split: str,
    size: int,
    photograph: bool,
    path: Path,
    numbers: range,
) -> None:
    rows = [render(generator, split, number, size, photograph) for number in numbers]
    temporary = path.with_suffix(".part.npz")
    arrays = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    np.savez(temporary, allow_pickle=False, **arrays)
    temporary.rename(path)


def render(
    generator: ImageGenerator, split: str, number: int, size: int, photograph: bool = True
) -> dict[str, npt.NDArray[np.generic]]:
    """One image as rows of the arrays of a SceneData, as a camera takes it or as it is drawn."""
    rng = np.random.default_rng([number, 2])
    shown = generator.draw(split, number)
    if photograph:
        shown = photographed(shown, rng)
    things = np.full((MAX_THINGS, 2), NO_THING, np.int16)
    for i, thing in enumerate(shown.things):
        things[i] = vocabulary().indices(thing)
    crops, crop_labels, crop_things = [], [], []
    for i, window in _windows(shown, rng):
        crops.append(resize(window.cut(shown.image), CROP_SIZE))
        label = window.cut(shown.labels[..., None])[..., 0]
        label = resample(label, (CROP_SIZE, CROP_SIZE))
        crop_labels.append(np.where(label == 0, 0, np.where(label == i + 1, 1, 2)).astype(np.uint8))
        crop_things.append(things[i] if i >= 0 else np.array([NO_THING, NO_THING]))
    return {
        "images": resize(shown.image, size)[None],
        "labels": resample(shown.labels, (size, size))[None],
        "things": things[None],
        "crops": np.array(crops, np.uint8).reshape(-1, CROP_SIZE, CROP_SIZE, 3),
        "crop_labels": np.array(crop_labels, np.uint8).reshape(-1, CROP_SIZE, CROP_SIZE),
        "crop_things": np.array(crop_things, np.int16).reshape(-1, 2),
    }


def _windows(shown: LabelledImage, rng: np.random.Generator) -> Iterator[tuple[int, Window]]:
    """(number of the thing, window) of each that is seen and of which something can be said, and
    (-1, window) of a piece that shows nothing.
    """
    labels = shown.labels
    for i, thing in enumerate(shown.things):
        mask = labels == i + 1
        if np.count_nonzero(mask) < MIN_VISIBLE or thing == UNKNOWN:
            continue
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        side = int(CROP_CONTEXT * max(width, height))
        yield i, Window((2 * x + width - side) // 2, (2 * y + height - side) // 2, side)
    shorter = min(labels.shape)
    for _ in range(10):
        side = int(rng.integers(shorter // 12, shorter * 5 // 12))
        x0, y0 = (int(rng.integers(length - side)) for length in labels.shape[::-1])
        if not labels[y0 : y0 + side, x0 : x0 + side].any():
            yield -1, Window(x0, y0, side)
            return


def resize(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """uint8[H,W,3] → uint8[size,size,3], bilinear with antialiasing, as the processor does it."""
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    small = functional.interpolate(tensor, (size, size), mode="bilinear", antialias=True)
    return np.ascontiguousarray(small[0].permute(1, 2, 0).numpy())


def resample(labels: npt.NDArray[Label], shape: Sequence[int]) -> npt.NDArray[Label]:
    """[H,W] → [h,w] by the value at the middle of each new pixel."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    return labels[rows][:, columns]
