"""The methods of tuning a CLIPSeg with few parameters, each with its settings.

A method is only a description; `attach` puts it into force and an adapter file names it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vlam_ros.errors import ModelError

PARTS = {
    "vision": ("clip.vision_model.", "clip.visual_projection."),
    "text": ("clip.text_model.", "clip.text_projection.", "clip.logit_scale"),
    "decoder": ("decoder.",),
}
"""The parts of a CLIPSeg, and what the names of their weights begin with."""

LINEAR_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
"""The linear layers of a transformer layer, by the last part of their names."""


@dataclass(frozen=True)
class Method:
    """What the methods have in common. ModelError if a setting is out of range.

    `mergeable`: whether the tuned model can become one of plain layers, with the base's shapes.
    `identity`: whether a model that the method has just been applied to still gives the base's
    outputs.
    """

    name: ClassVar[str]
    mergeable: ClassVar[bool] = False
    identity: ClassVar[bool] = True


@dataclass(frozen=True)
class _PartsMethod(Method):
    """A method that can be confined to some of the `parts` of the model."""

    parts: tuple[str, ...] = tuple(PARTS)

    def __post_init__(self) -> None:
        _require_words("parts", self.parts, PARTS)


@dataclass(frozen=True)
class FullFineTuning(_PartsMethod):
    """All weights train."""

    name: ClassVar[str] = "full"
    mergeable: ClassVar[bool] = True


@dataclass(frozen=True)
class BitFit(_PartsMethod):
    """Only the biases train (Ben Zaken et al., ACL 2022)."""

    name: ClassVar[str] = "bitfit"
    mergeable: ClassVar[bool] = True


@dataclass(frozen=True)
class LoRA(_PartsMethod):
    """W + (alpha / rank)·B·A, A [rank,in] random, B [out,rank] zero (Hu et al., ICLR 2022).

    `layers` are the linear layers that get it, by the last part of their names.
    """

    name: ClassVar[str] = "lora"
    mergeable: ClassVar[bool] = True
    rank: int = 8
    alpha: int = 16
    layers: tuple[str, ...] = LINEAR_LAYERS

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_count("rank", self.rank, 1024)
        _require_count("alpha", self.alpha, 10_000)
        _require_words("layers", self.layers)


@dataclass(frozen=True)
class Adapter(_PartsMethod):
    """A bottleneck of `width` behind each attention and each MLP (Houlsby et al., ICML 2019)."""

    name: ClassVar[str] = "adapter"
    width: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_count("width", self.width, 4096)


@dataclass(frozen=True)
class PrefixTuning(_PartsMethod):
    """`length` learned keys and values in each attention (Li and Liang, ACL 2021).

    They have a softmax of their own (Zhang et al., LLaMA-Adapter, ICLR 2024), so that zero values
    are the identity to begin with.
    """

    name: ClassVar[str] = "prefix"
    length: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_count("length", self.length, 512)


@dataclass(frozen=True)
class PromptTuning(Method):
    """`length` learned vectors between a text's start and its first word (CoOp, Zhou et al. 2022).

    All words attend to them from the beginning, so this is no identity before it is trained.
    """

    name: ClassVar[str] = "prompt"
    identity: ClassVar[bool] = False
    length: int = 4

    def __post_init__(self) -> None:
        _require_count("length", self.length, 64)


METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (FullFineTuning, LoRA, Adapter, PrefixTuning, BitFit, PromptTuning)
}
"""By name: full, lora, adapter, prefix, bitfit, prompt."""


def method_named(name: str, settings: Mapping[str, Any]) -> Method:
    """A method by name, with settings as code or JSON gives them.

    Raises:
        ModelError: there is no such method or setting, or a value is out of range.
    """
    if name not in METHODS:
        raise ModelError(f"the method must be one of {', '.join(METHODS)}, got {name!r}")
    known = {field.name for field in dataclasses.fields(METHODS[name])}
    if unknown := sorted(set(settings) - known):
        raise ModelError(f"{name} has the settings {', '.join(sorted(known))}, got {unknown}")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    return METHODS[name](**values)


def _require_count(name: str, value: object, most: int) -> None:
    if not (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most):
        raise ModelError(f"{name} must be a whole number in 1..{most}, got {value!r}")


def _require_words(name: str, words: object, known: Mapping[str, Any] | None = None) -> None:
    if not (
        isinstance(words, tuple)
        and words
        and all(isinstance(word, str) for word in words)
        and (known is None or set(words) <= set(known))
    ):
        some = f"some of {', '.join(known)}" if known else "names"
        raise ModelError(f"{name} must be a tuple of {some}, got {words!r}")
