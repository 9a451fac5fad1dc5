"""What makes few crops worth more: other surroundings, colours, turns and shapes.

What a thing is called must stay true of it, so colours are changed only where no name tells one.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
import torch
from numpy.random import Generator
from torch import Tensor

from vlam_ros.lab.training.batches import relit, windows

TURN = math.radians(35)
"""Largest turn in the image's plane."""
STRETCH = 0.4
"""Largest logarithm of how much wider than high a thing becomes."""
SHIFT = 0.25
"""Farthest that a thing is moved out of the middle, share of the window's half side."""
LOOSE = 0.55
"""Smallest part of a stored crop that is shown."""

Pixels = npt.NDArray[np.float32]


def pasted(thing: Pixels, cover: Pixels, before: Pixels) -> Pixels:
    """A thing float32[c,c,3] before the surroundings of another crop, with soft edges; `cover`
    float32[c,c] is 1 on the thing.
    """
    alpha = _soft(cover)
    mixed: Pixels = thing * alpha + before * (1 - alpha)
    return mixed


def recoloured(thing: Pixels, cover: Pixels, rng: Generator) -> Pixels:
    """A thing float32[c,c,3] in 0..1, as in `pasted`, in a random colour, its shading kept."""
    grey = thing.mean(-1, keepdims=True)
    mean = float((grey[..., 0] * cover).sum() / max(1.0, float(cover.sum())))
    # A quarter grey, four tenths of full colour; a fifth nearly black.
    saturation = float(rng.choice([0.0, 1.0, rng.uniform(0.5, 1)], p=[0.25, 0.4, 0.35]))
    value = float(rng.uniform(0.03, 0.15) if rng.random() < 0.2 else rng.uniform(0.3, 1.0))
    tint = value * (1 - saturation * (1 - _hue(float(rng.random()))))
    painted = np.clip(grey / max(mean, 0.05) * tint, 0, 1)
    return pasted(painted, cover, thing).astype(np.float32)


def varied(
    pixels: Tensor, marks: Tensor, rng: Generator, size: int, shapes: bool
) -> tuple[Tensor, Tensor]:
    """Crops moved, mirrored, cut closer, and in another light.

    Args:
        pixels: float[B,3,c,c] in 0..1.
        marks: float[B,K,c,c], changed alike; each keeps its values.
        size: side of what comes out, in pixels.
        shapes: whether they are turned and stretched too.
    """
    count = len(pixels)
    zoom = rng.uniform(LOOSE, 1.0, count)
    angle = rng.uniform(-TURN, TURN, count) * shapes
    stretch = np.exp(rng.uniform(-STRETCH, STRETCH, count) * shapes / 2)
    mirror = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    theta = np.zeros((count, 2, 3))
    cos, sin = np.cos(angle), np.sin(angle)
    # The map from what comes out to the crop: scale the axes, then turn.
    wide, high = zoom * mirror / stretch, zoom * stretch
    theta[:, 0, 0], theta[:, 0, 1] = cos * wide, -sin * high
    theta[:, 1, 0], theta[:, 1, 1] = sin * wide, cos * high
    theta[:, :, 2] = rng.uniform(-1, 1, (count, 2)) * np.minimum(1 - zoom, SHIFT)[:, None]
    pixels, marks = windows(pixels, marks, torch.from_numpy(theta).float(), size)
    return relit(pixels, rng), marks


def _soft(cover: Pixels) -> Pixels:
    return np.asarray(cv2.blur(cover, (3, 3)), np.float32)[..., None]


def _hue(turn: float) -> npt.NDArray[np.float64]:
    """RGB of a full colour by its place 0..1 on the circle of hues."""
    return np.clip(np.abs((turn * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
