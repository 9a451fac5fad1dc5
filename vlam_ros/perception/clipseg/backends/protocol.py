"""What every backend does, so that nothing else need know which one it is."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import torch
from torch import Tensor

Activations: TypeAlias = tuple[Tensor, ...]
"""The decoder's inputs for B images of N patches, float[B,1+N,width] each."""


class Backend(Protocol):
    """The parts of one CLIPSeg. Tensors go in from anywhere and come out on `device`."""

    @property
    def name(self) -> str:
        """Of the runtime, for diagnostics."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""

    @property
    def precision(self) -> str:
        """float32, bfloat16, float16 or int8."""

    def encode_pixels(self, pixels: Tensor) -> Activations:
        """Run the vision tower over normalised images float[B,3,S,S], as far as the decoder
        reads it.
        """

    def embed(self, activations: Activations) -> Tensor:
        """Run the rest of the vision tower: images in CLIP's joint space float[B,D], not
        normalised.
        """

    def encode_texts(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Texts int64[T,L] in CLIP's joint space float[T,D], not normalised."""

    def decode_masks(self, activations: Activations, conditions: Tensor, images: Tensor) -> Tensor:
        """Mask logits float[P,h,w] of P pairs: text embeddings float[P,D], not normalised, and
        which of the B images int64[P] each asks about.
        """
