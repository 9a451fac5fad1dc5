"""`vlam train embedded`: from nothing, or from an earlier checkpoint, to a small CLIPSeg."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import nn

from vlam_ros.errors import LearningError
from vlam_ros.lab.simulation.scene import COLOURS, SHAPES
from vlam_ros.lab.training.balancing import UncertaintyWeighting
from vlam_ros.lab.training.captions import PLACEHOLDERS, taught_sentences
from vlam_ros.lab.training.embedded_batches import EmbeddedBatches
from vlam_ros.lab.training.embedded_losses import EmbeddedLosses, term_weights
from vlam_ros.lab.training.fit import Fit, FitSettings
from vlam_ros.lab.training.recipe import (
    Recipe,
    build_model,
    build_processor,
    build_tokenizer,
    provisional,
    save_model,
)
from vlam_ros.lab.training.scenes import SceneData, load_split, render_split
from vlam_ros.perception.clipseg import Checkpoint, load_checkpoint
from vlam_ros.perception.clipseg.adapters.attach import fingerprint, forward_settings

SAVE_EVERY = 100
"""Steps between two states that a stopped run can go on from."""


def train_embedded(
    recipe_path: Path, cache: Path, out: Path, threads: int, start: str = ""
) -> None:
    """Render what is missing, train or resume, and write a Hugging Face folder.

    Args:
        recipe_path: the recipe, config/embedded.yaml for the shipped checkpoint.
        cache: folder of the rendered scenes and of the state of training, both reused.
        out: folder of the checkpoint; its calibration is provisional until `vlam calibrate`.
        start: the checkpoint to begin with, "embedded" or a folder; made by a recipe with the same
            model. Empty to begin from nothing.

    Raises:
        ConfigurationError: the recipe cannot be read.
        ModelError: the checkpoint to begin with cannot be loaded.
        LearningError: as for `fit_embedded`.
    """
    torch.set_num_threads(threads)
    recipe = Recipe.load(recipe_path)
    begun = load_checkpoint(start, "cpu", "float32") if start else None
    render_split(cache, "train", recipe.scenes, recipe.model.image_size)
    data = load_split(cache, "train", recipe.scenes, recipe.model.image_size)
    task, fit = fit_embedded(recipe, data, cache / f"run-{recipe.digest}", begun)
    fit.run()
    export(recipe, task, out)


def fit_embedded(
    recipe: Recipe, data: SceneData, folder: Path, start: Checkpoint | None = None
) -> tuple[EmbeddedLosses, Fit]:
    """The model of a recipe with its losses, and the run that trains it, to its end or on.

    Weights and tokenizer are those of `start`, a checkpoint in float32, if it is given; heads that
    only training needs begin anew.

    Raises:
        LearningError: the folder has a state of another recipe or start, or a damaged one, or the
            start is another model than the recipe's.
    """
    tokenizer = start.tokenizer if start else build_tokenizer(recipe)
    model = build_model(recipe, tokenizer)
    about = f"recipe {recipe.digest}"
    if start:
        _begin_with(model, start)
        about += f" from {fingerprint(start.model, 'float32')[:12]}"
    task = EmbeddedLosses(model, tokenizer, recipe.terms)
    weights = term_weights(recipe.loss_weights)
    settings = FitSettings(
        steps=recipe.steps,
        rate=recipe.rates,
        warmup=recipe.warmup,
        weight_decay=recipe.weight_decay,
        average=recipe.average,
        save_every=SAVE_EVERY,
        seed=recipe.seed,
        device="cpu",
        dtype=recipe.dtype,
    )
    fit = Fit(
        task,
        EmbeddedBatches(recipe, data),
        UncertaintyWeighting(list(weights)) if recipe.balance == "uncertainty" else weights,
        settings,
        folder,
        about=about,
    )
    task.known = fit.averages()
    return task, fit


def _begin_with(model: nn.Module, start: Checkpoint) -> None:
    ours, theirs = (
        {name: list(value.shape) for name, value in each.state_dict().items()}
        | forward_settings(each)
        for each in (model, start.model)
    )
    for name in sorted(ours.keys() | theirs.keys()):
        own, other = ours.get(name), theirs.get(name)
        if own != other:
            raise LearningError(
                f"{start.name} is another model than the recipe's: {name} is {other}, not {own}"
            )
    model.load_state_dict(start.model.state_dict())


def export(recipe: Recipe, task: EmbeddedLosses, out: Path) -> None:
    """Write weights (float16, also in the task then), tokenizer, provisional calibration."""
    model = task.model.half()
    save_model(model, build_processor(recipe, task.tokenizer), out)
    # CLIP's own two files, for readers that do not know tokenizer.json.
    task.tokenizer.backend_tokenizer.model.save(str(out))
    words = [*COLOURS, *SHAPES, *PLACEHOLDERS]
    command = "vlam train embedded"
    known = provisional(model, recipe.model.crop_size, words, command, margin=0.0)
    dataclasses.replace(known, skills=taught_sentences()).save(out)
