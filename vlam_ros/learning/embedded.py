"""`vlam train embedded`: from nothing to the checkpoint in vlam_ros/models/embedded."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import CLIPSegProcessor, ViTImageProcessor

from vlam_ros.learning.captions import PLACEHOLDERS
from vlam_ros.learning.recipe import Recipe
from vlam_ros.learning.scenes import load_split, render_split
from vlam_ros.learning.trainer import MEAN, SKILL_TEMPERATURE, STD, Trainer
from vlam_ros.models import Calibration
from vlam_ros.simulation import COLOURS, SHAPES


def train_embedded(recipe_path: Path, cache: Path, out: Path, threads: int) -> None:
    """Render what is missing, train or resume, and write a Hugging Face folder.

    Args:
        recipe_path: the recipe, config/embedded.yaml for the shipped checkpoint.
        cache: folder of the rendered scenes and of the state of training, both reused.
        out: folder of the checkpoint; its calibration is provisional until `vlam calibrate`.
        threads: processor cores to use.

    Raises:
        ConfigurationError: the recipe cannot be read.
    """
    torch.set_num_threads(threads)
    recipe = Recipe.load(recipe_path)
    render_split(cache, "train", recipe.scenes, recipe.model.image_size)
    data = load_split(cache, "train", recipe.scenes)
    trainer = Trainer(recipe, data, cache / "run")
    trainer.run()
    export(trainer, out)


def export(trainer: Trainer, out: Path) -> None:
    """Write the averaged weights, tokenizer, processor and a provisional calibration."""
    recipe, model, tokenizer = trainer.recipe, trainer.average, trainer.tokenizer
    model.half().save_pretrained(out)
    size = recipe.model.image_size
    images = ViTImageProcessor(
        size={"height": size, "width": size}, image_mean=list(MEAN), image_std=list(STD)
    )
    # What the last training batch asked for is nobody else's business.
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    CLIPSegProcessor(images, tokenizer).save_pretrained(out)
    # CLIP's own two files, for readers that do not know tokenizer.json.
    tokenizer.backend_tokenizer.model.save(str(out))
    words = [*COLOURS, *SHAPES, *PLACEHOLDERS]
    Calibration(
        mask_threshold=0.5,
        tolerance=0.0,
        crop_threshold=1.0,  # nothing is believed before `vlam calibrate` has chosen a threshold
        crop_rejection=0.0,
        margin=0.0,
        crop_size=recipe.model.crop_size,
        crop_temperature=round(model.clip.logit_scale.detach().exp().item(), 2),
        skill_threshold=1.0,
        skill_temperature=round(1 / SKILL_TEMPERATURE, 2),
        vocabulary=tuple(words),
        made_with="vlam train embedded; provisional",
    ).save(out)
