"""The recipe of the embedded checkpoint: its settings, and the untrained model they describe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn
from transformers import (
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegTextConfig,
    CLIPSegVisionConfig,
    CLIPTokenizer,
)

from vlam_ros.errors import ConfigurationError
from vlam_ros.learning.captions import corpus
from vlam_ros.learning.tokenizer import train_tokenizer


@dataclass(frozen=True)
class ModelRecipe:
    """Sizes of the towers and the decoder; lengths in pixels or channels."""

    image_size: int
    crop_size: int
    patch: int
    width: int
    layers: int
    heads: int
    extract_layers: tuple[int, ...]
    text_width: int
    text_layers: int
    text_heads: int
    text_length: int
    vocabulary: int
    projection: int
    decoder_width: int
    decoder_hidden: int
    decoder_heads: int


@dataclass(frozen=True)
class Stage:
    """A part of the curriculum: what a step sees, and the peak learning rate.

    `window` is the side of the squares cut from the scenes, `prompts` the phrases asked of each.
    Without crops and scenes only sentences are trained, and phrases stay where they are.
    """

    name: str
    steps: int
    crops: int
    scenes: int
    window: int
    prompts: int
    rate: float


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what `vlam train embedded` makes.

    `average` is the decay of the moving average of the weights, which is what is kept.
    """

    seed: int
    scenes: int
    model: ModelRecipe
    stages: tuple[Stage, ...]
    warmup: int
    weight_decay: float
    average: float
    loss_weights: dict[str, float]

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read a recipe; ConfigurationError says which entry is wrong."""
        try:
            values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
            model = dict(values.pop("model"))
            model["extract_layers"] = tuple(model["extract_layers"])
            stages = tuple(Stage(**stage) for stage in values.pop("stages"))
            return cls(model=ModelRecipe(**model), stages=stages, **values)
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"{path} is not a training recipe: {error}") from error

    @property
    def steps(self) -> int:
        """Length of the whole curriculum."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> Stage:
        """The stage that a step belongs to."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]


def build_tokenizer(recipe: Recipe) -> CLIPTokenizer:
    """The tokenizer, trained on the captions."""
    rng = np.random.default_rng(recipe.seed)
    return train_tokenizer(corpus(rng), recipe.model.vocabulary, recipe.model.text_length)


def build_model(recipe: Recipe, tokenizer: CLIPTokenizer) -> CLIPSegForImageSegmentation:
    """The untrained CLIPSeg."""
    sizes = recipe.model
    torch.manual_seed(recipe.seed)
    config = CLIPSegConfig(
        vision_config=CLIPSegVisionConfig(
            hidden_size=sizes.width,
            intermediate_size=4 * sizes.width,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            image_size=sizes.image_size,
            patch_size=sizes.patch,
        ).to_dict(),
        text_config=CLIPSegTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=sizes.text_width,
            intermediate_size=4 * sizes.text_width,
            num_hidden_layers=sizes.text_layers,
            num_attention_heads=sizes.text_heads,
            max_position_embeddings=sizes.text_length,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ).to_dict(),
        projection_dim=sizes.projection,
        extract_layers=list(sizes.extract_layers),
        reduce_dim=sizes.decoder_width,
        decoder_intermediate_size=sizes.decoder_hidden,
        decoder_num_attention_heads=sizes.decoder_heads,
    )
    model = CLIPSegForImageSegmentation(config)
    # Hugging Face draws transposed convolutions from N(0, 1): the first loss is near 190 and the
    # decoder dies. Small weights and a bias towards "nothing here" start it where masks are sparse.
    for module in model.decoder.modules():
        if isinstance(module, nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=0.1)
            assert module.bias is not None
            nn.init.constant_(module.bias, -2.0)
    return model
