"""The tokens that the policy writes: words, numbers of commands and bins, claims and reasons.

One vocabulary for all, as in RT-2 (Brohan et al. 2023), whose text form it keeps: a row is
"1 128 91 255 64", and a decision "<plan> go to red cup <verify> <found> … <execute> 1 128 …".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

from vlam_ros.errors import ModelError
from vlam_ros.types import Reason

PAD, PLAN, THEN, VERIFY = "<pad>", "<plan>", "<then>", "<verify>"
EXECUTE, DONE, HOLD, END = "<execute>", "<done>", "<hold>", "<end>"
ACT, ANSWER = "<act>", "<answer>"
"""What a decision is asked for by, and the answer to a question, which only training asks."""
AT, NOWHERE = "<at>", "<nowhere>"
"""Before x and y of a noun of the instruction, in bins of the action space; or that nobody knows
where it is, or what is to come is not about it.
"""
SPECIAL = (PAD, ACT, ANSWER, PLAN, THEN, VERIFY, EXECUTE, DONE, HOLD, END, AT, NOWHERE)

CLAIMS: dict[str, tuple[str, str]] = {
    "found": ("<found>", "<not_found>"),
    "single": ("<single>", "<ambiguous>"),
    "reachable": ("<reachable>", "<unreachable>"),
    "free": ("<free>", "<blocked>"),
    "ready": ("<ready>", "<not_ready>"),
    "there": ("<there>", "<not_there>"),
}
"""What is claimed before a decision, in this order, and how it and its contrary are written.

Of what the instruction is about: it is in the image; there is one of it; the robot gets there; the
way is free; the gripper is as the current step needs it; the base stands where the step is done.
"""

REASONS: dict[str, Reason] = {
    reason.name: reason
    for reason in (
        Reason.INSTRUCTION_INVALID,
        Reason.TARGET_NOT_FOUND,
        Reason.TARGET_AMBIGUOUS,
        Reason.DESTINATION_NOT_FOUND,
        Reason.NO_POSITION,
        Reason.UNREACHABLE,
        Reason.PATH_BLOCKED,
        Reason.PRECONDITION,
    )
}
"""Why the policy may hold. What it cannot know, such as that a sensor is late, is the gate's."""


class PolicyVocabulary:
    """Text and tokens of a policy: first the pieces of words of a checkpoint's tokenizer, then what
    every policy writes, then numbers up to `largest`.
    """

    def __init__(self, tokenizer: Any, largest: int) -> None:
        self._tokenizer, self._words = tokenizer, len(tokenizer)
        claims = (word for pair in CLAIMS.values() for word in pair)
        self._signs = (*SPECIAL, *claims, *REASONS, *map(str, range(largest + 1)))
        self._ids = {sign: self._words + i for i, sign in enumerate(self._signs)}
        self._zero = self._ids["0"]

    def __len__(self) -> int:
        return self._words + len(self._signs)

    def __getitem__(self, sign: str) -> int:
        """The token of what is no word: a claim, a reason, a number, or one of SPECIAL."""
        return self._ids[sign]

    @cached_property
    def largest(self) -> int:
        """The largest number."""
        return len(self) - 1 - self._zero

    def number(self, token: int) -> int | None:
        """The number that a token is, if it is one."""
        return token - self._zero if token >= self._zero else None

    def numbers(self, values: Sequence[int]) -> list[int]:
        """The tokens of numbers.

        Raises:
            ModelError: the policy cannot write one of them.
        """
        if values and not 0 <= min(values) <= max(values) <= self.largest:
            raise ModelError(f"the policy writes numbers 0..{self.largest}, not {max(values)}")
        return [self._zero + int(value) for value in values]

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, in which what is no word stands between spaces."""
        tokens: list[int] = []
        for known, parts in groupby(text.split(), self._ids.__contains__):
            if known:
                tokens += [self._ids[part] for part in parts]
            else:
                words = " ".join(parts)
                tokens += self._tokenizer(words, add_special_tokens=False).input_ids
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; what it encodes comes back in lower case, as the tokenizer reads."""
        parts: list[str] = []
        for written, some in groupby(tokens, lambda token: token >= self._words):
            if written:
                parts += [self._signs[token - self._words] for token in some]
            else:
                parts.append(self._tokenizer.decode(list(some)).strip())
        return " ".join(parts)
