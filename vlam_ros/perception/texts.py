"""Embeddings of texts, remembered by string."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import torch
from torch.nn import functional

from vlam_ros.perception.clipseg import Checkpoint
from vlam_ros.perception.clipseg.model import tokenized

TEXT_CACHE = 1024
"""Text embeddings kept; an instruction with its competitors needs some dozens."""


class TextEmbeddings:
    """The text tower of a checkpoint, each text run once."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._backend = checkpoint.backend
        self._tokenizer = checkpoint.tokenizer
        self._config = checkpoint.config
        self._cache: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._lock = Lock()

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
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
            return torch.zeros((0, self._config.projection_dim), device=self._backend.device)
        return torch.stack([known[text] for text in texts])

    def directions(self, texts: Sequence[str]) -> torch.Tensor:
        """Normalised text embeddings float32[T,D]: their products are cosines."""
        return functional.normalize(self(texts).float(), dim=-1)

    def _encode(self, texts: list[str]) -> torch.Tensor:
        tokens = tokenized(self._tokenizer, self._config, texts)
        return self._backend.encode_texts(tokens.input_ids, tokens.attention_mask)
