"""The recipe of the embedded checkpoint: its settings, and the untrained model they describe."""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from tokenizers import Regex, pre_tokenizers
from torch import nn
from transformers import (
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPSegTextConfig,
    CLIPSegVisionConfig,
    CLIPTokenizer,
    ViTImageProcessor,
)

from vlam_ros.errors import ConfigurationError
from vlam_ros.lab.generators import GENERATORS, UNSEEN
from vlam_ros.lab.training.captions import corpus
from vlam_ros.lab.training.fit import Stepwise
from vlam_ros.lab.training.objectives import SKILL_TEMPERATURE
from vlam_ros.perception.clipseg import Calibration

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
"""Normalisation of the embedded model's images."""

CONTRASTIVE = ("contrast", "skills")
ALIGNMENT = ("masks", "regions", "matching")
GENERATIVE = ("image_modelling", "word_modelling", "captions")
REFINEMENT = ("absence",)
TERMS = (*CONTRASTIVE, *ALIGNMENT, *GENERATIVE, *REFINEMENT)
"""What a recipe can weigh; `embedded_losses` says what each is."""
BALANCES = ("weights", "uncertainty")
WORDS_ARE = ("kept", "new")
TAUGHT = frozenset(GENERATORS) - {UNSEEN}
"""Generators that one may train on."""

