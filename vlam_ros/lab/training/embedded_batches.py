"""The batches of the embedded model's training: what a step of the recipe sees, as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from vlam_ros.lab.training import batches
from vlam_ros.lab.training.captions import all_phrases
from vlam_ros.lab.training.recipe import Recipe
from vlam_ros.lab.training.scenes import SceneData

SENTENCES, SENTENCES_ALONE = 48, 160
"""Instructions in a step, beside images and without."""

Drawn = tuple[Tensor, Tensor, batches.Things]
"""Images, labels and things."""


@dataclass(frozen=True)
class PromptedImages:
    """Crops or scenes, and what is asked of them. R counts the step's text rows.

    Attributes:
        images: float[B,3,S,S] in 0..1.
        labels: int64[B,S,S], which thing of its image each pixel is of; 0 is none.
        truth: int8[B,R], what is true (1), undecided (0) and false (-1) of each image.
        named: int8[B,K,R], the same of each label.
        which: int64[P], the image that a prompt is asked of.
        asked: int64[P], the text row of the prompt.
        masks: bool[P,S,S], the answers.
        judged: bool[P,S,S], the pixels where an answer is known.
    """

    images: Tensor
    labels: Tensor
    truth: Tensor
    named: Tensor
    which: Tensor
    asked: Tensor
    masks: Tensor
    judged: Tensor


@dataclass(frozen=True)
class EmbeddedBatch:
    """What a step sees: phrases of its text rows (`vocabularies` are those that are alternatives,
    from `nonsense` on they mean nothing), instructions with their skills (int64[N], -1 for none),
    and crops and scenes as far as its stage has them.
    """

    phrases: tuple[str, ...]
    vocabularies: Mapping[str, slice]
    nonsense: int
    sentences: tuple[str, ...]
    skills: Tensor
    crops: PromptedImages | None
    scenes: PromptedImages | None


@dataclass(frozen=True)
class EmbeddedBatches:
    """The batches of a recipe's stages: a function of its seed and the step."""

    recipe: Recipe
    data: SceneData

    def batch(self, step: int) -> EmbeddedBatch:
        stage = self.recipe.stage_at(step)
        rng = np.random.default_rng([self.recipe.seed, step])
        if not stage.shows:
            texts, skills = batches.sentences(rng, SENTENCES_ALONE)
            # What nothing asks for drifts, and takes its masks along.
            rows = batches.text_rows(rng, np.empty((0, 2), np.int16))
            phrases = (*all_phrases(), *rows.phrases(rng))
            return EmbeddedBatch(phrases, {}, 0, tuple(texts), torch.from_numpy(skills), None, None)
        size = self.recipe.model.crop_size
        crops = batches.draw_crops(self.data, rng, stage.crops, size) if stage.crops else None
        scenes = (
            batches.draw_scenes(self.data, rng, stage.scenes, stage.window)
            if stage.scenes
            else None
        )
        things = [drawn[2].reshape(-1, 2) for drawn in (crops, scenes) if drawn]
        rows = batches.text_rows(rng, np.concatenate(things))
        texts, skills = batches.sentences(rng, SENTENCES)
        return EmbeddedBatch(
            tuple(rows.phrases(rng)),
            rows.vocabularies,
            rows.nonsense,
            tuple(texts),
            torch.from_numpy(skills),
            _crops(crops, rows, rng) if crops else None,
            _scenes(scenes, rows, rng, stage.prompts) if scenes else None,
        )


def _crops(drawn: Drawn, rows: batches.TextRows, rng: Generator) -> PromptedImages:
    images, labels, things = drawn
    named = torch.from_numpy(rows.truth(batches.crop_things(things)))
    # The thing in the middle decides: whatever a neighbour is, its pixels are not judged.
    return _prompted(images, labels, named, named[:, 1], rows, rng, 2)


def _scenes(drawn: Drawn, rows: batches.TextRows, rng: Generator, prompts: int) -> PromptedImages:
    images, labels, things = drawn
    named = torch.from_numpy(rows.truth(batches.scene_things(things)))
    return _prompted(images, labels, named, batches.seen_truth(labels, named), rows, rng, prompts)


def _prompted(
    images: Tensor,
    labels: Tensor,
    named: Tensor,
    truth: Tensor,
    rows: batches.TextRows,
    rng: Generator,
    count: int,
) -> PromptedImages:
    which, asked = map(torch.from_numpy, batches.draw_prompts(truth.numpy(), rows, rng, count))
    masks, judged = batches.prompt_masks(labels, named, which, asked)
    return PromptedImages(images, labels, truth, named, which, asked, masks, judged)
