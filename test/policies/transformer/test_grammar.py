"""What the policy writes: text and tokens, and decisions that can always be read."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import policy

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg import load_checkpoint
from vlam_ros.policies.transformer.grammar import MOST_STEPS, Grammar
from vlam_ros.policies.transformer.vocabulary import CLAIMS, REASONS, PolicyVocabulary
from vlam_ros.types import Outcome, Reason

SPACE = policy().space
STEPS = {"go to red cup": 1, "pick up red cup": 3, "place on blue plate": 4, "go to": 1}
CLAIMED = "<found> <single> <reachable> <blocked> <ready> <not_there>"
ROW = "1 190 127 255 127"
AT = "<at> 211 127"


@pytest.fixture(scope="module")
def vocabulary() -> PolicyVocabulary:
    return PolicyVocabulary(load_checkpoint("embedded", "cpu", "float32").tokenizer, 255)


def grammar(
    vocabulary: PolicyVocabulary, plans: bool = True, horizon: int = 2, nouns: int = 1
) -> Grammar:
    return Grammar(vocabulary, SPACE, horizon, STEPS, nouns, plans)


def drawn(of: Grammar, seed: int) -> list[int]:
    """A decision that nobody thought about."""
    rng, choices, tokens = random.Random(seed), of.choices(), []
    while choices.allowed:
        tokens.append(rng.choice(choices.allowed))
        choices.write(tokens[-1])
    return tokens


def test_a_text_has_tokens_and_comes_back(vocabulary: PolicyVocabulary) -> None:
    text = (
        f"<plan> go to red cup <then> pick up red cup {AT} <verify> {CLAIMED} <execute> {ROW} <end>"
    )
    tokens = vocabulary.encode(text)
    assert vocabulary.decode(tokens) == text
    assert len(tokens) < len(text.split()) + 4
    assert max(tokens) < len(vocabulary)
    assert (
        vocabulary.decode(vocabulary.encode("pick up the Zwiebel 12")) == "pick up the zwiebel 12"
    )
    assert vocabulary.numbers([0, 255]) == vocabulary.encode("0 255")
    assert [vocabulary.number(t) for t in vocabulary.encode("0 255 <end>")] == [0, 255, None]
    with pytest.raises(ModelError, match=r"writes numbers 0..255, not 256"):
        vocabulary.numbers([3, 256])


def test_a_decision_is_read_as_it_was_written(vocabulary: PolicyVocabulary) -> None:
    plan = "<plan> go to red cup <then> pick up red cup"
    text = f"{plan} {AT} <verify> {CLAIMED} <execute> {ROW} {ROW} <end>"
    written = grammar(vocabulary).read(vocabulary.encode(text))
    assert written.plan == ("go to red cup", "pick up red cup")
    assert dict(written.claims) == {
        "found": True, "single": True, "reachable": True, "free": False, "ready": True,
        "there": False,
    }  # fmt: skip
    assert written.outcome is Outcome.EXECUTE
    assert written.rows is not None
    assert written.rows.dtype == np.uint16
    assert written.rows.tolist() == [[1, 190, 127, 255, 127]] * 2
    held = grammar(vocabulary).read(
        vocabulary.encode(f"<plan> go to red cup {AT} <verify> {CLAIMED} <hold> PATH_BLOCKED <end>")
    )
    assert (held.outcome, held.reason, held.rows) == (Outcome.HOLD, Reason.PATH_BLOCKED, None)
    far = f"<plan> place on blue plate {AT} <nowhere> <verify> {CLAIMED} <done> <end>"
    both = grammar(vocabulary, nouns=2).read(vocabulary.encode(far))
    assert both.plan == ("place on blue plate",)
    back = f"<plan> go to <verify> {CLAIMED} <done> <end>"
    assert grammar(vocabulary, nouns=0).read(vocabulary.encode(back)).plan == ("go to",)
    alone = grammar(vocabulary, plans=False).read(vocabulary.encode("<done> <end>"))
    assert (alone.plan, alone.outcome) == ((), Outcome.DONE)


def test_a_decision_is_guessed_to_go_on_as_it_began_and_as_the_last_one(
    vocabulary: PolicyVocabulary,
) -> None:
    rows = ["1 130 127 255 120", "1 134 127 255 121", "1 138 127 255 122", "1 142 127 255 123"]
    begin = f"<plan> go to red cup {AT} <verify> {CLAIMED} <execute>"
    whole = f"{begin} {' '.join(rows)}".split()
    count = len(begin.split())
    of = grammar(vocabulary, horizon=4)

    def guess(many: int, previous: str = "") -> str:
        tokens = vocabulary.encode(" ".join(whole[:many]))
        return vocabulary.decode(of.draft(tokens, vocabulary.encode(previous)))

    assert guess(count - 1) == guess(count) == guess(count + 4) == ""
    assert guess(count + 5) == " ".join([rows[0]] * 3)
    assert guess(count + 10) == " ".join(rows[2:])
    assert guess(count + 12) == " ".join(whole[count + 12 :])
    assert guess(len(whole)) == ""
    last = f"{begin} 1 131 127 255 119 1 135 127 255 119 <end>"
    assert guess(0, last) == last
    assert guess(count - 3, last) == " ".join(last.split()[count - 3 :])
    assert guess(count, last).startswith("1 131 127 255 119 1 135 127 255 119 1 139 127 255 119 ")
    assert guess(count + 5, last).startswith("1 135 127 255 119 1 140 127 255 118 ")
    # Nothing that is no number.
    high = of.draft(vocabulary.encode("<execute> 1 10 10 255 9 1 250 10 255 200"))
    assert vocabulary.decode(high[:5]) == "1 255 10 255 255"


@pytest.mark.parametrize("plans", [True, False])
@given(seed=st.integers(0, 2**32), nouns=st.integers(0, 2))
def test_whatever_is_written_can_be_read(
    vocabulary: PolicyVocabulary, plans: bool, seed: int, nouns: int
) -> None:
    own = grammar(vocabulary, plans, nouns=nouns)
    tokens = drawn(own, seed)
    written = own.read(tokens)
    assert vocabulary.encode(vocabulary.decode(tokens)) == tokens
    assert len(tokens) <= own.longest
    assert len(written.plan) <= MOST_STEPS
    assert all(step in STEPS for step in written.plan)
    said = vocabulary.decode(tokens)
    assert said.count("<at>") + said.count("<nowhere>") == (nouns if plans else 0)
    assert set(written.claims) == (set(CLAIMS) if plans else set())
    assert (written.outcome is Outcome.HOLD) == (written.reason in REASONS.values())
    assert (written.rows is not None) == (written.outcome is Outcome.EXECUTE)
    if written.rows is not None:
        commands = {STEPS[written.plan[0]]} if plans else set(range(1, len(SPACE.commands)))
        assert set(written.rows[:, 0].tolist()) <= commands
        unused = written.rows[:, 1:3] == 255
        assert (unused[:, 0] == unused[:, 1]).all()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("<plan> go to red plate <verify>", "cannot stand there"),
        ("<plan> pick up <at>", "'<at>' cannot stand there"),
        ("<plan> go to red cup <verify>", "'<verify>' cannot stand there"),
        ("<plan> go to red cup <at> 255 127", "'255' cannot stand there"),
        ("<plan> go to red cup <nowhere> <at>", "'<at>' cannot stand there"),
        (f"<plan> go to red cup {AT} <verify> {CLAIMED} <execute> 3 190 127 255 127", "'3' cannot"),
        (
            f"<plan> go to red cup {AT} <verify> {CLAIMED} <execute> 1 255 127 255 127",
            "'127' cannot",
        ),
        (
            f"<plan> go to red cup {AT} <verify> {CLAIMED} <hold> INTERNAL_ERROR",
            "cannot stand there",
        ),
        (f"<plan> go to red cup {AT} <verify> {CLAIMED} <done>", "it has no end"),
        ("<execute>", "'<execute>' cannot stand there"),
        ("", "it has no end"),
    ],
)
def test_what_is_no_decision_is_refused(
    vocabulary: PolicyVocabulary, text: str, wrong: str
) -> None:
    with pytest.raises(ModelError, match=wrong):
        grammar(vocabulary).read(vocabulary.encode(text))


def test_the_text_of_a_step_may_be_the_beginning_of_another(vocabulary: PolicyVocabulary) -> None:
    texts: Sequence[str] = ("go to", "go to red cup")
    for text in texts:
        tokens = vocabulary.encode(f"<plan> {text} {AT} <verify> {CLAIMED} <done> <end>")
        assert grammar(vocabulary).read(tokens).plan == (text,)


def test_an_action_space_that_is_finer_than_the_policy_is_refused(
    vocabulary: PolicyVocabulary,
) -> None:
    fine = policy(bins=401).space
    with pytest.raises(ModelError, match=r"writes numbers 0..255, not 401"):
        Grammar(vocabulary, fine, 2, STEPS, 1)
