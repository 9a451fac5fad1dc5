"""Small images and COCO files for the tests of data sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.index import Annotation
from vlam_ros.lab.training.data.segmentation import encode
from vlam_ros.lab.training.data.writer import DatasetWriter
from vlam_ros.types.arrays import BoolArray, Uint8Array

HEIGHT, WIDTH = 24, 32
SQUARE = [[4.0, 6.0, 12.0, 6.0, 12.0, 16.0, 4.0, 16.0]]
"""8 columns from the 4th, 10 rows from the 6th."""
SPLIT_SCENES = {"train": "scene-0", "validation": "scene-4", "test": "scene-3"}
"""Scenes whose names send them there."""


def coco_image(seed: int) -> Uint8Array:
    """Noise."""
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def box(top: int, left: int, height: int, width: int) -> BoolArray:
    """A mask."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


def labelled(phrase: str, mask: BoolArray, proposal: bool = False) -> Annotation:
    """An annotation."""
    return Annotation(phrase, encode(mask), proposal=proposal)


def small_dataset(folder: Path, count: int = 6, proposal: bool = False) -> Path:
    """Images for training, each of a cup, every second of a box too, and one for testing."""
    with DatasetWriter(folder, "a test") as writer:
        for i in range(count):
            seen = [labelled("cup", box(2, 3 + i, 6, 8), proposal)]
            if i % 2:
                seen.append(labelled("box", box(12, 5, 8, 9), proposal))
            data = encode_image(coco_image(i))
            writer.add(data, f"train {i}", f"p{i}", seen, split="train", proposal=proposal)
        ball = [labelled("ball", box(1, 1, 4, 4))]
        writer.add(encode_image(coco_image(99)), "test", "last", ball, split="test")
    return folder


def coco(
    path: Path,
    images: Sequence[dict[str, Any]],
    annotations: Sequence[dict[str, Any]],
    categories: Sequence[str] = ("cup", "box"),
) -> Path:
    """An annotation file as other tools write them: no field but COCO's."""
    named = [{"id": i, "name": name} for i, name in enumerate(categories, start=1)]
    size = {"height": HEIGHT, "width": WIDTH}
    document = {
        "images": [{**size, **image} for image in images],
        "annotations": [{"id": i, **a} for i, a in enumerate(annotations)],
        "categories": named,
    }
    path.write_text(json.dumps(document))
    return path
