"""The action transformer: a causal decoder that writes tokens and looks at image, words and state.

Action = Decode(Transformer([visual tokens; language tokens])), with
Attention(Q_action, K_vision+language, V_vision+language), as in RT-2 (Brohan et al. 2023). The
towers are those of a CLIPSeg and stay as they are: this model reads their hidden states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlam_ros.errors import ModelError
from vlam_ros.policies.transformer.grammar import Choices
from vlam_ros.policies.transformer.inputs import (
    IGNORABLE,
    NO_WORD,
    NOUNS,
    STATES,
    PolicyInputs,
)
from vlam_ros.policies.transformer.layers import (
    OCTAVES,
    DecoderLayer,
    EncoderLayer,
    FoundObjects,
    LayerCache,
    Place,
    relevance,
    waves,
)

LARGEST_PLACE = 3.0
"""What the largest number is read as; by default it is so many metres in the action space."""


@dataclass(frozen=True)
class ActionTransformerConfig:
    """Sizes of an action transformer.

    Attributes:
        tokens: of its vocabulary.
        patches: of an image, the class token not counted.
        merged: side of the squares of patches that become one token of the memory, as in a Swin
            transformer: an image is most of what is looked at.
        patch_width: channels of a patch before that.
        tower_width: channels of a patch's hidden state.
        text_width: channels of a word's hidden state.
        longest: tokens of the longest text that it writes.
        width: channels of the decoder.
        layers: of the decoder.
        encoder_layers: of what words, things, memories and states are told of each other before, so
            that "the left cup" is one of the cups.
        heads: of its attentions.
        dropout: share of channels that training leaves out of what a layer ends with.
        numbers: tokens at the end of the vocabulary that are numbers, the last of which is none.
        ignores: names of PolicyInputs that it does not read, to find out what they are worth.
    """

    tokens: int
    patches: int
    tower_width: int
    text_width: int
    longest: int
    width: int = 224
    layers: int = 4
    encoder_layers: int = 2
    heads: int = 7
    dropout: float = 0.1
    numbers: int = 0
    ignores: tuple[str, ...] = ()
    merged: int = 1
    patch_width: int = 96

    def __post_init__(self) -> None:
        side = math.isqrt(self.patches)
        if self.width % self.heads:
            raise ValueError(f"{self.width} channels are not divided by {self.heads} heads")
        if self.merged < 1 or side % self.merged:
            raise ValueError(f"{side} x {side} patches are not merged by {self.merged}")
        if strange := set(self.ignores) - set(IGNORABLE):
            raise ValueError(f"there is no input {min(strange)}: {', '.join(IGNORABLE)}")

    @property
    def cells(self) -> int:
        """Tokens of the memory that are of the image, the class token not counted."""
        return self.patches // self.merged**2


@dataclass
class Memory:
    """What a text is written about: its mask bool[B,1,1,M], and what every layer made of it; with
    the embeddings of all tokens float[tokens,D], which are the same for all that is written, and
    the `objects` float[B,K,C,D] as the encoder sees them.
    """

    mask: Tensor
    layers: list[LayerCache]
    table: Tensor
    objects: Tensor
    length: int = 0

    def forget(self, tokens: int) -> None:
        """Take back the last tokens that were read."""
        self.length -= tokens
        for cache in self.layers:
            if tokens and cache.written:
                key, value = (each[:, :, : self.length] for each in cache.written)
                cache.written = key, value


SHORTEST_DRAFT = 4
Draft = Callable[[Sequence[int]], Sequence[int]]
"""What may follow the tokens that are written; any of the vocabulary, or none."""


def no_draft(tokens: Sequence[int]) -> Sequence[int]:
    """Nothing is guessed."""
    return ()


@dataclass(frozen=True)
class WrittenTokens:
    """A text as it was written: its tokens, and the natural logarithm of the probability of each
    among those that could stand there.
    """

    tokens: tuple[int, ...]
    log_probabilities: tuple[float, ...]


class ActionTransformer(nn.Module):
    """Writes tokens about an observation and an instruction."""

    def __init__(self, config: ActionTransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embedding = nn.Embedding(config.tokens, width)
        self.by_value = nn.Linear(1 + 2 * OCTAVES, width, bias=False)
        self.positions = nn.Embedding(config.longest, width)
        narrow = config.patch_width
        self.patches = nn.Sequential(
            nn.LayerNorm(config.tower_width), nn.Linear(config.tower_width, narrow)
        )
        self.patch_positions = nn.Parameter(torch.zeros(1 + config.patches, narrow))
        self.image = nn.Linear(narrow, width)
        self.cells = nn.Linear(config.merged**2 * narrow, width)
        self.places, self.floor, self.remembered = map(Place, (narrow, narrow, width))
        self.remembered_names = nn.Parameter(torch.zeros(2, width))
        self.relevance = nn.Linear(3 * len(NOUNS), narrow)
        self.words = nn.Sequential(
            nn.LayerNorm(config.text_width), nn.Linear(config.text_width, width)
        )
        self.kinds = nn.Embedding(3, width)
        self.states = nn.Parameter(torch.zeros(len(STATES), 1 + 2 * OCTAVES, width))
        self.state_names, self.no_state = (
            nn.Parameter(torch.zeros(len(STATES), width)) for _ in range(2)
        )
        self.encoder = nn.ModuleList(
            EncoderLayer(width, config.heads, config.dropout) for _ in range(config.encoder_layers)
        )
        self.memory_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            DecoderLayer(width, config.heads, config.dropout) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)
        self.objects = FoundObjects(len(NOUNS), width)

    def look(self, inputs: PolicyInputs) -> Memory:
        """What texts about these observations are written with: image, words and state."""
        inputs = inputs.without(self.config.ignores)
        image = self.patches(inputs.patches) + self.patch_positions
        of_patches = self.places(inputs.places) + self.floor(inputs.floor)
        of_patches = of_patches + self.relevance(relevance(inputs.relevance))
        cells = self.cells(self._merged(image[:, 1:] + of_patches))
        image = torch.cat([self.image(image[:, :1]), cells], 1)
        table = self._table()
        words = self.words(inputs.words) + self.kinds(inputs.kinds.clamp(min=0))
        words = words + functional.embedding(inputs.pieces, table)
        known = inputs.states.isfinite()[..., None]
        values = torch.einsum(
            "bsw,swd->bsd", waves(inputs.states.nan_to_num()[..., None]), self.states
        )
        state = torch.where(known, values, self.no_state) + self.state_names
        remembered = self.remembered(inputs.remembered) + self.remembered_names
        objects = self.objects(inputs.objects).flatten(1, 2)
        told = torch.cat([words, state, remembered, objects], 1)
        mask = torch.ones(told.shape[:2], dtype=torch.bool, device=told.device)
        mask[:, : words.shape[1]] = inputs.kinds != NO_WORD
        for encoder in self.encoder:
            told = encoder(told, mask[:, None, None])
        seen = self.memory_norm(torch.cat([image, told], 1))
        mask = functional.pad(mask, (image.shape[1], 0), value=True)
        layers = cast("list[DecoderLayer]", list(self.layers))
        caches = [LayerCache(None, layer.memory.keys_and_values(seen)) for layer in layers]
        encoded = seen[:, -objects.shape[1] :].unflatten(1, inputs.objects.shape[1:3])
        return Memory(mask[:, None, None], caches, table, encoded)

    def _merged(self, patches: Tensor) -> Tensor:
        """Patches [B,N,D] as squares of them, row by row, [B,N/merged²,merged²·D]."""
        side, merged = math.isqrt(self.config.patches), self.config.merged
        squares = patches.unflatten(1, (side // merged, merged, side // merged, merged))
        return squares.transpose(2, 3).flatten(3).flatten(1, 2)

    def forward(self, tokens: Tensor, memory: Memory) -> Tensor:
        """Logits float[B,L,tokens] of what follows each of the tokens int64[B,L], which come after
        those that the memory has had already.
        """
        places = torch.arange(memory.length, memory.length + tokens.shape[1], device=tokens.device)
        states = functional.embedding(tokens, memory.table) + self.positions(places)
        for layer, cache in zip(self.layers, memory.layers, strict=True):
            states = layer(states, cache, memory.mask)
        memory.length += tokens.shape[1]
        return self.norm(states) @ memory.table.T

    def _table(self) -> Tensor:
        """The embeddings of all tokens; those of numbers know how large they are, as places do."""
        weight, count = self.embedding.weight, self.config.numbers
        if not count:
            return weight
        values = torch.linspace(-LARGEST_PLACE, LARGEST_PLACE, count - 1, device=weight.device)
        by_value = self.by_value(waves(values[:, None]))
        return weight + functional.pad(by_value, (0, 0, len(weight) - count, 1))

    @torch.inference_mode()
    def attention(self, tokens: Sequence[int], inputs: PolicyInputs) -> Tensor:
        """How much each token of a text about one observation looks at each cell of the image when
        it is to be followed, float[L,cells]: the mean of all layers and heads. What is missing to a
        sum of 1 looks at words, state and the image as a whole.
        """
        memory, device = self.look(inputs), inputs.patches.device
        for cache in memory.layers:
            cache.looked = []
        self(torch.tensor([list(tokens)], device=device), memory)
        looked = torch.stack([each for cache in memory.layers for each in cache.looked or ()])
        return looked.mean(0)[0, :, 1 : 1 + self.config.cells]

    @torch.inference_mode()
    def write(
        self,
        inputs: PolicyInputs,
        start: Sequence[int],
        choices: Choices,
        temperature: float = 0.0,
        seed: int = 0,
        draft: Draft = no_draft,
    ) -> WrittenTokens:
        """Write a text about one observation.

        A `draft` is read at once with what was written, and kept as far as it is what would have
        been written (speculative decoding, Leviathan et al. 2023): only the time depends on it. Of
        the next one as much is read as was kept of the last, twice.

        Args:
            inputs: of a single observation.
            start: tokens that the text is asked for by, one at least; they are not part of it.
            choices: what may stand where; at its end afterwards.
            temperature: 0 writes what is likeliest, 1 as often as it is likely.
            seed: of what is drawn.
            draft: what may follow the tokens that are written already.

        Raises:
            ModelError: it gets longer than the model can write.
        """
        memory, device = self.look(inputs), inputs.patches.device
        generator = torch.Generator(device).manual_seed(seed)
        pending = list(start)
        tokens: list[int] = []
        logs: list[float] = []
        guessed: list[int] = []  # read already, after all that is written
        logits: list[Tensor] = []  # of what follows that, and each of the guessed
        most, kept = self.config.longest, 0  # of a guess
        while choices.allowed:
            if memory.length - len(guessed) + len(pending) >= self.config.longest:
                raise ModelError(
                    f"the policy writes {self.config.longest} tokens at most: name what is meant "
                    "with fewer words, or train it with longer ones"
                )
            if len(choices.allowed) == 1:
                # Nothing to choose: it is read with what follows it.
                token, log = choices.allowed[0], 0.0
            else:
                if not logits:
                    room = self.config.longest - memory.length - len(pending)
                    guessed, kept = list(draft(tokens))[: min(room, most)], 0
                    read = torch.tensor([pending + guessed], device=device)
                    logits, pending = [*self(read, memory)[0, len(pending) - 1 :]], []
                allowed = torch.tensor(choices.allowed, device=device)
                chances = logits[0][allowed].float().log_softmax(-1)
                if temperature > 0:
                    drawn = (chances / temperature).softmax(-1)
                    which = int(torch.multinomial(drawn, 1, generator=generator))
                else:
                    which = int(chances.argmax())
                token, log = choices.allowed[which], float(chances[which])
            tokens.append(token)
            logs.append(log)
            choices.write(token)
            if guessed[:1] == [token]:
                guessed, logits, kept = guessed[1:], logits[1:], kept + 1
            else:
                most = max(SHORTEST_DRAFT, 2 * kept)
                memory.forget(len(guessed))
                guessed, logits = [], []
                pending.append(token)
        return WrittenTokens(tuple(tokens), tuple(logs))
