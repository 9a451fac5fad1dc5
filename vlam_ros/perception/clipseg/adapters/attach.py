"""Putting a method into force on a CLIPSeg."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg.adapters.adaptation import Adaptation, Prints
from vlam_ros.perception.clipseg.adapters.base import fingerprints
from vlam_ros.perception.clipseg.adapters.methods import (
    PARTS,
    Adapter,
    BitFit,
    FullFineTuning,
    LoRA,
    Method,
    PrefixTuning,
    PromptTuning,
)
from vlam_ros.perception.clipseg.adapters.modules import (
    Bottleneck,
    PrefixedAttention,
    PromptedEmbeddings,
)


def attach(model: Any, method: Method, seed: int = 0, prints: Prints | None = None) -> Adaptation:
    """Change a CLIPSegForImageSegmentation in place, by the layers that all its callers use.

    Args:
        model: the base; its layers are wrapped and its weights are kept.
        method: with its settings.
        seed: of what the method starts from; the global generator is left as it was.
        prints: the base's fingerprints, if they are known.

    Raises:
        ModelError: the model has an adapter already or nothing that the settings name, or peft is
            not installed.
    """
    adaptation = Adaptation(model, method, prints or fingerprints(model))
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            _attach(adaptation, method)
        if not adaptation.tensors:
            raise ModelError(f"the model has nothing that {method} could tune")
    except BaseException:
        adaptation.remove()
        raise
    return adaptation


def linear_names(model: Any, method: LoRA) -> list[str]:
    """The linear layers that a LoRA is for. ModelError if a name fits none."""
    names = {
        layer: [
            name
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear)
            and name.rpartition(".")[2] == layer
            and name.startswith(_prefixes(method.parts))
        ]
        for layer in method.layers
    }
    if absent := [layer for layer, found in names.items() if not found]:
        raise ModelError(f"the model has no linear layers {absent} in {', '.join(method.parts)}")
    return [name for found in names.values() for name in found]


def _attach(adaptation: Adaptation, method: Method) -> None:
    match method:
        case FullFineTuning():
            adaptation.change(_parameters(adaptation.model, method.parts))
        case BitFit():
            names = _parameters(adaptation.model, method.parts)
            adaptation.change(name for name in names if name.endswith(".bias"))
        case LoRA():
            _attach_lora(adaptation, method)
        case Adapter():
            for layer in _layers(adaptation.model, method.parts):
                for name in ("self_attn.out_proj", "mlp.fc2"):
                    adaptation.replace(f"{layer}.{name}", lambda m: Bottleneck(m, method.width))
        case PrefixTuning():
            for layer in _layers(adaptation.model, method.parts):
                adaptation.replace(
                    f"{layer}.self_attn", lambda m: PrefixedAttention(m, method.length)
                )
        case PromptTuning():
            _attach_prompt(adaptation, method)
        case _:
            raise TypeError(f"no way to attach {method}")


def _attach_lora(adaptation: Adaptation, method: LoRA) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ModelError(
            f"LoRA is trained with peft, which cannot be imported ({error}): pip install peft"
        ) from error
    model = adaptation.model
    names = linear_names(model, method)
    for name in names:
        adaptation.keep(name)
    config = LoraConfig(r=method.rank, lora_alpha=method.alpha, target_modules=names)
    inject_adapter_in_model(config, model)
    for name in names:
        layer: Any = model.get_submodule(name)
        for side in ("lora_A", "lora_B"):
            adaptation.tensors[f"{name}.{side}"] = getattr(layer, side)["default"].weight


def _attach_prompt(adaptation: Adaptation, method: PromptTuning) -> None:
    tower = adaptation.model.clip.text_model
    embeddings: Any = adaptation.replace(
        "clip.text_model.embeddings", lambda m: PromptedEmbeddings(m, method.length)
    )
    adaptation.hook(tower.register_forward_pre_hook(embeddings.make_room, with_kwargs=True))


def _parameters(model: Any, parts: tuple[str, ...]) -> list[str]:
    return [name for name, _ in model.named_parameters() if name.startswith(_prefixes(parts))]


def _layers(model: Any, parts: tuple[str, ...]) -> list[str]:
    """The names of the transformer layers, encoders' and decoder's."""
    return [
        name
        for name, module in model.named_modules()
        if hasattr(module, "self_attn") and name.startswith(_prefixes(parts))
    ]


def _prefixes(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix for part in parts for prefix in PARTS[part])
