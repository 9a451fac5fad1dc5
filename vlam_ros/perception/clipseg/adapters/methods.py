"""The methods of tuning a CLIPSeg with few parameters: settings of each, and the layers it adds.

A method is only a description; `attach` puts it into force and an adapter file names it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlam_ros.errors import ModelError

PARTS = {
    "vision": ("clip.vision_model.", "clip.visual_projection."),
    "text": ("clip.text_model.", "clip.text_projection.", "clip.logit_scale"),
    "decoder": ("decoder.",),
}
"""The parts of a CLIPSeg, and what the names of their weights begin with."""

LINEAR_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
"""The linear layers of a transformer layer, by the last part of their names."""
START_SCALE = 0.002
"""Standard deviation of a context around the start token before training, so that its vectors can
learn different things; that of CLIP's own embeddings is ten times as large.
"""


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


class Bottleneck(nn.Module):
    """y + up(gelu(down(y))) of a linear layer's output y, float[…,D] (Houlsby et al. 2019).

    `up` begins at zero, so that nothing changes.
    """

    def __init__(self, base: nn.Linear, width: int) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Linear(base.out_features, width)
        self.up = nn.Linear(width, base.out_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, states: Tensor) -> Tensor:
        """float[…,in] → float[…,D]."""
        output: Tensor = self.base(states)
        change: Tensor = self.up(functional.gelu(self.down(output)))
        return output + change


class PrefixedAttention(nn.Module):
    """An attention that also attends to P learned keys and values (Li and Liang 2021).

    With a prefix under the softmax of the tokens the attention of a head is
    (1 − λ)·softmax(q·Kᵀ)·V + λ·softmax(q·Pₖᵀ)·Pᵥ (He et al., ICLR 2022, equation 5). Here both
    softmaxes count in full, as in LLaMA-Adapter: zero values Pᵥ change nothing to begin with, and
    no mask has to know of the prefix.
    """

    def __init__(self, base: Any, length: int) -> None:
        super().__init__()
        self.base = base
        shape = (length, base.num_heads, base.head_dim)
        # Keys as large as queries, or all of them would be attended to alike.
        self.keys = nn.Parameter(torch.randn(shape))
        self.values = nn.Parameter(torch.zeros(shape))

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, **options: Any
    ) -> tuple[Tensor, Tensor | None]:
        """As CLIPSegAttention: float[B,L,D] → the output float[B,L,D], and the base's weights."""
        output, weights = self.base(hidden_states, attention_mask=attention_mask, **options)
        queries = self.base.q_proj(hidden_states).unflatten(-1, self.keys.shape[1:])
        scores = torch.einsum("blhd,phd->blhp", queries, self.keys) * self.base.scale
        mixed = torch.einsum("blhp,phd->blhd", scores.softmax(-1), self.values).flatten(2)
        return output + functional.linear(mixed, self.base.out_proj.weight), weights


class PromptedEmbeddings(nn.Module):
    """A text tower's embeddings with M learned vectors behind the start token (CoOp, Zhou 2022).

    The words keep their positions, so that a text can be as long as before. The vectors begin as
    the start token in its place, so that a text hardly changes before they are trained; they have
    no position but what they learn.
    """

    def __init__(self, base: Any, length: int, start: int) -> None:
        super().__init__()
        self.base = base
        token = (base.token_embedding.weight[start] + base.position_embedding.weight[0]).detach()
        apart = START_SCALE * torch.randn(length, len(token)).to(token)
        self.context = nn.Parameter(token + apart)

    def forward(self, input_ids: Tensor, position_ids: Tensor | None = None) -> Tensor:
        """int64[T,M+L], the first M+1 being the start token → float[T,M+L,D]."""
        words = self.base(input_ids[:, len(self.context) :], position_ids)
        context = self.context.expand(len(words), -1, -1)
        return torch.cat([words[:, :1], context, words[:, 1:]], dim=1)

    def make_room(
        self, tower: Any, args: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The tower's forward pre-hook: its ids [T,L] and mask [T,L] become [T,M+L].

        The tower counts tokens in its mask and finds a text's end in its ids.
        """
        options = {**options, **dict(zip(("input_ids", "attention_mask"), args, strict=False))}
        for name in ("input_ids", "attention_mask"):
            if (rows := options.get(name)) is not None:
                start = rows[:, :1].expand(-1, len(self.context))
                options[name] = torch.cat([start, rows], dim=1)
        return (), options
