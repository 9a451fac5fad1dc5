"""The batches of the embedded model's training: what a step of the recipe sees, as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from vlam_ros.lab.training import batches
from vlam_ros.lab.training.recipe import Recipe, Stage
from vlam_ros.lab.training.scenes import SceneData

SENTENCES, SENTENCES_ALONE = 48, 160
"""Instructions in a step, beside images and without."""


@dataclass(frozen=True)
class PromptedImages:
    """Crops or scenes, and what is asked of them.

    Attributes:
        images: float[B,3,S,S] in 0..1.
        labels: int64[B,S,S], which object of its image each pixel is of; 0 is floor.
        positives: bool[B,NONSENSE], the text rows that are true of something in an image.
        named: int64[B,K], the text row of each label.
        which: int64[P], the image that a prompt is asked of.
        asked: int64[P], the text row of the prompt.
        masks: bool[P,S,S], the answers.
        judged: bool[P,S,S], the pixels where an answer is known.
    """

    images: Tensor
    labels: Tensor
    positives: Tensor
    named: Tensor
    which: Tensor
    asked: Tensor
    masks: Tensor
    judged: Tensor


@dataclass(frozen=True)
class EmbeddedBatch:
    """What a step sees: object phrases by the rows of `batches`, instructions with their skills
    (int64[N], -1 for none), and crops and scenes as far as its stage has them.
    """

    phrases: tuple[str, ...]
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
        phrases = batches.phrases(rng) if stage.shows else batches.all_phrases()
        count = SENTENCES if stage.shows else SENTENCES_ALONE
        sentences, skills = batches.sentences(rng, count)
        crops = self._crops(stage, rng) if stage.crops else None
        scenes = self._scenes(stage, rng) if stage.scenes else None
        return EmbeddedBatch(
            tuple(phrases), tuple(sentences), torch.from_numpy(skills), crops, scenes
        )

    def _crops(self, stage: Stage, rng: Generator) -> PromptedImages:
        size = self.recipe.model.crop_size
        images, labels, pairs = batches.draw_crops(self.data, rng, stage.crops, size)
        positives, rows = batches.crop_targets(pairs)
        which, asked = map(torch.from_numpy, batches.draw_prompts(positives, rng, 2))
        floor, unnamed = (torch.full_like(rows, v) for v in (batches.FLOOR, batches.IGNORE))
        return PromptedImages(
            images,
            labels,
            positives,
            torch.stack([floor, rows, unnamed], dim=1),
            which,
            asked,
            batches.crop_masks(labels, positives, which, asked),
            # The object in the middle decides; a neighbour may or may not be another of its kind.
            (labels < 2)[which],
        )

    def _scenes(self, stage: Stage, rng: Generator) -> PromptedImages:
        images, labels, pairs = batches.draw_scenes(self.data, rng, stage.scenes, stage.window)
        positives = batches.scene_targets(labels, pairs)
        which, asked = batches.draw_prompts(positives, rng, stage.prompts)
        masks = batches.prompt_masks(labels, pairs, which, asked)
        return PromptedImages(
            images,
            labels,
            positives,
            batches.object_rows(pairs),
            torch.from_numpy(which),
            torch.from_numpy(asked),
            masks,
            torch.ones_like(masks),
        )
