"""What a camera does to a rendered image: lens, blur, exposure, white balance, noise, JPEG."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator

from vlam_ros.lab.generators.generator import LabelledImage
from vlam_ros.types import Uint8Array

DISTORTED, BLURRED, EXPOSED, NOISY, COMPRESSED = 0.35, 0.3, 0.7, 0.6, 0.5
"""Shares of the images that each of it happens to."""


def photographed(shown: LabelledImage, rng: Generator) -> LabelledImage:
    """The image as some camera may take it; labels follow what the lens moves."""
    image, labels = shown.image, shown.labels
    if rng.random() < DISTORTED:
        image, labels = _distorted(image, labels, rng)
    if rng.random() < BLURRED:
        image = _blurred(image, rng)
    linear = image.astype(np.float32) / np.float32(255)
    if rng.random() < EXPOSED:
        balance = rng.normal(1.0, 0.05, 3) * rng.uniform(0.65, 1.3)
        linear = (linear * balance.astype(np.float32)) ** np.float32(rng.uniform(0.8, 1.25))
        linear *= _vignette(image.shape[:2], rng.uniform(0.0, 0.3))
    if rng.random() < NOISY:
        read, shot = rng.uniform(0.0, 0.03), rng.uniform(0.0, 0.04)
        sigma = np.sqrt(read**2 + shot**2 * linear.clip(0, 1), dtype=np.float32)
        linear += sigma * rng.standard_normal(linear.shape, np.float32)
    image = (linear.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < COMPRESSED:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))]
        # The order of the channels matters little to the codec, and comes back as it was.
        image = np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], 1), np.uint8)
    return replace(shown, image=image, labels=labels)


def _distorted(
    image: Uint8Array, labels: Uint8Array, rng: Generator
) -> tuple[Uint8Array, Uint8Array]:
    """Barrel or cushion, with what is beyond the image left out by a zoom."""
    height, width = labels.shape
    k1 = rng.uniform(-0.22, 0.12)
    focal = 0.5 * math.hypot(width, height)
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    coefficients = np.array([k1, 0.0, 0.0, 0.0])
    wanted, _ = cv2.getOptimalNewCameraMatrix(matrix, coefficients, (width, height), 0)
    maps = cv2.initUndistortRectifyMap(
        matrix, coefficients, np.eye(3), wanted, (width, height), cv2.CV_32FC1
    )
    return (
        np.asarray(cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)),
        np.asarray(cv2.remap(labels, *maps, cv2.INTER_NEAREST)),
    )


def _blurred(image: Uint8Array, rng: Generator) -> Uint8Array:
    """Out of focus, moved, or of fewer pixels than it claims."""
    height, width = image.shape[:2]
    kind = rng.integers(3)
    if kind == 0:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), width / 640 * rng.uniform(0.5, 2.2)))
    if kind == 1:
        length, angle = width / 640 * rng.uniform(3, 11), rng.uniform(0, math.pi)
        side = 2 * math.ceil(length / 2) + 1
        kernel = np.zeros((side, side), np.float32)
        reach = length / 2 * np.array([math.cos(angle), math.sin(angle)])
        ends = [tuple(np.rint(side // 2 + sign * reach).astype(int).tolist()) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], (1.0,))
        return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()))
    share = rng.uniform(0.4, 0.9)
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


def _vignette(shape: tuple[int, ...], strength: float) -> np.ndarray:
    rows, columns = (np.linspace(-1, 1, length, dtype=np.float32) for length in shape)
    distance = rows[:, None] ** 2 + columns[None] ** 2
    return (1 - np.float32(strength / 2) * distance)[..., None]
