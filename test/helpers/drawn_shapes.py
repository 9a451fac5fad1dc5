"""Images of coloured shapes with exact masks, drawn on the spot: batches for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from vlam_ros.lab.training.examples import Batch, asked
from vlam_ros.types.arrays import BoolArray, Uint8Array

COLOURS = {"red": (210, 40, 40), "green": (40, 170, 60), "blue": (50, 70, 210)}
KINDS = ("star", "ball", "box")
PHRASES = (*KINDS, "blue star")


def outline(kind: str, x: int, y: int, radius: int) -> np.ndarray:
    """int32[N,2], the corners of a shape."""
    count = {"star": 10, "ball": 32, "box": 4}[kind]
    angles = np.arange(count) * 2 * np.pi / count + np.pi / 4
    reach = np.where(np.arange(count) % 2, 0.42, 1.0) if kind == "star" else np.ones(count)
    corners = np.stack([np.cos(angles), np.sin(angles)], 1) * reach[:, None] * radius
    return np.round(corners + np.array([x, y])).astype(np.int32)


def drawn_image(number: int, size: int) -> tuple[Uint8Array, list[tuple[str, BoolArray]]]:
    """uint8[size,size,3] RGB of a star, or of none, and two other shapes; and what is in it."""
    rng = np.random.default_rng(number)
    image = np.full((size, size, 3), rng.integers(90, 170), np.uint8)
    kinds = ["star" if number % 4 else "ball", "ball", "box"]
    corners = rng.permutation(4)[:3]
    masks: dict[str, BoolArray] = {}
    for kind, corner in zip(kinds, corners, strict=True):
        middle = size // 4 + size // 2 * np.array([corner % 2, corner // 2])
        x, y = (middle + rng.integers(-size // 16, size // 16, 2)).tolist()
        colour = str(rng.choice(list(COLOURS)))
        points = outline(kind, x, y, int(rng.integers(size // 7, size // 5)))
        cv2.fillPoly(image, [points], COLOURS[colour])
        mask = np.zeros((size, size), np.uint8)
        cv2.fillPoly(mask, [points], 1)
        for name in (kind, f"{colour} {kind}"):
            masks[name] = masks.get(name, np.zeros((size, size), bool)) | (mask > 0)
    noise = rng.integers(-12, 12, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), list(masks.items())


@dataclass(frozen=True)
class DrawnShapes:
    """Batches of `images` out of `count` images, all asked for all phrases."""

    phrases: Sequence[str] = PHRASES
    size: int = 64
    images: int = 2
    count: int = 10
    first: int = 0

    def batch(self, step: int) -> Batch:
        rng = np.random.default_rng(step)
        chosen = self.first + rng.permutation(self.count)[: self.images]
        drawn = [drawn_image(int(number), self.size) for number in chosen]
        known = [dict(masks) for _, masks in drawn]
        nothing = np.zeros((self.size, self.size), bool)
        masks = np.stack([some.get(p, nothing) for some in known for p in self.phrases])
        pixels = torch.from_numpy(np.stack([image for image, _ in drawn]))
        return asked(
            pixels.permute(0, 3, 1, 2).float() / 255,
            tuple(self.phrases) * len(drawn),
            torch.arange(len(drawn)).repeat_interleave(len(self.phrases)),
            torch.from_numpy(masks),
        )

    def all(self) -> list[Batch]:
        """One batch of all images there are."""
        whole = DrawnShapes(self.phrases, self.size, self.count, self.count, self.first)
        return [whole.batch(0)]


@dataclass(frozen=True)
class DrawnCrops:
    """Batches of single shapes that fill the image, asked for their names and for another."""

    size: int = 16
    count: int = 4

    def batch(self, step: int) -> Batch:
        rng = np.random.default_rng([step, 1])
        pixels, prompts, masks = [], [], []
        for _ in range(self.count):
            kind, colour = str(rng.choice(KINDS)), str(rng.choice(list(COLOURS)))
            image = np.full((self.size, self.size, 3), rng.integers(90, 170), np.uint8)
            mask = np.zeros((self.size, self.size), np.uint8)
            points = outline(kind, self.size // 2, self.size // 2, self.size * 2 // 5)
            cv2.fillPoly(image, [points], COLOURS[colour])
            cv2.fillPoly(mask, [points], 1)
            pixels.append(image)
            prompts += [kind, f"{colour} {kind}", next(k for k in KINDS if k != kind)]
            masks += [mask, mask, np.zeros_like(mask)]
        return asked(
            torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255,
            prompts,
            torch.arange(self.count).repeat_interleave(3),
            torch.from_numpy(np.stack(masks)) > 0,
        )
