"""Heads that let a CLIPSeg learn by generating: hidden patches, hidden words, and captions.

Only training needs them; they are no part of the checkpoint.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vlam_ros.lab.training.objectives import (
    itg_loss,
    mask_patches,
    mask_tokens,
    mim_loss,
    mlm_loss,
    patch_pixels,
)
from vlam_ros.perception.clipseg.model import encode_pixels

HIDDEN = 0.6
"""Share of the patches that are hidden (SimMIM: 0.6)."""
HEADS = 4
"""Heads of the attention by which words look at an image."""
NO_BYTE = "ÿ"
"""Token of the byte 0xFF, which no text in UTF-8 has: it stands where a word is hidden."""


class ImageModelling(nn.Module):
    """Hidden patches, a learned vector in their place, are predicted from the joint space by one
    linear layer (SimMIM, Xie et al. 2022).
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        vision = model.config.vision_config
        self._patch = vision.patch_size
        self.hidden = nn.Parameter(0.02 * torch.randn(vision.hidden_size))
        self.pixels = nn.Linear(model.config.projection_dim, 3 * self._patch**2)

    def forward(self, model: Any, values: Tensor) -> Tensor:
        """`mim_loss` of normalised images float[B,3,S,S]."""
        patches = patch_pixels(values, self._patch)
        # The number of the step has seeded torch: what is hidden is drawn anew in each.
        masked = mask_patches(len(values), patches.shape[1], HIDDEN, torch.default_generator)
        masked = masked.to(values.device)

        def hide(_: nn.Module, __: Any, seen: Tensor) -> Tensor:
            shown = ~masked.unflatten(1, seen.shape[-2:])[:, None]
            return torch.where(shown, seen, self.hidden.to(seen.dtype)[:, None, None])

        with model.clip.vision_model.embeddings.patch_embedding.register_forward_hook(hide):
            states = encode_pixels(model, values, patches=True)
        return mim_loss(self.pixels(states.tokens[:, 1:]), patches, masked)


class WordModelling(nn.Module):
    """Hidden words of sentences are predicted by one linear layer (BERT, Devlin et al. 2019).

    CLIP's text tower is causal: unlike BERT's, it predicts from what stands to the left alone.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        text = model.config.text_config
        self.words = nn.Linear(text.hidden_size, text.vocab_size)
        self._hidden = tokenizer.convert_tokens_to_ids(NO_BYTE)
        self._start, self._end = tokenizer.bos_token_id, tokenizer.eos_token_id

    def forward(self, model: Any, input_ids: Tensor, kept: Tensor) -> Tensor:
        """`mlm_loss` of texts int64[T,L] with the tokenizer's attention mask int64[T,L]."""
        special = ~kept.bool() | (input_ids == self._start) | (input_ids == self._end)
        inputs, targets = mask_tokens(
            input_ids, special, self._hidden, self.words.out_features, torch.default_generator
        )
        tower = model.clip.text_model(input_ids=inputs, attention_mask=kept)
        return mlm_loss(self.words(tower.last_hidden_state), targets)


class Captioning(nn.Module):
    """The causal text tower's words look at the image once, and name the next (CoCa, Yu et al.
    2022).
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        text, width = model.config.text_config, model.config.projection_dim
        self.look = nn.MultiheadAttention(
            text.hidden_size, HEADS, kdim=width, vdim=width, batch_first=True
        )
        self.norm = nn.LayerNorm(text.hidden_size)
        self.words = nn.Linear(text.hidden_size, text.vocab_size)

    def forward(self, model: Any, tokens: Tensor, input_ids: Tensor, kept: Tensor) -> Tensor:
        """`itg_loss` of captions int64[B,L]; `tokens` float[B,1+N,projection] are the images."""
        tower = model.clip.text_model(input_ids=input_ids, attention_mask=kept)
        states = tower.last_hidden_state
        seen, _ = self.look(states, tokens, tokens, need_weights=False)
        return itg_loss(self.words(self.norm(states + seen)), input_ids, kept.bool())
