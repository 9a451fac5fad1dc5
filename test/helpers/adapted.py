"""What the tests of adapters share: a model's outputs by every way, and an adapter in effect."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from tiny_clipseg import tiny_tokenizer
from torch import Tensor

from vlam_ros.perception.clipseg import load_checkpoint
from vlam_ros.perception.clipseg.adapters import Adaptation
from vlam_ros.perception.clipseg.model import decode_masks, encode_pixels, encode_texts

TEXTS = ("red cup", "a box on it")


def embedded_model() -> Any:
    return load_checkpoint("embedded", "cpu", "float32").model


def token_batch(model: Any, texts: tuple[str, ...] = TEXTS) -> Any:
    """`input_ids` and `attention_mask` of texts for the tiny or for the embedded model."""
    tokenizer = _tokenizer(model.config.text_config.vocab_size)
    return tokenizer(list(texts), padding=True, return_tensors="pt")


@cache
def _tokenizer(size: int) -> Any:
    tokenizers = (tiny_tokenizer(), load_checkpoint("embedded", "cpu", "float32").tokenizer)
    return next(tokenizer for tokenizer in tokenizers if len(tokenizer) == size)


@torch.no_grad()
def outputs(model: Any) -> dict[str, Tensor]:
    """What two random images and two texts give, by the package's functions and by forward."""
    tokens = token_batch(model)
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    pixels = pixels.to(model.dtype)
    states = encode_pixels(model, pixels, patches=True)
    texts = encode_texts(model, tokens.input_ids, tokens.attention_mask)
    return {
        "tokens": states.tokens,
        "texts": texts,
        "masks": decode_masks(model, states.activations, texts, torch.arange(2)),
        "forward": model(**tokens, pixel_values=pixels).logits,
    }


def distance(some: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    """The largest absolute difference between two models' outputs."""
    return max((some[name].double() - others[name].double()).abs().max().item() for name in some)


@torch.no_grad()
def stir(adaptation: Adaptation) -> Adaptation:
    """Move all that is learned, as training would, so that it has an effect."""
    generator = torch.Generator().manual_seed(1)
    for tensor in adaptation.tensors.values():
        tensor.add_(0.05 * torch.randn(tensor.shape, generator=generator).to(tensor.dtype))
    return adaptation
