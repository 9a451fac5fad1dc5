"""What a decision may look like, token by token, so that whatever is written can be read.

    <plan> step (<then> step)* (<at> x y | <nowhere>)* <verify> claim …
    (<execute> row … | <hold> REASON | <done>) <end>

Steps are those of the robot's skills with the nouns of the instruction. Then follows where each
noun is that they are about (as in ECoT, Zawalski et al. 2024). One token of each claim is true and
one is false, and rows are those of the first step's command. Which of them is written is the
model's choice: the grammar forces nothing where there is one.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from vlam_ros.errors import ModelError
from vlam_ros.policies.skills.plan import PREPOSITIONS
from vlam_ros.policies.transformer.vocabulary import (
    AT,
    CLAIMS,
    DONE,
    END,
    EXECUTE,
    HOLD,
    NOWHERE,
    PLAN,
    REASONS,
    THEN,
    VERIFY,
    PolicyVocabulary,
)
from vlam_ros.types import ActionSpace, Instruction, Outcome, Reason, SkillStep, Uint16Array

MOST_STEPS = 4
"""Steps of a plan; "put X on Y" takes four."""
_END_OF_STEP = -1
"""Marks in the tree of steps where one may end, and which it is."""

T = TypeVar("T")
Writing = Generator[list[int], int, T]
"""Yields what may follow, is sent what does, and returns what was written."""


@dataclass(frozen=True)
class Written:
    """A decision as it was written: the texts of the steps to come, what is claimed of CLAIMS, and
    rows uint16[H,1+D] where it is to EXECUTE, or a reason where it is to HOLD.
    """

    plan: tuple[str, ...]
    claims: Mapping[str, bool]
    outcome: Outcome
    rows: Uint16Array | None = field(default=None, compare=False)
    reason: Reason = Reason.NONE


def step_text(step: SkillStep, instruction: Instruction) -> str:
    """A step as it is written in a plan: "place on blue plate"."""
    target, destination = (instruction.named.get(noun) if noun else None for noun in step.nouns)
    words = [step.said, *([target.text] if target else [])]
    if destination:
        words += [PREPOSITIONS[step.placement], destination.text]
    return " ".join(words)


class Grammar:
    """The decisions about one task: `steps` are the texts that a plan is made of, each with the
    command index of its rows, and `nouns` how many things the instruction names.
    """

    def __init__(
        self,
        vocabulary: PolicyVocabulary,
        space: ActionSpace,
        horizon: int,
        steps: Mapping[str, int],
        nouns: int,
        plans: bool = True,
    ) -> None:
        """Prepare what may be written; without `plans` a decision begins with what it comes to.

        Raises:
            ModelError: the policy cannot write the numbers of the action space.
        """
        self.vocabulary, self.space, self.horizon, self.plans = vocabulary, space, horizon, plans
        self.steps, self.nouns = dict(steps), nouns
        self._tree: dict[int, Any] = {}
        for text in steps:
            branch = self._tree
            for token in vocabulary.encode(text):
                branch = branch.setdefault(token, {})
            branch[_END_OF_STEP] = text
        self._claims = [[vocabulary[word] for word in pair] for pair in CLAIMS.values()]
        self._reasons = [vocabulary[name] for name in REASONS]
        self._ends = [vocabulary[sign] for sign in (EXECUTE, HOLD, DONE)]
        self._columns = [
            vocabulary.numbers(range(dimension.bins + 1)) for dimension in space.dimensions
        ]
        self._commands = vocabulary.numbers(range(1, len(space.commands)))

    @property
    def longest(self) -> int:
        """Tokens of the longest decision."""
        plan = max(len(self.vocabulary.encode(text)) + 1 for text in self.steps) * MOST_STEPS
        rows = self.horizon * len(self.space.columns)
        return 2 + (plan + 3 * self.nouns + len(CLAIMS) if self.plans else 0) + rows + 1

    def choices(self) -> Choices:
        """What may be written from the beginning on."""
        return Choices(self._decision())

    def draft(self, tokens: Sequence[int], previous: Sequence[int] = ()) -> list[int]:
        """What may follow some tokens of a decision, to its end: what the previous one had there,
        and rows that go on as they began.
        """
        sign, width = self.vocabulary[EXECUTE], len(self.space.columns)
        if sign not in tokens:
            return list(previous[len(tokens) :])
        rows = list(tokens[tokens.index(sign) + 1 :])
        before = list(previous[previous.index(sign) + 1 :]) if sign in previous else []
        begun = len(rows)
        low, high = self.vocabulary.numbers([0, self.vocabulary.largest])
        while len(rows) < self.horizon * width:
            if len(rows) >= 2 * width:
                rows.append(min(max(2 * rows[-width] - rows[-2 * width], low), high))
            elif len(rows) < len(before):
                rows.append(before[len(rows)])
            elif len(rows) >= width:
                rows.append(rows[-width])
            else:
                break
        return rows[begun:]

    def read(self, tokens: Sequence[int]) -> Written:
        """What a whole decision says.

        Raises:
            ModelError: it is none of this grammar.
        """
        choices = self.choices()
        for token in tokens:
            if token not in choices.allowed:
                said = self.vocabulary.decode([token])
                raise ModelError(f"'{said}' cannot stand there: {self.vocabulary.decode(tokens)}")
            choices.write(token)
        if choices.allowed:
            raise ModelError(f"it has no end: {self.vocabulary.decode(tokens)}")
        return choices.written

    def _decision(self) -> Writing[Written]:
        words, commands = self.vocabulary, self._commands
        plan: list[str] = []
        claims: dict[str, bool] = {}
        if self.plans:
            yield [words[PLAN]]
            while True:
                text, following = yield from self._step(len(plan) + 1 < MOST_STEPS)
                plan.append(text)
                if following != words[THEN]:
                    break
            for noun in range(1, self.nouns + 1):
                if following == words[AT]:
                    yield self._columns[0][:-1]
                    yield self._columns[1][:-1]
                more = [AT, NOWHERE] if noun < self.nouns else [VERIFY]
                following = yield [words[sign] for sign in more]
            for name, pair in zip(CLAIMS, self._claims, strict=True):
                claims[name] = (yield pair) == pair[0]
            commands = words.numbers([self.steps[plan[0]]])
        outcome = yield self._ends
        rows, reason = None, Reason.NONE
        if outcome == words[EXECUTE]:
            rows = yield from self._rows(commands)
        elif outcome == words[HOLD]:
            reason = REASONS[words.decode([(yield self._reasons)])]
        yield [words[END]]
        kind = (Outcome.EXECUTE, Outcome.HOLD, Outcome.DONE)[self._ends.index(outcome)]
        return Written(tuple(plan), claims, kind, rows, reason)

    def _step(self, more: bool) -> Writing[tuple[str, int]]:
        """The text of a step, and the token after it."""
        signs = ([THEN] if more else []) + ([AT, NOWHERE] if self.nouns else [VERIFY])
        ends = [self.vocabulary[sign] for sign in signs]
        branch = self._tree
        while True:
            over = ends if _END_OF_STEP in branch else []
            token = yield [*(key for key in branch if key != _END_OF_STEP), *over]
            if token in over:
                return branch[_END_OF_STEP], token
            branch = branch[token]

    def _rows(self, commands: list[int]) -> Writing[Uint16Array]:
        numbers: list[int] = []
        unused = self._columns[0][-1]
        for _ in range(self.horizon):
            numbers.append((yield commands))
            for place, column in enumerate(self._columns):
                # A place on the floor has both coordinates or none.
                paired = column[-1:] if numbers[-1] == unused else column[:-1]
                numbers.append((yield paired if place == 1 else column))
        values = [self.vocabulary.number(token) for token in numbers]
        return np.array(values, np.uint16).reshape(self.horizon, -1)


class Choices:
    """Where in a decision one is: the tokens `allowed` next, none at its end."""

    def __init__(self, decision: Writing[Written]) -> None:
        self._decision = decision
        self.allowed: list[int] = next(decision)
        self._written: Written | None = None

    def write(self, token: int) -> None:
        """Go on with one of the tokens that are allowed."""
        try:
            self.allowed = self._decision.send(token)
        except StopIteration as end:
            self.allowed, self._written = [], end.value

    @property
    def written(self) -> Written:
        """What was written, at the end.

        Raises:
            ModelError: it is not at its end.
        """
        if self._written is None:
            raise ModelError("the decision has no end yet")
        return self._written
