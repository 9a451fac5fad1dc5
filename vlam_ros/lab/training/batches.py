"""What one training step sees: crops, scenes with prompts, and sentences, drawn and augmented.

Every draw comes from a generator seeded with (seed, step), so that a resumed run sees what an
unbroken one would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional

from vlam_ros.lab.generators.vocabulary import NO_THING, NO_WORD, UNDECIDED_WORD, vocabulary
from vlam_ros.lab.training.captions import (
    FLOOR_PHRASE,
    HELD_OUT_INDICES,
    SKILL_PATTERNS,
    framed,
    pseudo_word,
    spoken,
    unknown_sentence,
    varied_sentence,
)
from vlam_ros.lab.training.scenes import SceneData

PAIRS, OWN = 128, 80
"""Pairs of a colour and a noun among a step's text rows, and how many of them may be of its own
things.
"""
NONSENSE = 8
"""Text rows that mean nothing."""
IGNORE = -100
VISIBLE = 20
"""Pixels from which a thing counts as seen."""

Things = npt.NDArray[np.int16]
"""(colour, noun) indices of the vocabulary, [...,2]."""


@dataclass(frozen=True)
class TextRows:
    """What the text rows of a step say: `pairs` int64[P,2] of (colour, noun), the floor, then the
    `nouns`, then the `colours` (indices of the vocabulary), and NONSENSE rows of nothing.
    """

    pairs: npt.NDArray[np.int64]
    nouns: npt.NDArray[np.int64]
    colours: npt.NDArray[np.int64]

    @property
    def floor(self) -> int:
        return len(self.pairs)

    @property
    def nonsense(self) -> int:
        """The first row that means nothing."""
        return self.floor + 1 + len(self.nouns) + len(self.colours)

    @property
    def vocabularies(self) -> dict[str, slice]:
        """The rows that are alternatives to each other: the floor is one of the pairs."""
        nouns = self.floor + 1
        colours = nouns + len(self.nouns)
        return {
            "pairs": slice(0, nouns),
            "nouns": slice(nouns, colours),
            "colours": slice(colours, self.nonsense),
        }

    @cached_property
    def _said(self) -> npt.NDArray[np.int64]:
        """(colour, noun) of the rows that name a thing, int64[R,2], NO_WORD where one is not said.

        In place of the floor stands the row of a thing of no name.
        """
        none = np.full(len(self.nouns), NO_WORD)
        nouns = np.stack([none, self.nouns], 1)
        colours = np.stack([self.colours, np.full(len(self.colours), NO_WORD)], 1)
        return np.concatenate([self.pairs, [[NO_WORD, NO_WORD]], nouns, colours])

    def phrases(self, rng: Generator) -> list[str]:
        """One of the ways to say each row."""
        rows = [spoken(rng, int(colour), int(noun)) for colour, noun in self._said]
        rows[self.floor] = FLOOR_PHRASE
        colours = vocabulary().colour_names
        nonsense = [
            pseudo_word(rng) if rng.random() < 0.5 else f"{rng.choice(colours)} {pseudo_word(rng)}"
            for _ in range(NONSENSE)
        ]
        return framed([*rows, *nonsense], rng)

    def truth(self, things: Things) -> npt.NDArray[np.int8]:
        """int8[...,R+NONSENSE] of things [...,2]: 1 for what is true of each, -1 for what is false,
        0 for what is undecided; of NO_THING only the floor is true.
        """
        words, said = vocabulary(), self._said
        nothing = things[..., 0] == NO_THING
        known = np.where(nothing[..., None], NO_WORD, things)
        colour = _of(words.colour_truth, known[..., 0], said[:, 0])
        noun = _of(words.noun_truth, known[..., 1], said[:, 1])
        truth = np.minimum(colour, noun)
        truth[nothing] = -1
        truth[..., self.floor] = np.where(nothing, 1, -1)
        meaningless = np.full((*truth.shape[:-1], NONSENSE), -1, np.int8)
        return np.concatenate([truth, meaningless], -1)


def _of(
    truth: npt.NDArray[np.int8], things: Things, said: npt.NDArray[np.int64]
) -> npt.NDArray[np.int8]:
    """int8[...,R]; what is not said is true of everything."""
    found = truth[things][..., np.maximum(said, 0)]
    return np.where(said == NO_WORD, np.int8(1), found)


def text_rows(rng: Generator, things: Things) -> TextRows:
    """Rows for a step with these things [N,2]: their pairs and pairs nearly like them, all nouns
    and all colours.
    """
    words = vocabulary()
    own = [(c, n) for c, n in np.unique(things, axis=0).tolist() if c >= 0 and n >= 0]
    own = [own[i] for i in rng.permutation(len(own))][:OWN]
    pairs = dict.fromkeys(pair for pair in own if pair not in HELD_OUT_INDICES)
    colours, nouns = len(words.colours), len(words.nouns)
    while len(pairs) < min(PAIRS, colours * nouns - len(HELD_OUT_INDICES)):
        pair = (int(rng.integers(colours)), int(rng.integers(nouns)))
        if own and rng.random() < 0.8:
            like = own[int(rng.integers(len(own)))]
            pair = (like[0], pair[1]) if rng.random() < 0.6 else (pair[0], like[1])
        if pair not in HELD_OUT_INDICES:
            pairs[pair] = None
    return TextRows(np.array(list(pairs)), np.arange(nouns), np.arange(colours))


def sentences(rng: Generator, count: int) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Instructions and their skill index; −1 for those that mean no skill."""
    skills = list(SKILL_PATTERNS)
    labels = rng.integers(-1, len(skills), count)
    texts = [
        unknown_sentence(rng) if i < 0 else varied_sentence(rng, skills[i], wide=True)
        for i in labels
    ]
    return texts, labels


