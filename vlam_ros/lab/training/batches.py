"""What one training step sees: crops, scenes with prompts, and sentences, drawn and augmented.

Every draw comes from a generator seeded with (seed, step), so that a resumed run sees what an
unbroken one would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional

from vlam_ros.lab.simulation.scene import SHAPES
from vlam_ros.lab.training.captions import (
    ALL_PAIRS,
    COLOUR_NAMES,
    FLOOR_PHRASE,
    PLACEHOLDERS,
    SKILL_PATTERNS,
    TRAINED_PAIRS,
    framed,
    pseudo_word,
    unknown_sentence,
    varied_sentence,
)
from vlam_ros.lab.training.scenes import SceneData

# Rows of the text batch: trained pairs, the floor, nouns, colours, phrases that mean nothing.
PAIRS = len(TRAINED_PAIRS)
FLOOR = PAIRS
NOUNS = PAIRS + 1
COLOURS = NOUNS + len(SHAPES)
NONSENSE = COLOURS + len(COLOUR_NAMES)
NONSENSE_COUNT = 8
PAIR_ROW = {(COLOUR_NAMES.index(c), SHAPES.index(s)): i for i, (c, s) in enumerate(TRAINED_PAIRS)}
IGNORE = -100
VOCABULARIES = {
    "pairs": slice(0, NOUNS),
    "nouns": slice(NOUNS, COLOURS),
    "colours": slice(COLOURS, NONSENSE),
}
"""The rows that are alternatives to each other: the floor is one of the pairs."""


def phrases(rng: Generator) -> list[str]:
    """The step's object phrases, in the order of the row constants above."""
    named = named_phrases([str(rng.choice(PLACEHOLDERS)) for _ in COLOUR_NAMES])
    nonsense = [
        pseudo_word(rng) if rng.random() < 0.5 else f"{rng.choice(COLOUR_NAMES)} {pseudo_word(rng)}"
        for _ in range(NONSENSE_COUNT)
    ]
    return framed([*named, *nonsense], rng)


def named_phrases(placeholders: Sequence[str]) -> list[str]:
    """The phrases that mean something, in the same order; of each colour with its placeholder."""
    colours = [f"{c} {noun}" for c, noun in zip(COLOUR_NAMES, placeholders, strict=True)]
    return [*(f"{c} {s}" for c, s in TRAINED_PAIRS), FLOOR_PHRASE, *SHAPES, *colours]


