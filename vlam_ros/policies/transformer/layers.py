"""Layers of an action transformer: numbers, places and mask logits as channels, and attention."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGEST_LOGIT = 10.0
OCTAVES = 6
"""Frequencies at which a number is read, of metres or seconds: a period of 8, and its halves."""
PERIOD = 8.0
MEASURES, PAIR_WIDTH = 7, 96
CLEARLY = 0.1
"""Metres or rad from which a difference is a clear one."""


class Place(nn.Module):
    """A place float[…,3] in metres as channels; NaN is one that nobody knows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.known = nn.Linear(3 * (1 + 2 * OCTAVES), width)
        self.unknown = nn.Parameter(torch.zeros(width))

    def forward(self, places: Tensor) -> Tensor:
        known = places.isfinite().all(-1, keepdim=True)
        return torch.where(known, self.known(waves(places.nan_to_num())), self.unknown)


class FoundObjects(nn.Module):
    """What was found of K nouns, C candidates each, as tokens: how each is, and how it is to each
    other, by which relations tell them apart (relation network, Santoro et al. 2017).
    """

    def __init__(self, nouns: int, width: int) -> None:
        super().__init__()
        self.measured = nn.Linear(MEASURES * (1 + 2 * OCTAVES), width)
        self.judged = nn.Linear(3, width, bias=False)
        self.nouns = nn.Parameter(torch.zeros(nouns, width))
        # It reads few numbers: with weights as small as those of wide layers it would begin slowly.
        self.pair = nn.Linear(2 * MEASURES, PAIR_WIDTH)
        self.pair_nouns = nn.Parameter(0.1 * torch.randn(nouns, nouns, PAIR_WIDTH))
        self.pairs = nn.Linear(PAIR_WIDTH, width, bias=False)

    def forward(self, objects: Tensor) -> Tensor:
        """Of x, y, z, score, confirmed and size, float[B,K,C,6], NaN where there are not so many:
        float[B,K,C,D].
        """
        there = objects[..., :1].isfinite()
        measured = measures(objects.nan_to_num(), there)
        judged = torch.cat([objects[..., 3:5].nan_to_num(), there.to(objects.dtype)], -1)
        alone = self.measured(waves(measured)) * there + self.judged(judged)
        apart = measured[:, :, :, None, None] - measured[:, None, None]
        pairs = self.pair(torch.cat([apart, (apart / CLEARLY).tanh()], -1))
        pairs = functional.gelu(pairs + self.pair_nouns[:, None, :, None])
        both = there[:, :, :, None, None] & there[:, None, None]
        return alone + self.nouns[:, None] + self.pairs((pairs * both).sum((3, 4)))


def measures(objects: Tensor, there: Tensor) -> Tensor:
    """What relations compare, float[B,K,C,MEASURES] of objects float[B,K,C,6], an even number of
    nouns, each followed by its reference: place, range and bearing in `base_link`, size, and the
    gap to the likeliest of the reference, 0 without one. In m and rad; of sizes, which are small,
    three times as much.
    """
    x, y, size = objects[..., 0], objects[..., 1], objects[..., 5]
    reference = objects[:, 1::2, :1].repeat_interleave(2, 1)
    known = there[:, 1::2, :1, 0].repeat_interleave(2, 1)
    gap = torch.hypot(x - reference[..., 0], y - reference[..., 1]) * known
    polar = [torch.hypot(x, y), torch.atan2(y, x)]
    return torch.stack([*objects[..., :3].unbind(-1), *polar, 3 * size, gap], -1) * there


def relevance(logits: Tensor) -> Tensor:
    """Mask logits float[…,K] as float[…,3·K]: as probabilities, as they are, and whether there are
    any. A probability tells what is there, a logit what is likelier there than elsewhere.
    """
    known, logits = logits.isfinite(), logits.nan_to_num().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
    return torch.cat([logits.sigmoid() * known, logits / LARGEST_LOGIT, known.to(logits.dtype)], -1)


def waves(numbers: Tensor) -> Tensor:
    """D numbers float[…,D] as they are, and as sines and cosines: float[…,D·(1+2·OCTAVES)]."""
    octaves = 2.0 ** torch.arange(OCTAVES, device=numbers.device)
    angles = numbers[..., None] * octaves * (2 * math.pi / PERIOD)
    parts = [numbers[..., None] / PERIOD, angles.sin(), angles.cos()]
    return torch.cat(parts, -1).flatten(-2)


@dataclass
class LayerCache:
    """Keys and values float[B,H,M,D/H] of a layer: of what was written, and of what is seen. Where
    somebody wants to know, `looked` gets how much each token looks at what is seen, float[B,L,M].
    """

    written: tuple[Tensor, Tensor] | None
    seen: tuple[Tensor, Tensor]
    looked: list[Tensor] | None = None


class Attention(nn.Module):
    """Multi-head attention of queries [B,L,D] to something [B,M,D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def keys_and_values(self, of: Tensor) -> tuple[Tensor, Tensor]:
        key, value = self.key_value(of).chunk(2, -1)
        return self._split(key), self._split(value)

    def forward(self, queries: Tensor, seen: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """float[B,L,D]; nobody looks where `mask` bool[…,L,M] is false."""
        mixed = functional.scaled_dot_product_attention(
            self._split(self.query(queries)), *seen, attn_mask=mask
        )
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def weights(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """How much each query looks at each key, float[B,L,M], the mean of the heads."""
        scores = self._split(self.query(queries)) @ keys.transpose(-1, -2)
        scores = (scores / math.sqrt(keys.shape[-1])).masked_fill(~mask, -torch.inf)
        return scores.softmax(-1).mean(1)

    def _split(self, channels: Tensor) -> Tensor:
        return channels.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class EncoderLayer(nn.Module):
    """Each other, then each token by itself; norms first."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.itself, self.alone = Attention(width, heads), _perceptron(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Tokens [B,M,D]; nobody looks where `mask` bool[B,1,1,M] is false."""
        normed = self.norms[0](states)
        states = states + self.itself(normed, self.itself.keys_and_values(normed), mask)
        out: Tensor = states + self.dropout(self.alone(self.norms[1](states)))
        return out


class DecoderLayer(nn.Module):
    """What was written, then what is seen, then each token by itself; norms first."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.itself, self.memory = Attention(width, heads), Attention(width, heads)
        self.alone = _perceptron(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, cache: LayerCache, mask: Tensor) -> Tensor:
        """New tokens [B,L,D] after those of the cache, which gets their keys and values."""
        normed = self.norms[0](states)
        new = self.itself.keys_and_values(normed)
        if cache.written is not None:
            new = torch.cat([cache.written[0], new[0]], 2), torch.cat([cache.written[1], new[1]], 2)
        cache.written = new
        causal = _causal(states.shape[1], new[0].shape[2], states.device)
        states = states + self.itself(normed, new, causal)
        queries = self.norms[1](states)
        if cache.looked is not None:
            cache.looked.append(self.memory.weights(queries, cache.seen[0], mask))
        states = states + self.memory(queries, cache.seen, mask)
        out: Tensor = states + self.dropout(self.alone(self.norms[2](states)))
        return out


def _perceptron(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


def _causal(new: int, total: int, device: torch.device) -> Tensor | None:
    """bool[new,total]: each of the last tokens looks at itself and those before."""
    if new == 1:
        return None
    places = torch.arange(total, device=device)
    return places <= places[total - new :, None]