def draw_crops(
    data: SceneData, rng: Generator, count: int, size: int
) -> tuple[Tensor, Tensor, Things]:
    """Augmented crops float[B,3,S,S] in 0..1, their labels int64[B,S,S], and the thing in the
    middle [B,2].

    They are cut as loosely as the second look cuts around masks that cover half an object, or half
    of its neighbour as well.
    """
    rows = rng.integers(0, len(data.crops), count)
    zoom = rng.uniform(0.55, 1.0, count)
    shift = rng.uniform(-1, 1, (2, count)) * np.minimum(1 - zoom, 0.25)
    images, labels = _augment(data.crops[rows], data.crop_labels[rows], rng, zoom, shift, size)
    return images, labels, data.crop_things[rows]


def draw_scenes(
    data: SceneData, rng: Generator, count: int, window: int
) -> tuple[Tensor, Tensor, Things]:
    """The same of squares of `window` pixels, each with an object, and all things of a scene
    [B,MAX,2].
    """
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
    return images, marks, data.things[rows]


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


def crop_things(things: Things) -> Things:
    """[B,3,2]: what each label of a crop is: no thing, the one in the middle, and others, of which
    nothing is known.
    """
    nothing, others = (np.full_like(things, word) for word in (NO_THING, UNDECIDED_WORD))
    return np.stack([nothing, things, others], 1)


def scene_things(things: Things) -> Things:
    """[B,1+MAX,2]: what each label of a scene is; the first is no thing."""
    return np.concatenate([np.full_like(things[:, :1], NO_THING), things], 1)


def seen_truth(labels: Tensor, truth: Tensor, visible: int = VISIBLE) -> Tensor:
    """int8[B,R] of images with labels int64[B,S,S] whose truth is int8[B,K,R]: true where it is of
    a thing that is seen, undecided where it may be; where none is seen, what is true of no thing.
    A thing of fewer than `visible` pixels is neither there nor not.
    """
    kinds = truth.shape[1]
    counts = torch.stack([torch.bincount(each.flatten(), minlength=kinds) for each in labels])
    counts[:, 0] = 0
    seen, hidden = ((counts >= visible)[..., None], ((counts > 0) & (counts < visible))[..., None])
    things = torch.where(seen, truth, torch.where(hidden, truth.clamp(max=0), -1)).amax(1)
    return torch.where(seen.any(1), things, torch.maximum(things, truth[:, 0]))


