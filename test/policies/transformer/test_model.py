"""The action transformer looks at what is there, and writes the same at once and token by token."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from vlam_ros.policies.transformer.grammar import Choices
from vlam_ros.policies.transformer.inputs import (
    CANDIDATES,
    FOUND,
    NO_WORD,
    NOUNS,
    STATES,
    PolicyInputs,
    Words,
    padded,
)
from vlam_ros.policies.transformer.layers import FoundObjects
from vlam_ros.policies.transformer.model import (
    ActionTransformer,
    ActionTransformerConfig,
    Draft,
    Memory,
    WrittenTokens,
    no_draft,
)

CONFIG = ActionTransformerConfig(
    tokens=40,
    patches=16,
    tower_width=12,
    text_width=8,
    longest=20,
    width=24,
    layers=2,
    heads=2,
    merged=2,
)


@pytest.fixture(scope="module")
def model() -> ActionTransformer:
    torch.manual_seed(0)
    return ActionTransformer(CONFIG).eval()


def inputs(seed: int = 0, words: int = 4) -> PolicyInputs:
    rng = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    return PolicyInputs(
        drawn(1, 17, 12), drawn(1, 16, 3), drawn(1, 16, 3), drawn(1, 16, len(NOUNS)),
        drawn(1, len(NOUNS), CANDIDATES, len(FOUND)), drawn(1, words, 8),
        torch.arange(words)[None], torch.zeros(1, words, dtype=torch.long),
        drawn(1, len(STATES)), drawn(1, 2, 3),
    )  # fmt: skip


def any_of(tokens: list[int], length: int) -> Choices:
    def decision() -> Iterator[list[int]]:
        for _ in range(length):
            yield tokens

    return Choices(decision())  # type: ignore[arg-type]


def test_what_is_written_token_by_token_is_what_is_read_at_once(model: ActionTransformer) -> None:
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9]])
    whole = model(tokens, model.look(inputs()))
    memory = model.look(inputs())
    parts = [model(tokens[:, some], memory) for some in (slice(0, 2), slice(2, 3), slice(3, 6))]
    torch.testing.assert_close(torch.cat(parts, 1), whole)


def test_a_token_does_not_know_what_follows_it(model: ActionTransformer) -> None:
    one, other = torch.tensor([[3, 1, 4, 1]]), torch.tensor([[3, 1, 9, 2]])
    first, second = (model(tokens, model.look(inputs())) for tokens in (one, other))
    torch.testing.assert_close(first[:, :2], second[:, :2])
    assert not torch.allclose(first[:, 2:], second[:, 2:])


@pytest.mark.parametrize(
    "part",
    ["patches", "places", "floor", "relevance", "objects", "words", "states", "remembered"],
)
def test_everything_that_is_seen_counts(model: ActionTransformer, part: str) -> None:
    tokens = torch.tensor([[3]])
    other = replace(inputs(), **{part: getattr(inputs(seed=1), part)})
    assert not torch.allclose(
        model(tokens, model.look(inputs())), model(tokens, model.look(other)), atol=1e-6
    )


@pytest.mark.parametrize(
    "part", ["places", "floor", "relevance", "objects", "states", "remembered"]
)
def test_what_is_unknown_is_no_zero(model: ActionTransformer, part: str) -> None:
    tokens, value = torch.tensor([[3]]), getattr(inputs(), part)
    for name, parameter in model.named_parameters():
        if name.endswith((".unknown", "no_state")):
            torch.nn.init.normal_(parameter)
    told = [replace(inputs(), **{part: torch.full_like(value, x)}) for x in (math.nan, 0.0)]
    unknown, zero = (model(tokens, model.look(each)) for each in told)
    assert unknown.isfinite().all()
    assert not torch.allclose(unknown, zero, atol=1e-6)


@pytest.mark.parametrize(
    "part", ["patches", "places", "relevance", "objects", "words", "remembered"]
)
def test_what_is_ignored_does_not_count(model: ActionTransformer, part: str) -> None:
    blind = ActionTransformer(replace(CONFIG, ignores=(part,))).eval()
    blind.load_state_dict(model.state_dict())
    tokens, other = torch.tensor([[3, 1]]), inputs(seed=1)
    changed = replace(inputs(), **{part: getattr(other, part)})
    first, second = (blind(tokens, blind.look(each)) for each in (inputs(), changed))
    assert first.isfinite().all()
    torch.testing.assert_close(first, second)
    assert not torch.allclose(first, model(tokens, model.look(inputs())), atol=1e-6)


def test_an_object_is_seen_beside_the_others_in_whatever_order() -> None:
    torch.manual_seed(0)
    found, objects = FoundObjects(len(NOUNS), 16), inputs().objects
    tokens = found(objects)
    turned, moved, gone = objects.clone(), objects.clone(), objects.clone()
    turned[:, 0] = objects[:, 0, [2, 0, 1]]
    torch.testing.assert_close(found(turned)[:, 0], tokens[:, 0, [2, 0, 1]])
    moved[:, 0, 1, 1] += 1.0
    gone[:, 0, 1] = math.nan
    for changed in (moved, gone):
        assert found(changed).isfinite().all()
        assert not torch.allclose(found(changed)[:, 0, 0], tokens[:, 0, 0])


@pytest.mark.parametrize(
    ("wrong", "changes"),
    [
        ("24 channels are not divided by 5 heads", {"heads": 5}),
        ("4 x 4 patches are not merged by 3", {"merged": 3}),
        ("there is no input kinds", {"ignores": ("kinds",)}),
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=wrong):
        replace(CONFIG, **changes)


def test_where_there_is_no_word_nobody_looks(model: ActionTransformer) -> None:
    tokens, few, many = torch.tensor([[3, 1]]), inputs(words=2), inputs(seed=1, words=5)
    words = padded([Words(each.words, each.pieces, each.kinds) for each in (few, many)])
    assert words.kinds.tolist() == [[0, 0, NO_WORD, NO_WORD, NO_WORD], [0] * 5]
    arrays = {
        name: torch.cat([value, getattr(many, name)])
        for name, value in vars(few).items()
        if name not in ("words", "pieces", "kinds")
    }
    batch = PolicyInputs(words=words.states, pieces=words.pieces, kinds=words.kinds, **arrays)
    both = model(tokens.expand(2, -1), model.look(batch))
    for row, alone in enumerate((few, many)):
        torch.testing.assert_close(both[row : row + 1], model(tokens, model.look(alone)))


def test_attention_is_where_each_token_looks(model: ActionTransformer) -> None:
    looked = model.attention([3, 1, 4], inputs())
    assert looked.shape == (3, 4)
    assert (looked >= 0).all()
    assert ((looked.sum(-1) > 0) & (looked.sum(-1) < 1)).all()
    # It is what the decoder mixes by: to nobody's key, everybody looks alike.
    alike = copy.deepcopy(model)
    for layer in alike.layers:
        torch.nn.init.zeros_(layer.memory.query.weight)
        torch.nn.init.zeros_(layer.memory.query.bias)
    seen = 1 + 4 + 4 + len(STATES) + 2 + len(NOUNS) * CANDIDATES
    torch.testing.assert_close(alike.attention([3], inputs()), torch.full((1, 4), 1 / seen))


def test_a_word_is_read_by_its_token_too(model: ActionTransformer) -> None:
    same, other = inputs(), inputs()
    other = replace(other, pieces=other.pieces + 1)
    tokens = torch.tensor([[3, 1]])
    logits, others = (model(tokens, model.look(each)) for each in (same, other))
    assert not torch.equal(logits, others)


def test_the_likeliest_is_written_and_drawing_goes_by_the_seed(model: ActionTransformer) -> None:
    allowed = [5, 7, 11, 13]
    best = model.write(inputs(), [3], any_of(allowed, 4))
    logits = model(torch.tensor([[3]]), model.look(inputs()))[0, -1, allowed]
    assert best.tokens[0] == allowed[int(logits.argmax())]
    assert best.log_probabilities[0] == pytest.approx(logits.log_softmax(-1).max().item())
    assert model.write(inputs(), [3], any_of(allowed, 4)) == best
    drawn = {model.write(inputs(), [3], any_of(allowed, 6), 1.0, seed).tokens for seed in range(8)}
    assert len(drawn) > 1
    again = [model.write(inputs(), [3], any_of(allowed, 6), 1.0, 5).tokens for _ in range(2)]
    assert again[0] == again[1]


@pytest.mark.parametrize("kind", ["right", "wrong", "half"])
def test_a_guess_changes_the_time_and_nothing_else(
    model: ActionTransformer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decision() -> Iterator[list[int]]:
        for step in range(14):
            yield [4] if step % 5 == 2 else [5, 7, 11, 13]

    def written(draft: Draft) -> tuple[WrittenTokens, int]:
        passes.clear()
        return model.write(inputs(), [3], Choices(decision()), draft=draft), len(passes)  # type: ignore[arg-type]

    passes: list[int] = []
    forward = ActionTransformer.forward

    def counted(self: ActionTransformer, tokens: Tensor, memory: Memory) -> Tensor:
        passes.append(tokens.shape[1])
        return forward(self, tokens, memory)

    monkeypatch.setattr(ActionTransformer, "forward", counted)
    plain, slow = written(no_draft)
    right = plain.tokens

    def draft(tokens: Sequence[int]) -> list[int]:
        following = list(right[len(tokens) : len(tokens) + 4])
        if kind == "half":
            following[2:] = [39] * len(following[2:])
        return [39] * 4 if kind == "wrong" else following

    guessed, passed = written(draft)
    assert guessed.tokens == right
    assert guessed.log_probabilities == pytest.approx(plain.log_probabilities, abs=1e-5)
    assert passed == {"right": 3, "wrong": slow, "half": 5}[kind]


def test_where_there_is_no_choice_nothing_is_calculated(
    model: ActionTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    forward = ActionTransformer.forward

    def counted(self: ActionTransformer, tokens: Tensor, memory: object) -> Tensor:
        lengths.append(tokens.shape[1])
        return forward(self, tokens, memory)  # type: ignore[arg-type]

    monkeypatch.setattr(ActionTransformer, "forward", counted)

    def decision() -> Iterator[list[int]]:
        yield [4]
        yield [5]
        yield [6, 7]
        yield [8]
        yield [9, 10]

    written = model.write(inputs(), [3], Choices(decision()))  # type: ignore[arg-type]
    assert lengths == [3, 2]
    assert written.tokens[:2] == (4, 5)
    assert written.log_probabilities[:2] == (0.0, 0.0)


def test_numbers_are_written_by_how_large_they_are() -> None:
    torch.manual_seed(1)
    plain = ActionTransformer(replace(CONFIG, numbers=0)).eval()
    valued = ActionTransformer(replace(CONFIG, numbers=20)).eval()
    valued.load_state_dict(plain.state_dict())
    first, tokens = CONFIG.tokens - 20, torch.tensor([[3]])
    changed = valued._table() - plain._table()
    # Words, and the number that is none, are as they were; neighbours are more alike.
    assert changed[:first].abs().max() == changed[-1].abs().max() == 0
    values = changed[first:-1]
    near, far = ((values[n:] - values[:-n]).norm(dim=-1).mean() for n in (1, 8))
    assert 0 < near < far
    other = valued(tokens, valued.look(inputs()))
    same = plain(tokens, plain.look(inputs()))
    torch.testing.assert_close(other[..., :first], same[..., :first])
    assert not torch.allclose(other[..., first:-1], same[..., first:-1], atol=1e-4)
