"""The words of an instruction, checked and freed of politeness, and looks ahead among them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import NoReturn

from vlam_ros.errors import InstructionError
from vlam_ros.language.lexicon import Lexicon
from vlam_ros.language.words import (
    ARTICLES,
    BREAKS,
    FILLERS,
    HURRY,
    MANNERS,
    OBJECT_PRONOUNS,
    OPENINGS,
    OTHERS,
    PARTICLES,
    PREPOSITIONS,
    QUANTIFIERS,
    RECIPIENTS,
    RELATIVES,
    ROBOT,
    SUPERLATIVES,
    Phrase,
    Preposition,
    longest,
)

MAX_CHARACTERS = 500

_PRONOUNS = OBJECT_PRONOUNS | RECIPIENTS | ROBOT
_CLOSED = _PRONOUNS | ARTICLES | QUANTIFIERS | OTHERS | set(SUPERLATIVES)
# "on the left", "to the left side of", "left of"; "left" alone is an adjective or a direction.
_SIDE = re.compile(
    r"(?:(?P<where>on|at|to) (?:the |your |its )?)?(?P<side>left|right)(?:[ -]hand)?(?: side)?"
    r"(?P<of> of)?(?= |$)"
)


class Sentence:
    """A position among the words of an instruction; looking ahead from it takes constant time."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.text = text
        self.lexicon = lexicon
        self.notes: list[str] = []
        self._words = self._read(text)
        self.position = 0

    def refuse(self, expected: str, example: str = "") -> NoReturn:
        """Raise an InstructionError that says what would be right."""
        shown = repr(self.text[:60] if isinstance(self.text, str | bytes) else self.text)[:70]
        example = example or self.lexicon.example
        raise InstructionError(f"{expected}; got {shown}; an example: '{example}'")

    def expect(self, expected: str) -> NoReturn:
        """Refuse the next word, or the end of the sentence."""
        where = f"before '{self.word()}'" if self.word() else "at the end"
        self.refuse(f"{expected} was expected {where}")

    def word(self, ahead: int = 0) -> str:
        """The next word or a later one; "" behind the end."""
        index = self.position + ahead
        return self._words[index] if index < len(self._words) else ""

    def take(self, count: int = 1) -> list[str]:
        """The next words; the position moves behind them."""
        self.position += count
        return self._words[self.position - count : self.position]

    def take_as(self, meant: str) -> None:
        """Read the next word as another one, which is noted unless that is a form of it."""
        said = self._words[self.position]
        if not said.startswith(meant[:-1]):
            self.notes.append(f"I take '{said}' for '{meant}'")
        self._words[self.position] = meant

    def ends_clause(self) -> bool:
        """Whether a conjunction, a stop or the end comes next."""
        return not self.word() or self.word() in BREAKS

    def next_of(self, table: frozenset[Phrase]) -> int:
        """How many of the next words are the longest phrase of the table; 0 if none."""
        return len(longest(table, self._words, self.position))

    def is_open(self, ahead: int = 0) -> bool:
        """Whether the word may be a verb, an adjective or a noun."""
        word, index = self.word(ahead), self.position + ahead
        tables = (PREPOSITIONS, PARTICLES, RELATIVES)
        return (
            word != ""
            and not word.isdigit()
            and word not in _CLOSED
            and not any(longest(table, self._words, index) for table in tables)
        )

    def starts_noun(self, ahead: int = 0) -> bool:
        """Whether a noun phrase or a pronoun may begin here."""
        word = self.word(ahead)
        begins = word in _PRONOUNS | ARTICLES | QUANTIFIERS or word.isdigit()
        picks = word in SUPERLATIVES and self.is_open(ahead + 1)
        return begins or picks or self.is_open(ahead)

    def is_serial_verb(self) -> bool:
        """A word without article right before an object is a verb: "turn to *face* the box"."""
        after = (self.word(1),)
        particle = after in PARTICLES and after not in PREPOSITIONS
        return self.is_open() and self.word(1 + particle) in ARTICLES | OBJECT_PRONOUNS

    def is_direction(self) -> bool:
        """Whether "left" or "right" is a direction ("turn left"), not an adjective ("left cup")."""
        return self.word() in ("left", "right") and not self.is_open(1)

    def preposition(self) -> tuple[int, Preposition] | None:
        """Length and meaning of the preposition that comes next, if a noun phrase follows it."""
        phrase = longest(PREPOSITIONS, self._words, self.position)
        if phrase and self.starts_noun(len(phrase)):
            return len(phrase), PREPOSITIONS[phrase]
        return None

    def side(self) -> re.Match[str] | None:
        """What comes next if it is like "on the left" or "left of", but not "on the left tray".

        Groups: `where` the preposition, `side`, and `of` if a reference follows.
        """
        match = _SIDE.match(" ".join(self._words[self.position : self.position + 7]))
        if match and not match["of"]:
            alone = not self.is_open(len(match[0].split()))
            return match if match["where"] and alone else None
        return match

    def _read(self, text: str) -> list[str]:
        check_text(text, self.refuse)
        lower = text.lower().replace("’", "'")
        if not re.search("[a-z]", lower):
            self.refuse("an instruction is an English sentence")
        raw = re.findall(r"[^\W_]+(?:['-][^\W_]+)*|[.,;:!?]", lower)
        words: list[str] = []
        start = 0
        while start < len(raw):
            if manner := " ".join(longest(MANNERS, raw, start)):
                self.refuse(
                    f"I have one way to move, it cannot be done '{manner}': leave that out, or "
                    "change the limits of speed in the parameters"
                )
            if hurry := longest(HURRY, raw, start):
                self.notes.append("I am as quick as my limits let me be")
            opening = not words or words[-1] in BREAKS
            dropped = hurry or longest(FILLERS, raw, start)
            dropped = dropped or (longest(OPENINGS, raw, start) if opening else ())
            word = raw[start] if raw[start][0].isalnum() else ","
            if not dropped and not (opening and word == ","):
                words.append(word)
            start += len(dropped) or 1
        if words and words[-1] == ",":
            words.pop()
        if not words:
            self.refuse("an instruction needs a verb")
        return words


def check_text(text: str, refuse: Callable[[str], NoReturn]) -> None:
    """Refuse what cannot be an instruction in any language."""
    if not isinstance(text, str):
        refuse(f"an instruction must be a string, not {type(text).__name__}")
    if not text.strip():
        refuse("the instruction is empty: say what to do")
    if len(text) > MAX_CHARACTERS:
        refuse(f"at most {MAX_CHARACTERS} characters are read, these are {len(text)}")
    if any(unicodedata.category(c).startswith("C") and c not in "\t\r\n" for c in text):
        refuse("an instruction is plain text without control characters")
