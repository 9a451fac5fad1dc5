"""A method in force on a model: what it learns, and the ways to make it permanent or undo it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg.adapters.methods import Method

Prints = Mapping[str, str]
"""By dtype, the fingerprint that the base has when it is loaded in that dtype."""


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
