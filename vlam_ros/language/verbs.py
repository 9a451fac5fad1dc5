"""How a skill phrase uses its verbs: with an object, aimed at one, or alone."""

from __future__ import annotations

from collections.abc import Iterable

from vlam_ros.language.words import (
    ARTICLES,
    NEGATIONS,
    OBJECT_PRONOUNS,
    OTHERS,
    PARTICLES,
    PREPOSITIONS,
    RECIPIENTS,
    longest,
)

ALONE, ON_OBJECT, AIMED = "alone", "on an object", "aimed at an object"
Usage = tuple[str, str]
"""A verb and how it is used: "move to the object" does not say what "move the object" means."""

_NOUNS = frozenset({"object", "destination"})
_CLOSED = (
    {word for table in (PARTICLES, PREPOSITIONS, NEGATIONS) for phrase in table for word in phrase}
    | ARTICLES | OBJECT_PRONOUNS | OTHERS | RECIPIENTS | _NOUNS
)  # fmt: skip
# "take hold of" has an object as "take" has; the others aim at one.
_AIMING = frozenset(phrase[-1] for phrase in PREPOSITIONS) - {"of"}


def open_words(phrase: str) -> frozenset[str]:
    """The words of a skill phrase that carry its meaning: verbs above all."""
    return frozenset(phrase.split()) - _CLOSED


def taught_usages(phrases: Iterable[str]) -> frozenset[Usage]:
    """How verbs may be used that were taught in these skill phrases: what is wiped may be wiped at,
    but what one moves to is not what one moves.
    """
    used = {usage for phrase in phrases for usage in usages(phrase)}
    return frozenset(used | {(verb, AIMED) for verb, how in used if how == ON_OBJECT})


def usages(phrase: str) -> tuple[Usage, ...]:
    """How a skill phrase uses its verbs, clause by clause."""
    clauses = (clause.split() for clause in f" {phrase} ".split(" and "))
    return tuple(_usage(words) for words in clauses if words)


def _usage(words: list[str]) -> Usage:
    negated = len(longest(NEGATIONS, words, 0))
    place = next((i for i, w in enumerate(words) if w in _NOUNS | OBJECT_PRONOUNS), None)
    if place is None or not (before := [w for w in words[negated:place] if w not in ARTICLES]):
        verb = " ".join(words[negated : negated + 1])
        return f"not {verb}" if negated else verb, ALONE
    verb = next((word for word in reversed(before) if word not in _CLOSED), before[0])
    return verb, AIMED if before[-1] in _AIMING else ON_OBJECT
