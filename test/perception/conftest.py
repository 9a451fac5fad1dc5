from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_clipseg import CALIBRATION, save_tiny_checkpoint, save_tiny_clip

from vlam_ros.configuration import PerceptionSettings, Settings
from vlam_ros.types import Uint8Array


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete, calibrated checkpoint folder with random weights, read only."""
    folder = save_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))
    CALIBRATION.save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete folder of a plain CLIP, read only."""
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def settings() -> PerceptionSettings:
    return Settings.load().perception


class Images:
    """Camera-like images: filled and outlined shapes with hard edges, shading and noise."""

    def __call__(self, height: int, width: int, seed: int = 0) -> Uint8Array:
        rng = np.random.default_rng(seed)
        shade = np.linspace(60, 200, width)[None, :, None] * np.ones((height, 1, 3))
        image = np.ascontiguousarray(shade, dtype=np.uint8)
        for _ in range(40):
            colour = tuple(int(c) for c in rng.integers(0, 256, 3))
            start, end = (tuple(int(v) for v in rng.integers(0, (width, height))) for _ in "ab")
            cv2.circle(image, start, int(rng.integers(3, 60)), colour, -1)
            cv2.line(image, start, end, colour, 1)
        noise = rng.normal(0, 10, image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def image() -> Images:
    return Images()
