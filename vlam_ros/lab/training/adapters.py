"""Tuning a model with few parameters."""

from __future__ import annotations

from typing import Any

from vlam_ros.perception.clipseg.adapters import Adaptation, Method, attach, method_named


def apply(model: Any, method: Method | str, seed: int = 0, **settings: Any) -> Adaptation:
    """Adapt a CLIPSegForImageSegmentation in place; only what the method learns will train.

    `save_adapter` of `vlam_ros.perception.clipseg.adapters` writes it, and a robot reads the file
    with `load_adapter`.

    Args:
        method: one with its settings, or the name of one: full, lora, adapter, prefix, bitfit or
            prompt.
        settings: of the method that is named; what is left out has its default.

    Raises:
        ModelError: there is no such method or setting, a value is out of range or the model has no
            such part, the model has an adapter already, or peft is missing.
    """
    if isinstance(method, str):
        method = method_named(method, settings)
    elif settings:
        raise TypeError("settings go with the name of a method; a method has its own")
    adaptation = attach(model, method, seed)
    model.requires_grad_(False)
    for parameter in adaptation.tensors.values():
        parameter.requires_grad_(True)
    return adaptation
