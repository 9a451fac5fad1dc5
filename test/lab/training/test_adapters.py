"""Tuning by each method: what it learns and nothing else trains, and the loss goes down."""

from pathlib import Path
from typing import Any

import pytest
import torch
from adapted import distance, outputs, stir, token_batch
from tiny_clipseg import tiny_model
from torch import Tensor
from torch.nn import functional

from vlam_ros.errors import ModelError
from vlam_ros.lab.training.grounding import apply
from vlam_ros.perception.clipseg.adapters import (
    METHODS,
    LoRA,
    load_adapter,
    save_adapter,
)
from vlam_ros.perception.clipseg.model import decode_masks, encode_pixels, encode_texts

pytestmark = pytest.mark.usefixtures("one_thread")


def squares_loss(model: Any) -> Tensor:
    """Cross-entropy of two phrases' masks: one is the left, one the right half of an image."""
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(2, 32, 32)
    masks[0, :, :16] = 1
    masks[1, :, 16:] = 1
    tokens = token_batch(model)
    texts = encode_texts(model, tokens.input_ids, tokens.attention_mask)
    states = encode_pixels(model, pixels)
    logits = decode_masks(model, states.activations, texts, torch.arange(2))
    return functional.binary_cross_entropy_with_logits(logits, masks)


@pytest.mark.parametrize("name", METHODS)
def test_training_lowers_the_loss_and_changes_nothing_but_what_is_learned(name: str) -> None:
    model = tiny_model()
    plain = outputs(model)
    tuned = apply(model, name)
    learned = {id(tensor) for tensor in tuned.tensors.values()}
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    assert {id(p) for p in model.parameters() if p.requires_grad} == learned
    optimizer = torch.optim.AdamW(tuned.tensors.values(), lr=1e-2)
    losses = []
    for _ in range(8):
        loss = squares_loss(model)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 1e-3
    moved = {id(p) for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved <= learned
    # All but the class tokens' projection, which no mask depends on.
    assert len(moved) > 0.9 * len(learned)
    tuned.remove()
    assert distance(outputs(model), plain) == 0.0
    assert all(p.requires_grad for p in model.parameters())


def test_a_name_with_settings_is_the_method_with_them() -> None:
    tuned = apply(tiny_model(), "lora", rank=2, parts=("text",))
    assert tuned.method == LoRA(rank=2, parts=("text",))
    with pytest.raises(ModelError, match="must be one of"):
        apply(tiny_model(), "lorax")


def test_the_base_of_a_file_is_the_model_before_it_was_tuned(tmp_path: Path) -> None:
    model = tiny_model()
    tuned = stir(apply(model, "full"))
    path = save_adapter(tuned, tmp_path)
    tuned.merge()
    with pytest.raises(ModelError, match="trained on another base"):
        load_adapter(model, path)
    load_adapter(tiny_model(), path)