def sentences(rng: Generator, count: int) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Instructions and their skill index; −1 for those that mean no skill."""
    skills = list(SKILL_PATTERNS)
    labels = rng.integers(-1, len(skills), count)
    texts = [unknown_sentence(rng) if i < 0 else varied_sentence(rng, skills[i]) for i in labels]
    return texts, labels


def all_phrases() -> list[str]:
    """What the pipeline asks for: every pair, trained or not, every noun and every colour."""
    pairs = [f"{colour} {shape}" for colour, shape in ALL_PAIRS]
    return [*pairs, *SHAPES, *(f"{c} {p}" for c in COLOUR_NAMES for p in PLACEHOLDERS)]


def draw_crops(
    data: SceneData, rng: Generator, count: int, size: int
) -> tuple[Tensor, Tensor, npt.NDArray[np.int64]]:
    """Augmented crops float[B,3,S,S] in 0..1, their labels int64[B,S,S], and the (colour, shape) of
    the object in the middle.

    They are cut as loosely as the second look cuts around masks that cover half an object, or half
    of its neighbour as well.
    """
    rows = rng.integers(0, len(data.crops), count)
    zoom = rng.uniform(0.55, 1.0, count)
    shift = rng.uniform(-1, 1, (2, count)) * np.minimum(1 - zoom, 0.25)
    images, labels = _augment(data.crops[rows], data.crop_labels[rows], rng, zoom, shift, size)
    return images, labels, data.crop_pairs[rows]


def draw_scenes(
    data: SceneData, rng: Generator, count: int, window: int
) -> tuple[Tensor, Tensor, npt.NDArray[np.int64]]:
    """The same of squares of `window` pixels, each with an object, and all pairs of a scene."""
    rows = rng.integers(0, len(data.images), count)
    labels, size = data.labels[rows], data.images.shape[1]
    whole = window == size
    zoom = rng.uniform(0.6, 1.0, count) if whole else window / size * rng.uniform(0.8, 1.1, count)
    if whole:
        zoom = np.where(rng.random(count) < 0.5, 1.0, zoom)
    points = np.array([object_point(label, rng) for label in labels]).T
    centre = points + rng.uniform(-0.8, 0.8, (2, count)) * zoom
    shift = np.clip(centre, zoom - 1, 1 - zoom)
    images, marks = _augment(data.images[rows], labels, rng, zoom, shift, window)
    return images, marks, data.pairs[rows]


def object_point(labels: npt.NDArray[Any], rng: Generator) -> tuple[float, float]:
    """A random pixel (x, y) of any object, in −1..1; the middle when there is none."""
    pixels = np.flatnonzero(labels)
    if not len(pixels):
        return 0.0, 0.0
    y, x = divmod(int(rng.choice(pixels)), labels.shape[1])
    return 2 * (x + 0.5) / labels.shape[1] - 1, 2 * (y + 0.5) / labels.shape[0] - 1


def _augment(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    rng: Generator,
    zoom: npt.NDArray[np.float64],
    shift: npt.NDArray[np.float64],
    size: int,
) -> tuple[Tensor, Tensor]:
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    marks = torch.from_numpy(labels).float()[:, None]
    pixels, marks = augmented(pixels, marks, rng, zoom, shift, size)
    return pixels, marks[:, 0].long()


def augmented(
    pixels: Tensor,
    marks: Tensor,
    rng: Generator,
    zoom: npt.NDArray[np.float64],
    shift: npt.NDArray[np.float64],
    size: int,
) -> tuple[Tensor, Tensor]:
    """Cut windows, mirror, and vary brightness, contrast and noise; colours keep their hue.

    Args:
        pixels: float[B,3,H,W] in 0..1.
        marks: float[B,K,H,W], cut and mirrored alike; each keeps its values.
        zoom: float64[B], sides of the windows, relative to the images'.
        shift: float64[2,B], x and y of their middles, in -1..1.
        size: of the windows that come out, in pixels.
    """
    count = len(pixels)
    mirror = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    theta = np.zeros((count, 2, 3))
    theta[:, 0, 0], theta[:, 1, 1] = zoom * mirror, zoom
    theta[:, 0, 2], theta[:, 1, 2] = shift
    pixels, marks = windows(pixels, marks, torch.from_numpy(theta).float(), size)
    return relit(pixels, rng), marks


def windows(pixels: Tensor, marks: Tensor, theta: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Windows of images and marks, by affine maps float[B,2,3] to -1..1; else as `augmented`."""
    grid = functional.affine_grid(theta, [len(pixels), 1, size, size], align_corners=False)
    return (
        functional.grid_sample(pixels, grid, "bilinear", "border", align_corners=False),
        functional.grid_sample(marks, grid, "nearest", "border", align_corners=False),
    )


def relit(pixels: Tensor, rng: Generator) -> Tensor:
    """Vary brightness, contrast and noise of images float[B,3,H,W] in 0..1."""
    shape = (len(pixels), 1, 1, 1)
    brightness = torch.from_numpy(rng.uniform(0.8, 1.2, shape)).float()
    contrast = torch.from_numpy(rng.uniform(0.85, 1.15, shape)).float()
    noise = torch.from_numpy(rng.standard_normal(pixels.shape, np.float32))
    level = torch.from_numpy(rng.uniform(0, 0.03, shape)).float()
    pixels = ((pixels - 0.5) * contrast + 0.5) * brightness + noise * level
    return pixels.clamp(0, 1)


def true_rows(colour: int, shape: int) -> list[int]:
    """The rows that are true of an object: its pair, its noun and its colour; none of -1, -1."""
    return [] if colour < 0 else [PAIR_ROW[colour, shape], NOUNS + shape, COLOURS + colour]


