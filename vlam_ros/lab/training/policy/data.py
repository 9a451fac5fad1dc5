"""Demonstrations as training data: read from their shards, varied, and made batches of."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numpy.random import Generator
from torch import Tensor

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.policy.demonstration_policy import ARRAYS, QUESTION, Demonstration
from vlam_ros.lab.training.policy.expert import PLACES
from vlam_ros.policies.transformer.inputs import STATES, UNKNOWN, PolicyInputs, Words, padded
from vlam_ros.policies.transformer.vocabulary import (
    ACT,
    ANSWER,
    AT,
    CLAIMS,
    EXECUTE,
    NOWHERE,
    PAD,
    VERIFY,
    PolicyVocabulary,
)
from vlam_ros.types import ActionSpace, Noun, Reason

NONE = -1
"""The index of what a row has not."""
PLANNED, PLACED, CLAIMED, DECIDED, ROWS, ANSWERED, UNJUDGED = 0, 1, 2, 3, 4, 5, -1
"""What a token is part of: the plan, where things are, the claims, what it comes to, the rows, the
answer to a question; or nothing.
"""
PART_NAMES = ("plan", "places", "claims", "decision", "rows", "answers")

ASKED, BLIND = 1 / 3, 1 / 2
"""Share of a batch that are questions, and of the rest what is shown without images."""
NO_DEPTH, DEPTH_LOST, NO_RELEVANCE, FORGOTTEN = 0.1, 0.1, 0.1, 0.4
"""How often an observation has no depth, what share of patches loses its own, how often nothing is
known of where the nouns are, and how often what is in view is not remembered, so that one looks.
"""
IN_VIEW = 0.2
"""Metres from what was found to what is remembered, if that is the same."""
PLACE_NOISE, STATE_NOISE, MEMORY_NOISE = 0.01, 0.02, 0.005
"""Standard deviations, in m and in the units of the states."""

MISREAD, MISREAD_BINS = 0.3, 2.0
"""Share of the numbers that were written which are read otherwise, and by how much, on average."""
MANY = 10
"""A number from which it is a place."""
MEANT = 0.1
"""Metres from a place within which something is what the place is of."""
_PLACE = re.compile(rf"{AT} (\d+) (\d+)|{NOWHERE}")
_MISSING = (Reason.TARGET_NOT_FOUND, Reason.DESTINATION_NOT_FOUND)
Read = Callable[[dict[int, str]], Words]
"""What is read of what is said, by whose words it is."""


@dataclass(frozen=True)
class PolicyBatch:
    """B observations, and what is to be written about them: tokens int64[B,1+L], the first of which
    asks for it, and of which part each of the others is, int64[B,L]. `decoder_inputs`, int64[B,L],
    are the tokens after which each is to be written, with the errors that a policy makes itself.
    `meant`, float[B,K,C], is 1 for those of the objects of the inputs that the text is about, 0 for
    others, and NaN where nobody knows.
    """

    inputs: PolicyInputs
    tokens: Tensor
    parts: Tensor
    decoder_inputs: Tensor
    meant: Tensor


@dataclass(frozen=True)
class Demonstrations:
    """Shards of demonstrations: rows, arrays [M,…] of what of ARRAYS is known, and which of those a
    row has, int64[N] each, NONE where it is not.
    """

    rows: tuple[Demonstration, ...]
    arrays: dict[str, npt.NDArray[Any]]
    which: dict[str, npt.NDArray[np.int64]]

    @classmethod
    def load(cls, folders: Sequence[Path]) -> Demonstrations:
        """Read all shards of folders.

        Raises:
            LearningError: a folder has none, or one of them cannot be read.
        """
        rows: list[Demonstration] = []
        arrays: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ARRAYS}
        which: dict[str, list[int]] = {name: [] for name in ARRAYS}
        for folder in folders:
            if not (paths := sorted(folder.glob("*-*-*.npz"))):
                raise LearningError(
                    f"{folder} has no demonstrations: make some with `vlam data demos`"
                )
            for path in paths:
                try:
                    with np.load(path) as shard:
                        told = json.loads(shard["rows"].tobytes())
                        for name in ARRAYS:
                            _add(arrays[name], which[name], shard[name], len(told))
                except (OSError, ValueError, KeyError) as error:
                    raise LearningError(f"{path} is no shard of demonstrations: {error}") from error
                rows += [_row(each) for each in told]
        if not rows:
            raise LearningError(f"nothing is shown in {', '.join(map(str, folders))}: make more")
        if missing := [name for name, parts in arrays.items() if not parts]:
            raise LearningError(
                f"no demonstration in {', '.join(map(str, folders))} has {', '.join(missing)}: add "
                "some with images, of `vlam data demos`"
            )
        return cls(
            tuple(rows),
            {name: np.concatenate(parts) for name, parts in arrays.items()},
            {name: np.array(indices) for name, indices in which.items()},
        )

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, share: float) -> Demonstrations:
        """Those of a share of the episodes, and of the questions."""
        if share >= 1:
            return self
        kept = [np.random.default_rng([row.seed, 11]).random() < share for row in self.rows]
        rows = tuple(row for row, keep in zip(self.rows, kept, strict=True) if keep)
        return replace(
            self, rows=rows, which={name: values[kept] for name, values in self.which.items()}
        )

    def shortened(self, plans: bool, rows: int, columns: int) -> Demonstrations:
        """The same in fewer tokens: without plans and claims, or with so many rows of `columns`
        numbers.
        """

        def short(row: Demonstration) -> Demonstration:
            words = row.text.split()
            if row.kind == QUESTION:
                return row
            end = words.index(VERIFY) + 1 + len(CLAIMS)
            before, after = words[:end] if plans else [], words[end:]
            if after[0] == EXECUTE:
                after = [*after[: 1 + rows * columns], after[-1]]
            return replace(row, text=" ".join(before + after))

        return replace(self, rows=tuple(map(short, self.rows)))


def _add(
    arrays: list[npt.NDArray[Any]], which: list[int], values: npt.NDArray[Any], rows: int
) -> None:
    """Add what the rows of a shard have of one of ARRAYS, all or none."""
    if len(values) not in (0, rows):
        raise ValueError(f"{rows} rows and {len(values)} arrays")
    before = sum(map(len, arrays))
    which += range(before, before + rows) if len(values) else [NONE] * rows
    if len(values):
        arrays.append(values)


def _row(values: dict[str, Any]) -> Demonstration:
    words = {int(kind): text for kind, text in values.pop("words").items()}
    return Demonstration(words, values.pop("text"), tuple(values.pop("known")), **values)


def inputs_at(data: Demonstrations, indices: Sequence[int], read: Read) -> PolicyInputs:
    """What was read at some demonstrations, as it was."""
    words = padded([read(data.rows[index].words) for index in indices])
    arrays = {}
    for name in ARRAYS:
        which, known = data.which[name][list(indices)], data.arrays[name]
        values = np.full((len(which), *known.shape[1:]), UNKNOWN.get(name, np.nan), np.float32)
        values[which != NONE] = known[which[which != NONE]]
        arrays[name] = torch.from_numpy(values)
    return PolicyInputs(words=words.states, pieces=words.pieces, kinds=words.kinds, **arrays)


def meant_of(rows: Sequence[Demonstration], objects: Tensor, space: ActionSpace) -> Tensor:
    """Which of their objects float[B,K,C,F] some demonstrations are about, as a PolicyBatch has it:
    what is where a noun is said to be, and nothing of what is not found.
    """
    places = objects[..., :2].numpy()
    labels = torch.full(places.shape[:-1], math.nan)
    x, y = (np.linspace(axis.low, axis.high, axis.bins) for axis in space.dimensions[:2])
    for row, shown in enumerate(rows):
        said, _, rest = shown.text.partition(VERIFY)
        if PLACES not in shown.known:
            continue
        for of, place, reason in zip((0, 2), _PLACE.finditer(said), _MISSING, strict=False):
            found = np.clip(places[row, of], (x[0], y[0]), (x[-1], y[-1]))
            if place[1]:
                gaps = np.hypot(*(found - (x[int(place[1])], y[int(place[2])])).T)
            elif reason.name in rest:
                gaps = np.where(np.isnan(found[:, 0]), np.nan, np.inf)
            else:
                continue
            is_it = np.where(np.isnan(gaps), np.nan, gaps <= MEANT)
            labels[row, of] = torch.from_numpy(is_it)
    return labels


def written(
    data: Demonstrations, indices: Sequence[int], vocabulary: PolicyVocabulary
) -> tuple[Tensor, Tensor]:
    """Tokens and parts of some demonstrations, as a PolicyBatch has them."""
    texts = [vocabulary.encode(data.rows[index].text) for index in indices]
    longest = max(map(len, texts))
    tokens = torch.full((len(texts), 1 + longest), vocabulary[PAD])
    parts = torch.full((len(texts), longest), UNJUDGED)
    for row, (index, text) in enumerate(zip(indices, texts, strict=True)):
        shown = data.rows[index]
        asks = shown.kind == QUESTION
        tokens[row, 0] = vocabulary[ANSWER if asks else ACT]
        tokens[row, 1 : 1 + len(text)] = torch.tensor(text)
        of = [ANSWERED] * len(text) if asks else _parts(text, shown.known, vocabulary)
        parts[row, : len(text)] = torch.tensor(of)
    return tokens, parts


def _parts(text: Sequence[int], known: Sequence[str], vocabulary: PolicyVocabulary) -> list[int]:
    parts, end = [], 0
    if vocabulary[VERIFY] in text:
        claims = text.index(vocabulary[VERIFY]) + 1
        end = claims + len(CLAIMS)
        signs = {vocabulary[AT], vocabulary[NOWHERE]}
        placed = next((i for i, token in enumerate(text) if token in signs), claims - 1)
        of_places = PLACED if PLACES in known else UNJUDGED
        parts = [PLANNED] * placed + [of_places] * (claims - 1 - placed) + [PLANNED]
        parts += [CLAIMED if name in known else UNJUDGED for name in CLAIMS]
    parts += [DECIDED] + [ROWS if text[end] == vocabulary[EXECUTE] else DECIDED] * (
        len(text) - end - 1
    )
    return parts


def varied(inputs: PolicyInputs, rng: Generator) -> PolicyInputs:
    """Inputs with the noise and the gaps that sensors have."""
    count, patches, _ = inputs.places.shape

    def noisy(values: Tensor, deviation: float) -> Tensor:
        return values + deviation * torch.from_numpy(rng.standard_normal(values.shape, np.float32))

    def some(share: float) -> Tensor:
        return torch.from_numpy(rng.random(count) < share)

    places = noisy(inputs.places, PLACE_NOISE)
    lost = rng.random((count, patches)) < DEPTH_LOST * rng.random((count, 1))
    places[torch.from_numpy(lost)] = math.nan
    places[some(NO_DEPTH)] = math.nan
    relevance = inputs.relevance.clone()
    relevance[some(NO_RELEVANCE)] = math.nan
    states = noisy(inputs.states, STATE_NOISE)
    holding = STATES.index("holding")
    states[:, holding] = inputs.states[:, holding]
    remembered = noisy(inputs.remembered, MEMORY_NOISE)
    found = inputs.objects[..., :3].flatten(1, 2)
    objects = inputs.objects.clone()
    objects[..., :3] = noisy(objects[..., :3], PLACE_NOISE)
    gaps = (found[:, None] - inputs.remembered[:, :, None]).norm(dim=-1)
    in_view = (gaps < IN_VIEW).any(-1)
    forgotten = torch.from_numpy(rng.random((count, len(Noun))) < FORGOTTEN)
    remembered[in_view & forgotten] = math.nan
    return replace(
        inputs, places=places, relevance=relevance, objects=objects, states=states,
        remembered=remembered,
    )  # fmt: skip


def misread(tokens: Tensor, parts: Tensor, vocabulary: PolicyVocabulary, rng: Generator) -> Tensor:
    """Tokens int64[B,1+L] but the last as they are read, int64[B,L].

    Places and rows are often a little off, so that a row is written by where things are, and not
    only by the row before, whose error would go on. A claim that is not judged is as often denied:
    a policy writes anything there, and what follows must not depend on it.
    """
    zero, none = vocabulary["0"], vocabulary[str(vocabulary.largest)]
    read = tokens[:, :-1].clone()
    # What is read at a place was written one before it. A command is a small number.
    part = torch.cat([torch.full_like(parts[:, :1], UNJUDGED), parts[:, :-1]], 1)
    off = torch.from_numpy(rng.normal(0, MISREAD_BINS, read.shape).round()).long()
    off[torch.from_numpy(rng.random(read.shape) >= MISREAD)] = 0
    number = (read >= zero + MANY) & (read < none) & ((part == ROWS) | (part == PLACED))
    first = vocabulary[CLAIMS["found"][0]]
    claims = (part == UNJUDGED) & (read >= first) & (read < first + 2 * len(CLAIMS))
    denied = claims & torch.from_numpy(rng.random(read.shape) < 0.5)
    read = torch.where(denied, first + ((read - first) ^ 1), read)
    return torch.where(number, (read + off).clamp(zero + MANY, none - 1), read)


@dataclass(frozen=True)
class DemonstrationBatches:
    """The batches of a training: a function of its seed and the step. Of each a share are questions
    about images, and what is shown without images, where there are any.
    """

    data: Demonstrations
    vocabulary: PolicyVocabulary
    read: Read
    space: ActionSpace
    size: int
    seed: int

    def batch(self, step: int) -> PolicyBatch:
        rng = np.random.default_rng([self.seed, step])
        indices = rng.choice(len(self.data), self.size, p=self._weights).tolist()
        tokens, parts = written(self.data, indices, self.vocabulary)
        shown = inputs_at(self.data, indices, self.read)
        inputs = varied(shown, rng)
        decoder_inputs = misread(tokens, parts, self.vocabulary, rng)
        meant = meant_of([self.data.rows[i] for i in indices], shown.objects, self.space)
        return PolicyBatch(inputs, tokens, parts, decoder_inputs, meant)

    @cached_property
    def _weights(self) -> npt.NDArray[np.float64]:
        """Long episodes are not seen more often than the square root of their length says."""
        episodes = np.array([f"{row.kind} {row.seed}" for row in self.data.rows])
        _, which, counts = np.unique(episodes, return_inverse=True, return_counts=True)
        weights = 1 / np.sqrt(counts[which])
        asks = np.array([row.kind == QUESTION for row in self.data.rows])
        blind = self.data.which["patches"] == NONE
        for some, others, share in ((blind, ~blind & ~asks, BLIND), (asks, ~asks, ASKED)):
            if some.any() and others.any():
                weights[some] *= share / weights[some].sum()
                weights[others] *= (1 - share) / weights[others].sum()
        return weights / weights.sum()
