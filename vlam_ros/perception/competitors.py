"""The phrases that a phrase has to win against, from its own words and the configuration alone.

CLIPSeg marks whatever is most like its prompt. Only a comparison tells a red cup from a red box,
and only phrases that cannot both be true of one object may be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

from vlam_ros.configuration import PerceptionSettings
from vlam_ros.perception.calibration import Calibration

PLACEHOLDERS = frozenset({"object", "objects", "thing", "things", "item", "items", "one", "ones"})
"""Nouns that are true of every object."""


def competitors(phrase: str, settings: PerceptionSettings) -> tuple[str, ...]:
    """What else an object that looks like the phrase could be.

    A known colour is exchanged for the other colours, a known noun for the other nouns. A noun
    that the configuration does not know ("giraffe") competes with every known one in its colour:
    it has to be more than the nearest thing. Distractors always compete.
    """
    colour, noun = entry_in(phrase, settings.colours), entry_in(phrase, settings.nouns)
    negatives: list[str] = []
    if noun:
        negatives += _exchange(phrase, noun, settings.nouns)
    elif not _words(phrase) - PLACEHOLDERS <= _words(colour):
        negatives += [f"{colour} {other}".strip() for other in settings.nouns]
    if colour and (noun or not negatives):
        negatives += _exchange(phrase, colour, settings.colours)
    return tuple(
        dict.fromkeys(r for r in (*negatives, *settings.distractors) if not overlap(phrase, r))
    )


def lookalikes(phrase: str, settings: PerceptionSettings) -> tuple[str, ...]:
    """The competitors that differ in the noun alone: "red box" for "red cup".

    A mask tells colours, and a shape only roughly; a piece that is taken for one of these may be
    what is asked for.
    """
    noun = entry_in(phrase, settings.nouns)
    others = _exchange(phrase, noun, settings.nouns) if noun else []
    known = set(competitors(phrase, settings))
    return tuple(other for other in others if other in known)


def opponents(phrase: str, asked: Sequence[str], settings: PerceptionSettings) -> tuple[str, ...]:
    """All that a phrase competes with: its competitors and the other asked phrases."""
    others = [other for other in asked if not overlap(phrase, other)]
    return tuple(dict.fromkeys((*competitors(phrase, settings), *others)))


def overlap(one: str, other: str) -> bool:
    """Whether one phrase entails the other ("red cup" and "cup"), so that they do not compete."""
    first, second = (_words(phrase) - PLACEHOLDERS for phrase in (one, other))
    return first <= second or second <= first


def unknown_words(phrase: str, calibration: Calibration | None) -> tuple[str, ...]:
    """The words of a phrase that its checkpoint was not trained on; none if it is open."""
    if calibration is None or calibration.vocabulary is None:
        return ()
    known = {word for entry in calibration.vocabulary for word in _words(entry)}
    return tuple(word for word in phrase.lower().split() if word not in known)


def _words(phrase: str) -> set[str]:
    return set(phrase.lower().split())


def _spaced(phrase: str) -> str:
    """The phrase with a space around each word: "cup" is not found inside "cupboard"."""
    return f" {' '.join(phrase.lower().split())} "


def entry_in(phrase: str, entries: Sequence[str]) -> str:
    """The longest entry, of one word or more, that stands in the phrase; empty if none does."""
    return max((e for e in entries if _spaced(e) in _spaced(phrase)), key=len, default="")


def _exchange(phrase: str, entry: str, entries: Sequence[str]) -> list[str]:
    """The phrase with one entry in it replaced by each of the others."""
    return [
        _spaced(phrase).replace(_spaced(entry), _spaced(other), 1).strip()
        for other in entries
        if other != entry
    ]
