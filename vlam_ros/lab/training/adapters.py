"""Tuning a model with few parameters: LoRA, bottlenecks, prefixes, prompts, biases, or all of it.

`apply` puts a method into force and lets only its parameters train:

    tuned = apply(model, "lora", rank=8)
    optimizer = AdamW(tuned.tensors.values(), …)
    …
    save_adapter(tuned, "cups/adapter.safetensors")

A robot reads that file with `vlam_ros.perception.clipseg.adapters.load_adapter`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlam_ros.perception.clipseg.adapters import (
    Adaptation,
    Adapter,
    BitFit,
    FullFineTuning,
    LoRA,
    Method,
    PrefixTuning,
    PromptTuning,
    attach,
    fill,
    method_named,
    read_adapter,
    require_base,
    save_adapter,
)

__all__ = [
    "Adaptation",
    "Adapter",
    "BitFit",
    "FullFineTuning",
    "LoRA",
    "PrefixTuning",
    "PromptTuning",
    "apply",
    "resume",
    "save_adapter",
]


def apply(model: Any, method: Method | str, seed: int = 0, **settings: Any) -> Adaptation:
    """Adapt a CLIPSegForImageSegmentation in place; only what the method learns will train.

    Args:
        model: the base.
        method: one with its settings, or the name of one: full, lora, adapter, prefix, bitfit or
            prompt.
        seed: of what the method starts from.
        settings: of the method that is named; what is left out has its default.

    Raises:
        ModelError: there is no such method or setting, a value is out of range or the model has no
            such part, the model has an adapter already, or peft is missing.
    """
    if isinstance(method, str):
        method = method_named(method, settings)
    elif settings:
        raise TypeError("settings go with the name of a method; a method has its own")
    return _train_only(attach(model, method, seed))


def resume(model: Any, path: str | Path) -> Adaptation:
    """Apply the method of an adapter file from the values in it, to train it further.

    Raises:
        ModelError: as for `load_adapter`, or peft is missing.
    """
    content = read_adapter(path)
    require_base(model, content)
    return _train_only(fill(attach(model, content.method, prints=content.base_prints), content))


def _train_only(adaptation: Adaptation) -> Adaptation:
    adaptation.model.requires_grad_(False)
    for parameter in adaptation.tensors.values():
        parameter.requires_grad_(True)
    return adaptation
