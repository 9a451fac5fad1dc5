"""Simulated scenes as training data: rendered once into shards on disk, then read as arrays.

A scene takes about 60 ms to render and 0.1 ms to read, and is looked at dozens of times. A shard
is named by its split and its scenes, so that a stopped run goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from tqdm import tqdm

from vlam_ros.lab.simulation.scene import SHAPES, SceneSpec, scene_of_seed
from vlam_ros.lab.simulation.world import World
from vlam_ros.lab.training.captions import COLOUR_NAMES
from vlam_ros.perception.objects import Window

CROP_SIZE = 88
"""Pixels of a stored crop; training cuts its own windows out of it."""
CROP_CONTEXT = 1.7
"""Side of a stored crop relative to its object."""
MIN_VISIBLE = 60
"""Objects with fewer visible pixels in the rendered image get no crop."""
SHARD = 250

Label = TypeVar("Label", np.bool_, np.uint8)


@dataclass(frozen=True)
class SceneData:
    """Scenes and crops of a split.

    `images` uint8[N,S,S,3] and `labels` uint8[N,S,S] (i + 1 on object i of the scene);
    `pairs` int64[N,MAX,2] holds the (colour, shape) index of each object, -1 where there is none.
    `crops` uint8[M,C,C,3], `crop_labels` uint8[M,C,C] (1 on the object in the middle, 2 on others)
    and `crop_pairs` int64[M,2], -1 for a crop of the empty floor.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    pairs: npt.NDArray[np.int64]
    crops: npt.NDArray[np.uint8]
    crop_labels: npt.NDArray[np.uint8]
    crop_pairs: npt.NDArray[np.int64]


def render_split(folder: Path, split: str, count: int, size: int) -> None:
    """Render the first scenes of a split, `size` pixels square, in shards; finished ones stay."""
    folder.mkdir(parents=True, exist_ok=True)
    due = [scenes for scenes in _shards(count) if not _path(folder, split, size, scenes).exists()]
    if not due:
        return
    total = sum(map(len, due))
    with World() as world, tqdm(total=total, desc=f"render {split}") as progress:
        for scenes in due:
            rows = []
            for index in scenes:
                rows.append(_render(world, scene_of_seed(split, index), size, index))
                progress.update()
            path = _path(folder, split, size, scenes)
            temporary = path.with_suffix(".part.npz")
            arrays = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
            np.savez(temporary, allow_pickle=False, **arrays)
            temporary.rename(path)


def load_split(folder: Path, split: str, count: int, size: int) -> SceneData:
    paths = [_path(folder, split, size, scenes) for scenes in _shards(count)]
    if missing := [path.name for path in paths if not path.exists()]:
        raise FileNotFoundError(f"{folder} lacks {missing[0]}: render the split first")
    shards = [np.load(path) for path in paths]
    arrays = {name: np.concatenate([s[name] for s in shards]) for name in shards[0].files}
    return SceneData(**arrays)


def _shards(count: int) -> list[range]:
    return [range(start, min(start + SHARD, count)) for start in range(0, count, SHARD)]


def _path(folder: Path, split: str, size: int, scenes: range) -> Path:
    # With its end, lest a short last shard passes for a full one in a longer run.
    return folder / f"{split}-{size}-{scenes.start:06d}-{scenes.stop:06d}.npz"


def _render(world: World, spec: SceneSpec, size: int, seed: int) -> dict[str, np.ndarray]:
    world.load(spec)
    rendering = world.render()
    pairs = np.full((12, 2), -1, np.int64)
    for i, object_ in enumerate(spec.objects):
        assert object_.colour is not None
        pairs[i] = COLOUR_NAMES.index(object_.colour), SHAPES.index(object_.shape)
    crops, crop_labels, crop_pairs = [], [], []
    for i, window in _windows(rendering.labels, len(spec.objects), seed):
        crops.append(resize(window.cut(rendering.image), CROP_SIZE))
        label = window.cut(rendering.labels[..., None])[..., 0]
        label = resample(label, (CROP_SIZE, CROP_SIZE))
        crop_labels.append(np.where(label == 0, 0, np.where(label == i + 1, 1, 2)).astype(np.uint8))
        crop_pairs.append(pairs[i] if i >= 0 else np.array([-1, -1]))
    return {
        "images": resize(rendering.image, size)[None],
        "labels": resample(rendering.labels, (size, size))[None],
        "pairs": pairs[None],
        "crops": np.array(crops, np.uint8).reshape(-1, CROP_SIZE, CROP_SIZE, 3),
        "crop_labels": np.array(crop_labels, np.uint8).reshape(-1, CROP_SIZE, CROP_SIZE),
        "crop_pairs": np.array(crop_pairs, np.int64).reshape(-1, 2),
    }


def _windows(
    labels: npt.NDArray[np.uint8], objects: int, seed: int
) -> Iterator[tuple[int, Window]]:
    """(object index, window) of each visible object, and (-1, window) of a piece of floor."""
    for i in range(objects):
        mask = labels == i + 1
        if np.count_nonzero(mask) < MIN_VISIBLE:
            continue
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        side = int(CROP_CONTEXT * max(width, height))
        yield i, Window((2 * x + width - side) // 2, (2 * y + height - side) // 2, side)
    rng = np.random.default_rng(seed)
    for _ in range(10):
        side = int(rng.integers(40, 200))
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