def patch_labels(labels: Tensor, truth: Tensor, patch: int) -> tuple[Tensor, Tensor]:
    """Which text row each patch shows, int64[B,N], IGNORE where none; and bool[B,N,R], the other
    rows that are not false of it.

    Of labels int64[B,S,S] 0 is no thing; `truth` int8[B,K,R] is of each label. A patch shows no
    thing if it is nearly free of things, and a thing that covers more than half of it; the first
    row that is true is meant.
    """
    side = labels.shape[1] // patch
    cells = labels.unflatten(2, (side, patch)).unflatten(1, (side, patch)).transpose(2, 3)
    cells = cells.flatten(3).flatten(1, 2)
    majority = cells.mode(-1).values
    share = (cells == majority[..., None]).float().mean(-1)
    clear = share > torch.where(majority == 0, 0.95, 0.5)
    true = truth == 1
    first = true.int().argmax(-1)
    target = torch.where(true.any(-1), first, IGNORE)
    others = (truth >= 0) & (functional.one_hot(first, truth.shape[-1]) == 0)
    named = torch.where(clear, target.gather(1, majority), IGNORE)
    rows = majority[..., None].expand(-1, -1, truth.shape[-1])
    return named, others.gather(1, rows)


def draw_prompts(
    truth: npt.NDArray[np.int8], rows: TextRows, rng: Generator, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(image, text row) int64[P] of prompts of images whose truth is int8[B,R]: half are there,
    most others are nearly; none is undecided.
    """
    images, asked = [], []
    named = np.arange(truth.shape[1]) < rows.nonsense
    for i, each in enumerate(truth):
        pairs = np.flatnonzero((each == 1)[: rows.floor])
        general = rows.floor + 1 + np.flatnonzero((each == 1)[rows.floor + 1 : rows.nonsense])
        absent = np.flatnonzero((each == -1) & named)
        for k in range(count):
            images.append(i)
            pool = pairs if len(pairs) and (rng.random() >= 0.3 or not len(general)) else general
            there = k < count // 2 and len(pool)
            asked.append(int(rng.choice(pool)) if there else _absent(absent, pairs, rows, rng))
    return np.array(images), np.array(asked)


def _absent(
    absent: npt.NDArray[np.int64], there: npt.NDArray[np.int64], rows: TextRows, rng: Generator
) -> int:
    kind = rng.random()
    if kind > 0.9:
        return rows.nonsense + int(rng.integers(NONSENSE))
    general = absent[absent > rows.floor]
    if kind > 0.75 and len(general):
        return int(rng.choice(general))
    pairs = absent[absent < rows.floor]
    if len(there) and kind < 0.65:
        like = rows.pairs[int(rng.choice(there))]
        aspect = 0 if kind < 0.42 else 1
        similar = pairs[rows.pairs[pairs, aspect] == like[aspect]]
        pairs = similar if len(similar) else pairs
    return int(rng.choice(pairs)) if len(pairs) else rows.nonsense


def prompt_masks(
    labels: Tensor, truth: Tensor, images: Tensor, asked: Tensor
) -> tuple[Tensor, Tensor]:
    """(masks, judged) bool[P,S,S] of prompts: the pixels of what each names, and those of which it
    is known whether it names them; `truth` int8[B,K,R] is of the labels int64[B,S,S].
    """
    answers = truth[images, :, asked]
    pixels = labels[images].flatten(1)
    shown = answers.gather(1, pixels).unflatten(1, labels.shape[1:])
    return shown == 1, shown != 0
