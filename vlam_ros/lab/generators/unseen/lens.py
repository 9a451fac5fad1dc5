"""The camera of the unseen generator: lens, exposure, blur, noise and compression."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.types import Uint8Array

Light = npt.NDArray[np.float32]


def photographed(
    rng: Generator, image: Uint8Array, labels: Uint8Array
) -> tuple[Uint8Array, Uint8Array]:
    """What a real camera would make of a rendered image uint8[H,W,3] and its labels uint8[H,W]."""
    columns, rows = _distortion(labels.shape, rng.uniform(-0.1, 0.1))
    bent = cv2.remap(image, columns, rows, cv2.INTER_LINEAR)
    labels = np.asarray(cv2.remap(labels, columns, rows, cv2.INTER_NEAREST), np.uint8)
    light = _blurred(rng, _exposed(rng, (bent / 255).astype(np.float32)))
    return _compressed(rng, _noisy(rng, light)), labels


def _distortion(size: tuple[int, ...], strength: float) -> tuple[Light, Light]:
    """Where in the image the light of each pixel comes from, as columns and rows float32[H,W].

    r' = r (1 + strength r²) with r = 1 in the corners, scaled to need nothing beyond the image.
    """
    height, width = size
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    x, y = np.meshgrid(np.arange(width) - centre[0], np.arange(height) - centre[1])
    square = (x**2 + y**2) / (centre**2).sum()
    factor = (1 + strength * square) / max(1.0, 1 + strength)
    return (
        (x * factor + centre[0]).astype(np.float32),
        (y * factor + centre[1]).astype(np.float32),
    )


def _exposed(rng: Generator, light: Light) -> Light:
    """With vignetting, a white balance that is a little off, and an automatic exposure."""
    height, width = light.shape[:2]
    across, down = np.linspace(-1, 1, width) ** 2, np.linspace(-1, 1, height) ** 2
    vignette = 1 - rng.uniform(0.0, 0.3) * np.add.outer(down, across) / 2
    gains = rng.normal(1.0, 0.035, 3)
    exposed = light * vignette[..., None] * gains
    gain = np.clip(rng.uniform(0.36, 0.52) / max(float(exposed.mean()), 0.05), 0.75, 1.5)
    return np.clip(exposed * gain, 0, 1).astype(np.float32)


def _blurred(rng: Generator, light: Light) -> Light:
    """By motion, out of focus, or not at all."""
    kind = rng.random()
    if kind < 0.25:
        length, angle = int(rng.integers(2, 6)), rng.uniform(0, np.pi)
        kernel = np.zeros((7, 7), np.float32)
        reach = length / 2 * np.array([np.cos(angle), np.sin(angle)])
        first, last = ([round(float(v)) for v in 3 + sign * reach] for sign in (-1, 1))
        cv2.line(kernel, first, last, 1.0)
        return np.asarray(cv2.filter2D(light, -1, kernel / kernel.sum()), np.float32)
    if kind < 0.55:
        return np.asarray(cv2.GaussianBlur(light, (0, 0), rng.uniform(0.4, 1.2)), np.float32)
    return light


def _noisy(rng: Generator, light: Light) -> Uint8Array:
    """Shot noise, whose variance grows with the light, and read noise."""
    shot, read = rng.uniform(0.0, 0.0015), rng.uniform(0.002, 0.012)
    spread = np.sqrt(shot * light + read**2)
    noisy = light + spread * rng.standard_normal(light.shape, dtype=np.float32)
    return np.clip(255 * noisy + 0.5, 0, 255).astype(np.uint8)


def _compressed(rng: Generator, image: Uint8Array) -> Uint8Array:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 97))]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if done else None
    if decoded is None:
        raise SimulationError("OpenCV cannot compress an image as JPEG")
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
