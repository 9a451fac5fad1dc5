"""The words of one robot: its objects' names, what it takes other words for, and what stops it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import yaml

from vlam_ros.language.words import FILLERS, HURRY, MANNERS, OPENINGS, Phrase, longest
from vlam_ros.resources import resource_path

_CLAUSES = re.compile(r"[.,;:!?¡¿…\u3001\u3002\uff01\uff0c\uff1f]+| and | then ")
_POLITE = FILLERS | HURRY | MANNERS | OPENINGS
_REPEATED = re.compile(r"(.)\1+")


@dataclass(frozen=True)
class Lexicon:
    """What a checkpoint and the parameters make of words.

    `names` are words of objects, which are never a verb. `known` are those that the model can tell
    objects by and `verbs` those that it knows as verbs; None: any word. `example` is a sentence
    that the robot understands, `pattern` one for any object.
    """

    names: frozenset[str] = frozenset()
    known: frozenset[str] | None = None
    verbs: frozenset[str] | None = None
    example: str = "pick up the red cup and put it on the blue plate"
    pattern: str = "go to the object"

    @classmethod
    def of(
        cls,
        names: Iterable[str],
        known: Iterable[str] | None,
        verbs: frozenset[str] | None,
        example: str,
        pattern: str,
    ) -> Lexicon:
        """Made of phrases that name objects, and of the words that a checkpoint knows."""
        called = _split(names) | _split(known or ())
        called |= {said for said, meant in _words()["nouns"] if meant in called}
        return cls(called, None if known is None else _split(known), verbs, example, pattern)

    def is_name(self, word: str) -> bool:
        """Whether a word names objects or tells what they look like: such a one is no verb."""
        return any(form in self.names for form in (word, *_singulars(word)))

    def noun(self, word: str) -> str:
        """The word itself, or the one it is taken for: a synonym or the singular of a plural."""
        return _taken(word, self.known, _words()["nouns"], _singulars(word))

    def verb(self, word: str) -> str:
        """The same for a verb at the head of a clause: a synonym, or the verb of "driving"."""
        forms = _infinitives(word)
        known = next((form for form in forms if form in (self.verbs or ())), word)
        return _taken(known, self.verbs, _words()["verbs"], forms)

    def knows(self, words: Iterable[str]) -> bool:
        """Whether the model knows objects by all of the words."""
        return self.known is None or self.known.issuperset(words)

    def example_with(self, target: str) -> str:
        """A sentence about an object, "the red cup"."""
        return self.pattern.replace("the object", target)

    def is_stop(self, text: str) -> bool:
        """Whether the first clause says nothing but stop, in one of several languages."""
        for clause in _CLAUSES.split(f" {text.casefold().replace('’', chr(39))} "):
            words = _bare(clause.split())
            if words:
                return _is_made_of(words, _words()["stop"])
        return False


def _split(phrases: Iterable[str]) -> frozenset[str]:
    return frozenset(word for phrase in phrases for word in phrase.lower().split())


@cache
def _words() -> dict[str, Any]:
    """The file of words; its synonyms from what is said to what it may mean."""
    source = resource_path("config/language.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(source)
    meant: dict[str, Any] = {
        kind: [(other, word) for word, others in document[kind].items() for other in others]
        for kind in ("nouns", "verbs")
    }
    stop = {tuple(_collapsed(word) for word in str(said).split()) for said in document["stop"]}
    return {**meant, "stop": frozenset(stop)}


def _taken(
    word: str,
    known: frozenset[str] | None,
    synonyms: Sequence[tuple[str, str]],
    forms: Sequence[str],
) -> str:
    if known is None or word in known:
        return word
    meant = [other for form in (word, *forms) for said, other in synonyms if said == form]
    return next((other for other in (*forms, *meant) if other in known), word)


def _singulars(word: str) -> tuple[str, ...]:
    return tuple(word.removesuffix(end) for end in ("s", "es") if word.endswith(end))


def _infinitives(word: str) -> tuple[str, ...]:
    if not word.endswith("ing"):
        return ()
    stem = word.removesuffix("ing")
    return (stem, f"{stem}e", *(stem[:-1] for a, b in pairwise(stem[-2:]) if a == b))


def _bare(words: Sequence[str]) -> tuple[str, ...]:
    """Words without politeness, doubled letters once."""
    kept: list[str] = []
    start = 0
    while start < len(words):
        dropped = longest(_POLITE, words, start)
        if not dropped and words[start] != "no":
            kept.append(_collapsed(words[start].strip("'\"()[]«»„“”*_-")))
        start += len(dropped) or 1
    return tuple(word for word in kept if word)


def _collapsed(word: str) -> str:
    return _REPEATED.sub(r"\1", word)


def _is_made_of(words: Phrase, table: Collection[Phrase]) -> bool:
    """Whether the words are phrases of the table, one after the other; doubled letters once."""
    start = 0
    while start < len(words):
        phrase = longest(table, words, start)
        if not phrase:
            return False
        start += len(phrase)
    return True
