"""Which scenes a model learns from, is tuned on and is tested on: by their names."""

from __future__ import annotations

import hashlib

SPLITS = ("train", "validation", "test")
SHARES = (0.7, 0.15, 0.15)
"""How many scenes each gets, on the average."""


def split_of(scene: str) -> str:
    """The split of a scene: the same on every machine, and whatever other scenes there are."""
    number = int.from_bytes(hashlib.sha256(scene.encode()).digest()[:8], "big") / 2**64
    for split, share in zip(SPLITS[:-1], SHARES[:-1], strict=True):
        if number < share:
            return split
        number -= share
    return SPLITS[-1]
