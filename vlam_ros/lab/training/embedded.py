"""`vlam train embedded`: from nothing, or from an earlier checkpoint, to a small CLIPSeg."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.generators.vocabulary import vocabulary
from vlam_ros.lab.training.balancing import UncertaintyWeighting
from vlam_ros.lab.training.captions import PLACEHOLDERS, taught_sentences
from vlam_ros.lab.training.embedded_batches import EmbeddedBatches
from vlam_ros.lab.training.embedded_losses import EmbeddedLosses, term_weights
from vlam_ros.lab.training.fit import Fit, FitSettings, fastest_dtype
from vlam_ros.lab.training.recipe import (
    MEAN,
    STD,
    Recipe,
    build_model,
    build_processor,
    build_tokenizer,
    provisional,
    save_model,
)
from vlam_ros.lab.training.scenes import SceneData, load_splits, render_split
from vlam_ros.perception.clipseg import Checkpoint, load_checkpoint
from vlam_ros.perception.clipseg.adapters.attach import fingerprint, forward_settings
from vlam_ros.perception.clipseg.model import (
    decode_masks,
    encode_pixels,
    encode_texts,
    normalise,
)

TOKENS = "clip.text_model.embeddings.token_embedding.weight"
OF_TOKENIZER = ("text_config.eos_token_id",)
SPREAD, SATURATED = 2.0, 50.0
"""Standard deviations of a decoder's attention scores: to begin with, and at which it is dead."""
SHOWN = 24
"""Images that tell how far scores are spread."""
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
    size = recipe.model.image_size
    for generator, count in recipe.images.items():
        render_split(cache, generator, "train", count, size, threads)
    data = load_splits(cache, recipe.images, "train", size)
    task, fit = fit_embedded(recipe, data, cache / f"run-{recipe.digest}", begun)
    fit.run()
    export(recipe, task, out)


def fit_embedded(
    recipe: Recipe, data: SceneData, folder: Path, start: Checkpoint | None = None
) -> tuple[EmbeddedLosses, Fit]:
    """The model of a recipe with its losses, and the run that trains it, to its end or on.

    Weights are those of `start`, a checkpoint in float32, if it is given, and so is the tokenizer
    where the recipe keeps its words; heads that only training needs begin anew.

    Raises:
        LearningError: the folder has a state of another recipe or start, or a damaged one, or the
            start is another model than the recipe's.
    """
    kept = start is not None and recipe.words == "kept"
    tokenizer = start.tokenizer if start and kept else build_tokenizer(recipe)
    model = build_model(recipe, tokenizer)
    about = f"recipe {recipe.digest}"
    if start:
        _begin_with(model, tokenizer, start)
        about += f" from {fingerprint(start.model, 'float32')[:12]}"
    if any(stage.shows for stage in recipe.stages):
        rows = np.linspace(0, len(data.images) - 1, SHOWN).astype(int)
        images = torch.from_numpy(data.images[rows]).permute(0, 3, 1, 2).float() / 255
        tokens = tokenizer(list(vocabulary().names[:SHOWN]), padding=True, return_tensors="pt")
        texts = encode_texts(model, tokens.input_ids, tokens.attention_mask)
        settle_decoder(model, normalise(images, MEAN, STD), texts)
    # A quarter less time a step on a CPU, where the backward pass of fused attention is slow.
    model.set_attn_implementation("eager")
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
        dtype=fastest_dtype() if recipe.dtype == "auto" else recipe.dtype,
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


def _begin_with(model: Any, tokenizer: Any, start: Checkpoint) -> None:
    weights = start.model.state_dict()
    own, known = tokenizer.get_vocab(), start.tokenizer.get_vocab()
    if own != known:
        weights[TOKENS] = _tokens_of(model.state_dict()[TOKENS], own, weights[TOKENS], known)
    ours, theirs = (
        {name: list(value.shape) for name, value in state.items()} | forward_settings(of)
        for state, of in ((model.state_dict(), model), (weights, start.model))
    )
    for name in sorted(ours.keys() | theirs.keys()):
        wanted, other = ours.get(name), theirs.get(name)
        if wanted != other and name not in OF_TOKENIZER:
            raise LearningError(
                f"{start.name} is another model than the recipe's: {name} is {other}, not {wanted}"
            )
    model.load_state_dict(weights)


@torch.no_grad()
def settle_decoder(model: Any, pixels: Tensor, texts: Tensor) -> None:
    """Scale what a layer of a CLIPSeg's decoder reads, where its attention is SATURATED, so that
    the scores have a standard deviation of SPREAD.

    The layers normalise what comes out, so nothing holds the size of what goes in: activations of
    the tower times a text's embedding begin, and end, so large that each softmax takes one token
    alone and has no gradient but noise. The norm takes the factor out again: only the attention
    itself is another, and masks stay nearly as they are.

    Args:
        model: a CLIPSegForImageSegmentation.
        pixels: normalised images float[B,3,S,S] of the kind that it sees.
        texts: embeddings float[B,projection] of what is asked of each.
    """
    decoder, which = model.decoder, torch.arange(len(pixels))
    activations = encode_pixels(model, pixels).activations
    for i, layer in enumerate(decoder.layers):
        seen: list[Tensor] = []
        hook = layer.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[0]))
        decode_masks(model, activations, texts, which)
        hook.remove()
        if (spread := attention_spread(layer.self_attn, seen[0])) < SATURATED:
            continue
        scale, attention = math.sqrt(spread / SPREAD), layer.self_attn
        read = [decoder.reduces[i], *([decoder.layers[i - 1].layer_norm2] if i else [])]
        scaled = dict.fromkeys(read, scale)
        if i == decoder.conditional_layer:
            # Factors share it: weights as small as a step of the optimizer would be lost in one.
            scaled = dict.fromkeys([*read, decoder.film_mul], math.sqrt(scale))
            scaled[decoder.film_add] = scale
        for part, by in scaled.items():
            for parameter in part.parameters():
                parameter.div_(by)
        for part in (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj):
            part.bias.div_(scale)


def attention_spread(attention: Any, states: Tensor) -> float:
    """Standard deviation of the scores of states float[B,N,D], each query's around their mean."""
    heads = (-1, (attention.num_heads, attention.head_dim))
    queries, keys = (
        p(states).unflatten(*heads).transpose(1, 2) for p in (attention.q_proj, attention.k_proj)
    )
    scores = attention.scale * queries @ keys.transpose(-1, -2)
    return float((scores - scores.mean(-1, keepdim=True)).std().item())


def _tokens_of(
    fresh: Tensor, own: Mapping[str, int], trained: Tensor, known: Mapping[str, int]
) -> Tensor:
    """Embeddings float[T,D] of a tokenizer's tokens: those of another one, where it has them."""
    common = sorted(own.keys() & known.keys())
    embeddings = fresh.clone()
    embeddings[[own[t] for t in common]] = trained[[known[t] for t in common]].to(fresh.dtype)
    return embeddings


def export(recipe: Recipe, task: EmbeddedLosses, out: Path) -> None:
    """Write weights (float16, also in the task then), tokenizer, provisional calibration."""
    model = task.model.half()
    save_model(model, build_processor(recipe, task.tokenizer), out)
    # CLIP's own two files, for readers that do not know tokenizer.json.
    task.tokenizer.backend_tokenizer.model.save(str(out))
    words = [*vocabulary().colours, *vocabulary().names, *PLACEHOLDERS]
    command = "vlam train embedded"
    known = provisional(model, recipe.model.crop_size, words, command, margin=0.0)
    dataclasses.replace(known, skills=taught_sentences()).save(out)
