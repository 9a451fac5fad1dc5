"""What runs a CLIPSeg: the Backend that all else asks, and the one that runs it by PyTorch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from vlam_ros.perception.clipseg import model as clipseg

CHUNK_BYTES = 16 << 20
"""Largest buffer of the decoder on a CPU. What is larger than 32 MB goes back to the kernel after
every layer (glibc's M_MMAP_THRESHOLD), and faulting its pages in again takes as long as the layer.
"""
Activations: TypeAlias = tuple[Tensor, ...]
"""The decoder's inputs for B images of N patches, float[B,1+N,width] each."""


class Backend(Protocol):
    """The parts of one CLIPSeg. Tensors go in from anywhere and come out on `device`."""

    @property
    def name(self) -> str:
        """The runtime's name, for diagnostics."""

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


class TorchBackend:
    """Runs a CLIPSegForImageSegmentation, or the towers of a CLIPModel.

    Compiled, the vision tower and the decoder become CUDA graphs (`torch.compile`). Their shapes
    are static: prompts are filled up to the next power of two. The first call of each takes a
    minute.
    """

    name = "torch"

    def __init__(self, model: Any, compiled: bool = False) -> None:
        self.model = model
        self.dtype: torch.dtype = model.dtype
        self.precision = str(model.dtype).removeprefix("torch.")
        # A CLIPSeg keeps its CLIP in `clip`, the same towers under the same names.
        self._parts: Any = model
        if not hasattr(model, "clip"):
            last = len(model.vision_model.encoder.layers) - 1
            self._parts = SimpleNamespace(clip=model, extract_layers=(last,))
        self._compiled = compiled
        self._activations, self._decode = clipseg.activations, clipseg.decode_masks
        if compiled:
            self.name = "torch, compiled"
            self._activations = torch.compile(clipseg.activations, mode="reduce-overhead")
            self._decode = torch.compile(clipseg.decode_masks, mode="reduce-overhead")

    @property
    def device(self) -> torch.device:
        """Where the model is; training may have moved it."""
        where: torch.device = self.model.device
        return where

    @torch.inference_mode()
    def encode_pixels(self, pixels: Tensor) -> Activations:
        """See Backend."""
        activations = self._activations(self._parts, self._here(pixels))
        # The next run of a CUDA graph writes over what this one returned.
        return tuple(a.clone() for a in activations) if self._compiled else activations

    @torch.inference_mode()
    def embed(self, activations: Activations) -> Tensor:
        """See Backend."""
        deepest = clipseg.deepest(self._parts.extract_layers)
        return clipseg.embed(self._parts, activations[deepest])[:, 0]

    @torch.inference_mode()
    def encode_texts(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """See Backend."""
        ids, mask = input_ids.to(self.device), attention_mask.to(self.device)
        return clipseg.encode_texts(self._parts, ids, mask)

    @torch.inference_mode()
    def encode_words(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The text tower's last hidden states float[T,L,width] of texts int64[T,L]."""
        ids, mask = input_ids.to(self.device), attention_mask.to(self.device)
        return clipseg.encode_words(self._parts, ids, mask)

    @torch.inference_mode()
    def decode_masks(self, activations: Activations, conditions: Tensor, images: Tensor) -> Tensor:
        """See Backend."""
        count = len(images)
        conditions, images = self._here(conditions), images.to(self.device)
        if self._compiled:
            filled = 1 << (count - 1).bit_length()
            rows = torch.arange(filled, device=self.device).clamp(max=count - 1)
            return self._decode(self.model, activations, conditions[rows], images[rows])[:count]
        chunk = count if self.device.type != "cpu" else self._chunk(activations)
        parts = zip(conditions.split(chunk), images.split(chunk), strict=True)
        return torch.cat([self._decode(self.model, activations, *part) for part in parts])

    def _chunk(self, activations: Activations) -> int:
        """How many prompts the decoder takes at once on a CPU."""
        hidden = self.model.config.decoder_intermediate_size
        row = activations[0].shape[1] * hidden * activations[0].element_size()
        return max(1, CHUNK_BYTES // row)

    def _here(self, values: Tensor) -> Tensor:
        if self.device.type == "cuda" and values.device.type == "cpu":
            values = values.pin_memory()
        return values.to(self.device, self.dtype, non_blocking=True)
