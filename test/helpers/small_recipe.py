"""A recipe's model small enough to be trained in a test."""

from __future__ import annotations

from dataclasses import replace

from vlam_ros.lab.training.recipe import ModelRecipe


def shrunk(model: ModelRecipe) -> ModelRecipe:
    """The same with towers and a decoder of about one tenth."""
    return replace(
        model, width=32, layers=2, heads=2, extract_layers=(0, 1), text_width=32, text_layers=1,
        text_heads=2, projection=32, decoder_width=16, decoder_hidden=16,
    )  # fmt: skip