def crop_targets(pairs: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """(positives bool[B,NONSENSE], rows int64[B]) of crops: the pair, its noun and its colour."""
    true = [true_rows(*pair) or [FLOOR] for pair in pairs.tolist()]
    positives = torch.zeros(len(pairs), NONSENSE, dtype=torch.bool)
    for i, rows in enumerate(true):
        positives[i, rows] = True
    return positives, torch.tensor([rows[0] for rows in true])


def crop_masks(labels: Tensor, positives: Tensor, which: Tensor, rows: Tensor) -> Tensor:
    """bool[P,S,S]: the object in the middle (label 1) of crop `which[p]` if `rows[p]` names it."""
    named = positives[which, rows.clamp(max=NONSENSE - 1)] & (rows < NONSENSE)
    return (labels[which] == 1) & named[:, None, None]


def scene_targets(labels: Tensor, pairs: npt.NDArray[np.int64], visible: int = 20) -> Tensor:
    """bool[B,NONSENSE] of scenes: the pairs, nouns and colours of objects that can be seen."""
    positives = torch.zeros(len(pairs), NONSENSE, dtype=torch.bool)
    for i in range(len(pairs)):
        counts = torch.bincount(labels[i].flatten(), minlength=14)
        for j, pair in enumerate(pairs[i].tolist()):
            if counts[j + 1] >= visible:
                positives[i, true_rows(*pair)] = True
    return positives


def patch_labels(labels: Tensor, rows: Tensor, patch: int) -> Tensor:
    """Which text row each patch shows, int64[B,N]: FLOOR if nearly free of objects.

    Of labels int64[B,S,S] 0 is floor, k the object whose text row is `rows[b, k]`, IGNORE for what
    has no name.
    """
    side = labels.shape[1] // patch
    cells = labels.unflatten(2, (side, patch)).unflatten(1, (side, patch)).transpose(2, 3)
    cells = cells.flatten(3).flatten(1, 2)
    majority = cells.mode(-1).values
    share = (cells == majority[..., None]).float().mean(-1)
    named = torch.gather(rows, 1, majority)
    floor = (cells == 0).float().mean(-1) > 0.95
    named = torch.where(majority == 0, IGNORE, named)
    return torch.where(floor, FLOOR, torch.where(share > 0.5, named, IGNORE))


def object_rows(pairs: npt.NDArray[np.int64]) -> Tensor:
    """int64[B,1+MAX]: the text row of each label of a scene (label 0, the floor, first)."""
    named = [[(true_rows(*pair) or [IGNORE])[0] for pair in scene] for scene in pairs.tolist()]
    return torch.tensor([[FLOOR, *rows] for rows in named])


def draw_prompts(
    positives: Tensor, rng: Generator, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(image, text row) int64[P] of prompts: half are there, most others are nearly."""
    images, rows = [], []
    for i, present in enumerate(positives.numpy()):
        there = np.flatnonzero(present[:PAIRS])
        general = np.flatnonzero(present[NOUNS:NONSENSE]) + NOUNS
        for k in range(count):
            if k < count // 2 and len(there):
                pool = general if rng.random() < 0.25 else there
                row = int(rng.choice(pool))
            else:
                row = _absent(present, there, rng)
            images.append(i)
            rows.append(row)
    return np.array(images), np.array(rows)


def _absent(present: npt.NDArray[np.bool_], there: npt.NDArray[np.int64], rng: Generator) -> int:
    kind = rng.random()
    if kind > 0.9:
        return NONSENSE + int(rng.integers(NONSENSE_COUNT))
    if kind > 0.8:
        pool = np.flatnonzero(~present[NOUNS:NONSENSE]) + NOUNS
        return int(rng.choice(pool)) if len(pool) else NONSENSE
    candidates = np.flatnonzero(~present[:PAIRS])
    if len(there) and kind < 0.7:
        like = TRAINED_PAIRS[int(rng.choice(there))]
        aspect = 0 if kind < 0.45 else 1
        similar = [r for r in candidates if TRAINED_PAIRS[r][aspect] == like[aspect]]
        candidates = np.array(similar) if similar else candidates
    return int(rng.choice(candidates))


def prompt_masks(
    labels: Tensor,
    pairs: npt.NDArray[np.int64],
    images: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
) -> Tensor:
    """bool[P,S,S]: the pixels of the objects that each prompt names."""
    true = [[true_rows(*pair) for pair in scene] for scene in pairs.tolist()]
    named = [
        [False, *(row in own for own in true[image])]
        for image, row in zip(images, rows, strict=True)
    ]
    wanted = torch.tensor(named)[:, :, None].expand(-1, -1, labels.shape[2])
    return torch.gather(wanted, 1, labels[torch.from_numpy(images)])