WORDS = r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
START, END = "<|startoftext|>", "<|endoftext|>"


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

    @property
    def shows(self) -> bool:
        return bool(self.crops or self.scenes)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what `vlam train embedded` makes.

    `images` says how many of each generator's are rendered, and so how often each is seen. `words`
    are "kept" where a run that begins with a checkpoint has its tokenizer, and "new" where it
    learns one of its captions; tokens that both have keep what they mean.

    `average` is the decay of the moving average of the weights, which is what is kept; `dtype` is
    of matrix products: "float32", "bfloat16", or "auto": bfloat16 where the CPU calculates in it.
    `loss_weights` are of TERMS; one that is 0 or missing is not computed. With the `balance`
    "uncertainty" their sizes do not count: the weights of those above 0 are learned
    (`UncertaintyWeighting`).

    Raises:
        ConfigurationError: a weight is of no term or below 0, none is above 0, or there is no such
            generator, balance or kind of words.
    """

    seed: int
    images: dict[str, int]
    model: ModelRecipe
    stages: tuple[Stage, ...]
    warmup: int
    weight_decay: float
    average: float
    loss_weights: dict[str, float]
    balance: str = "weights"
    dtype: str = "auto"
    words: str = "kept"

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.loss_weights) - set(TERMS)):
            raise ConfigurationError(f"loss_weights are of {', '.join(TERMS)}, got {unknown}")
        if not self.terms or min(self.loss_weights.values()) < 0:
            raise ConfigurationError(
                f"loss_weights must be 0 or more, one above 0, got {self.loss_weights}"
            )
        if self.balance not in BALANCES:
            raise ConfigurationError(f"balance is one of {BALANCES}, got {self.balance!r}")
        if self.words not in WORDS_ARE:
            raise ConfigurationError(f"words are one of {WORDS_ARE}, got {self.words!r}")
        if strange := sorted(set(self.images) - TAUGHT):
            raise ConfigurationError(f"images are of {', '.join(sorted(TAUGHT))}, got {strange}")

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read a recipe; ConfigurationError says which entry is wrong."""
        try:
            values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
            model = dict(values.pop("model"))
            model["extract_layers"] = tuple(model["extract_layers"])
            stages = tuple(Stage(**stage) for stage in values.pop("stages"))
            return cls(model=ModelRecipe(**model), stages=stages, **values)
        except (
            OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ConfigurationError,
        ) as error:  # fmt: skip
            raise ConfigurationError(f"{path} is not a training recipe: {error}") from error

    @property
    def terms(self) -> frozenset[str]:
        return frozenset(term for term, weight in self.loss_weights.items() if weight)

    @property
    def rates(self) -> Stepwise:
        stages = [stage for stage in self.stages if stage.steps]
        starts = accumulate((stage.steps for stage in stages[:-1]), initial=0)
        return Stepwise(tuple(starts), tuple(stage.rate for stage in stages))

    @property
    def digest(self) -> str:
        """A name for all that it decides: another recipe has another."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> Stage:
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]


def build_tokenizer(recipe: Recipe) -> CLIPTokenizer:
    """Learn the merges of a CLIP byte-pair tokenizer, in CLIP's own file format, of its captions.

    As in CLIP the 256 bytes come first, then the same bytes at the end of a word, the merges, and
    the two special tokens last; so any text has tokens, whatever its script.
    """
    words = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    text = corpus(np.random.default_rng(recipe.seed))
    spoken = Counter(word for line in text for word in line.lower().split())
    counts: Counter[str] = Counter()
    for word, count in spoken.items():
        for part, _ in words.pre_tokenize_str(word):
            counts[part] += count
    merges: list[Any] = list(byte_pairs(counts, recipe.model.vocabulary))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = alphabet + [f"{letter}</w>" for letter in alphabet]
    tokens += list(dict.fromkeys("".join(pair) for pair in merges))
    vocabulary = {token: i for i, token in enumerate([*tokens, START, END])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=recipe.model.text_length)


def byte_pairs(words: Mapping[str, int], vocabulary: int) -> list[tuple[str, str]]:
    """Merges of byte-pair encoding (Sennrich et al. 2016), the most frequent pair of the words
    first, until there are so many tokens, or every word is one.

    The trainer of `tokenizers` breaks ties as its hash tables fall, so that a run that goes on in
    another process would read its words in another way.
    """
    pieces = {word: [*word[:-1], f"{word[-1]}</w>"] for word in sorted(words)}
    known = {piece for parts in pieces.values() for piece in parts}
    merges: list[tuple[str, str]] = []
    while len(known) < vocabulary:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in pieces.items():
            for pair in pairwise(parts):
                pairs[pair] += words[word]
        if not pairs:
            break
        first, second = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append((first, second))
        known.add(first + second)
        for parts in pieces.values():
            i = 0
            while i + 1 < len(parts):
                if (parts[i], parts[i + 1]) == (first, second):
                    parts[i : i + 2] = [first + second]
                i += 1
    return merges


def build_model(recipe: Recipe, tokenizer: CLIPTokenizer) -> CLIPSegForImageSegmentation:
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


def build_processor(recipe: Recipe, tokenizer: CLIPTokenizer) -> CLIPSegProcessor:
    size = recipe.model.image_size
    images = ViTImageProcessor(
        size={"height": size, "width": size}, image_mean=list(MEAN), image_std=list(STD)
    )
    return CLIPSegProcessor(images, tokenizer)


def save_model(model: Any, processor: CLIPSegProcessor, folder: Path) -> None:
    """Write a model, in float16, and its processor for Hugging Face; both stay as they are."""
    copy.deepcopy(model).half().save_pretrained(folder)
    written = copy.deepcopy(processor)
    # What the last batch asked for is nobody else's business.
    written.tokenizer.backend_tokenizer.no_padding()
    written.tokenizer.backend_tokenizer.no_truncation()
    # Nor how it was loaded.
    for option in ("is_local", "local_files_only"):
        written.tokenizer.init_kwargs.pop(option, None)
    written.save_pretrained(folder)


def provisional(
    model: Any, crop_size: int, words: Iterable[str], command: str, margin: float = 1.0
) -> Calibration:
    """Thresholds under which nothing counts as confirmed, until `vlam calibrate` chooses others."""
    return Calibration(
        mask_threshold=0.5,
        tolerance=0.0,
        crop_threshold=1.0,
        crop_rejection=0.0,
        margin=margin,
        crop_size=crop_size,
        crop_temperature=round(model.clip.logit_scale.detach().exp().item(), 2),
        skill_threshold=1.0,
        skill_temperature=round(1 / SKILL_TEMPERATURE, 2),
        vocabulary=tuple(words),
        made_with=f"{command}; provisional",
    )
