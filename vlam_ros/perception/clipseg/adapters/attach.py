"""Putting a method into force on a CLIPSeg, and the ways to make it permanent or undo it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg.adapters.methods import (
    PARTS,
    Adapter,
    BitFit,
    Bottleneck,
    FullFineTuning,
    LoRA,
    Method,
    PrefixedAttention,
    PrefixTuning,
    PromptedEmbeddings,
    PromptTuning,
)

Prints = Mapping[str, str]
"""By dtype, the fingerprint that the base has when it is loaded in that dtype."""
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

_SETTINGS = ("extract_layers", "conditional_layer", "decoder_num_attention_heads")
_TOWER_SETTINGS = ("num_attention_heads", "hidden_act", "layer_norm_eps", "eos_token_id")


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
    start = adaptation.model.config.text_config.bos_token_id
    embeddings: Any = adaptation.replace(
        "clip.text_model.embeddings", lambda m: PromptedEmbeddings(m, method.length, start)
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


class Adaptation:
    """What `attach` or `load_adapter` has done to a model.

    `tensors` are what the method adds or changes, by name: they train, and a file holds them.
    `base_prints` are the fingerprints of the model as it was.
    """

    def __init__(self, model: Any, method: Method, base_prints: Prints) -> None:
        """Begin with nothing changed. ModelError if the model has an adapter already."""
        require_plain(model)
        self.model, self.method, self.base_prints = model, method, base_prints
        self.tensors: dict[str, Tensor] = {}
        self.base_count = sum(p.numel() for p in model.parameters())
        self._modules: dict[str, nn.Module] = {}
        self._weights: dict[str, Tensor] = {}
        self._hooks: list[Any] = []
        self._trained = {p: p.requires_grad for p in model.parameters()}
        self._attached = True
        # A string, so that a deep copy of the model says so too.
        model.adapted_by = method.name

    @property
    def trainable(self) -> int:
        """How many numbers the method learns."""
        return sum(tensor.numel() for tensor in self.tensors.values())

    @property
    def share(self) -> float:
        """`trainable` as a share of the base's parameters."""
        return self.trainable / self.base_count

    def __str__(self) -> str:
        return (
            f"{self.method.name}: {self.trainable:,} parameters, {self.share:.2%} of the model's "
            f"{self.base_count:,}"
        )

    def merge(self) -> None:
        """Make the change permanent: plain layers with the base's shapes, no adapter any more.

        Raises:
            ModelError: the method cannot be merged, or has learned numbers that are not finite.
        """
        self._require_attached()
        if not self.method.mergeable:
            raise ModelError(f"{self.method.name} cannot be merged into the model's own layers")
        require_finite(self.tensors)
        for name in self._modules:
            self.model.get_submodule(name).merge()
        self._weights.clear()
        self._detach()

    def remove(self) -> None:
        """Give the model back exactly as it was."""
        self._require_attached()
        self._detach()

    # What follows is for the methods in this package.

    def replace(self, name: str, make: Callable[[Any], nn.Module]) -> nn.Module:
        """Put a module around the one of that name; what it adds to learn is in `tensors`."""
        base = self.keep(name)
        module = make(base)
        like = next(base.parameters())
        module.to(device=like.device, dtype=like.dtype).train(base.training)
        self.model.set_submodule(name, module)
        for own, parameter in module.named_parameters():
            if not own.startswith("base."):
                self.tensors[f"{name}.{own}"] = parameter
        return module

    def keep(self, name: str) -> nn.Module:
        """The module of that name, which will be put back in the end."""
        self._modules[name] = self.model.get_submodule(name)
        return self._modules[name]

    def change(self, names: Iterable[str]) -> None:
        """Learn parameters of the model itself; their values are kept to be put back."""
        for name in names:
            self.tensors[name] = self.keep_weight(name)

    def keep_weight(self, name: str) -> Tensor:
        """The parameter of that name, whose values will be put back in the end."""
        parameter: Tensor = self.model.get_parameter(name)
        self._weights[name] = parameter.detach().clone()
        return parameter

    def hook(self, handle: Any) -> None:
        """A hook that will be removed in the end."""
        self._hooks.append(handle)

    def _require_attached(self) -> None:
        if not self._attached:
            raise ModelError(f"this {self.method.name} has been merged or removed already")

    @torch.no_grad()
    def _detach(self) -> None:
        for name, module in self._modules.items():
            self.model.set_submodule(name, module)
        for name, values in self._weights.items():
            self.model.get_parameter(name).copy_(values)
        for handle in self._hooks:
            handle.remove()
        for parameter, trained in self._trained.items():
            parameter.requires_grad_(trained)
        self._attached = False
        del self.model.adapted_by
        # peft leaves its settings behind.
        if hasattr(self.model, "peft_config"):
            del self.model.peft_config


def require_plain(model: Any) -> None:
    """ModelError if the model has an adapter that is neither merged nor removed."""
    if method := getattr(model, "adapted_by", ""):
        raise ModelError(
            f"the model is adapted by {method!r} already: merge or remove that adapter first"
        )


def require_finite(tensors: Mapping[str, Tensor]) -> None:
    """ModelError if a number is infinite or not a number."""
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{name} has values that are not finite: the training has diverged")


def fingerprints(model: Any) -> dict[str, str]:
    """By dtype, the fingerprint that the same checkpoint has when it is loaded in that dtype.

    A robot's GPU may run in half precision what was tuned in float32; rounding is the same
    everywhere, so each dtype has one exact fingerprint.
    """
    return {name: fingerprint(model, name) for name in DTYPES}


def fingerprint(model: Any, dtype: str) -> str:
    """SHA-256 of a CLIPSeg's weights in a dtype, and of what its forward needs to know besides."""
    digest = hashlib.sha256(json.dumps(list(forward_settings(model).values())).encode())
    for name, parameter in sorted(model.named_parameters()):
        digest.update(f"{name} {list(parameter.shape)}".encode())
        digest.update(tensor_bytes(parameter.detach().to(DTYPES[dtype])))
    return digest.hexdigest()


def forward_settings(model: Any) -> dict[str, Any]:
    """What a CLIPSeg's forward needs to know besides its weights, by name."""
    config = model.config
    known = {name: getattr(config, name) for name in _SETTINGS}
    for part in ("text_config", "vision_config"):
        tower = getattr(config, part)
        known |= {f"{part}.{name}": getattr(tower, name, None) for name in _TOWER_SETTINGS}
    return known


def tensor_bytes(tensor: Tensor) -> memoryview:
    """The bytes of a tensor, whatever its dtype and device."""
    return tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
