"""The CLIP inside a checkpoint: embeddings of texts, remembered by string, and of pictures."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn import functional

from vlam_ros.models import Checkpoint
from vlam_ros.models.clipseg import VisionStates, encode_pixels, encode_texts

TEXT_CACHE = 1024
"""Text embeddings kept; an instruction with its competitors needs some dozens."""


class Clip:
    """Text and vision tower of a checkpoint, of a CLIPSeg or of a plain CLIP."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        model = checkpoint.model
        # A CLIPSeg keeps its CLIP in `clip`, the same towers under the same names.
        self._model: Any = model
        if not hasattr(model, "clip"):
            self._model = SimpleNamespace(clip=model, extract_layers=())
        self._tokenizer = checkpoint.tokenizer
        self._longest = model.config.text_config.max_position_embeddings
        self._width = model.config.projection_dim
        self._device, self._dtype = checkpoint.device, checkpoint.dtype
        self._cache: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._lock = Lock()

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Text embeddings [T,D], not normalised: CLIPSeg's decoder is conditioned on these."""
        with self._lock:
            known = {text: self._cache[text] for text in texts if text in self._cache}
        if new := [text for text in dict.fromkeys(texts) if text not in known]:
            known.update(zip(new, self._encode(new), strict=True))
        with self._lock:
            for text, embedding in known.items():
                self._cache[text] = embedding
                self._cache.move_to_end(text)
            while len(self._cache) > TEXT_CACHE:
                self._cache.popitem(last=False)
        if not texts:
            return torch.zeros((0, self._width), device=self._device, dtype=self._dtype)
        return torch.stack([known[text] for text in texts])

    def text_directions(self, texts: Sequence[str]) -> torch.Tensor:
        """Normalised text embeddings float32[T,D]: their products are cosines."""
        return functional.normalize(self.texts(texts).float(), dim=-1)

    @torch.inference_mode()
    def pictures(self, pixels: torch.Tensor) -> tuple[torch.Tensor, VisionStates]:
        """One pass of the vision tower over pixel values float[N,3,S,S], S any patch multiple.

        Returns:
            The normalised embeddings float32[N,D], and what CLIPSeg's decoder reads.
        """
        states = encode_pixels(self._model, pixels.to(self._device, self._dtype))
        return functional.normalize(states.embedding.float(), dim=-1), states

    @torch.inference_mode()
    def _encode(self, texts: list[str]) -> torch.Tensor:
        # Padding and mask as CLIPSegProcessor makes them; texts longer than the tower can read
        # lose their end, as they do in CLIP.
        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        ).to(self._device)
        return encode_texts(self._model, tokens.input_ids, tokens.attention_mask)
