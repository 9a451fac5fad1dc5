"""Numbers, places and mask logits as channels that an action transformer reads."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LARGEST_LOGIT = 10.0
OCTAVES = 6
"""Frequencies at which a number is read, of metres or seconds: a period of 8, and its halves."""
PERIOD = 8.0


class Place(nn.Module):
    """A place float[…,3] in metres as channels; NaN is one that nobody knows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.known = nn.Linear(3 * (1 + 2 * OCTAVES), width)
        self.unknown = nn.Parameter(torch.zeros(width))

    def forward(self, places: Tensor) -> Tensor:
        known = places.isfinite().all(-1, keepdim=True)
        return torch.where(known, self.known(waves(places.nan_to_num())), self.unknown)


def relevance(logits: Tensor) -> Tensor:
    """Mask logits float[…,K] as float[…,3·K]: as probabilities, as they are, and whether there are
    any. A probability tells what is there, a logit what is likelier there than elsewhere.
    """
    known, logits = logits.isfinite(), logits.nan_to_num().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
    return torch.cat([logits.sigmoid() * known, logits / LARGEST_LOGIT, known.to(logits.dtype)], -1)


def spatial_softmax(logits: Tensor, places: Tensor) -> Tensor:
    """Where K nouns are by their mask logits float[B,N,K] and where the patches look float[B,N,3]:
    the mean place, as often as it is likely, float[B,K,3] in metres (Levine et al. 2016); NaN where
    nobody knows.
    """
    looks = places.isfinite().all(-1, keepdim=True)
    likely = logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT).masked_fill(~looks, -torch.inf)
    return likely.softmax(1).transpose(1, 2) @ places.nan_to_num()


def waves(numbers: Tensor) -> Tensor:
    """D numbers float[…,D] as they are, and as sines and cosines: float[…,D·(1+2·OCTAVES)]."""
    octaves = 2.0 ** torch.arange(OCTAVES, device=numbers.device)
    angles = numbers[..., None] * octaves * (2 * math.pi / PERIOD)
    parts = [numbers[..., None] / PERIOD, angles.sin(), angles.cos()]
    return torch.cat(parts, -1).flatten(-2)
