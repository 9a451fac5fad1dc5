"""The layers that adapters put around those of a CLIPSeg; each ends with the base's shapes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

START_SCALE = 0.02
"""Standard deviation of a context before training, that of CLIP's own embeddings."""


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

    The words keep their positions, so that a text can be as long as before and hardly changes
    before the vectors are trained; the vectors have no position but what they learn.
    """

    def __init__(self, base: Any, length: int) -> None:
        super().__init__()
        self.base = base
        width = base.token_embedding.embedding_dim
        self.context = nn.Parameter(START_SCALE * torch.randn(length, width))

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
