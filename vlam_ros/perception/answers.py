"""Answers to questions about what is seen, from confirmed objects alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from vlam_ros.perception.referring import bearing, floor_distance, is_same, matching
from vlam_ros.types import ObjectPhrase, Query, Reason, SceneObject


def answer(query: Query, phrase: ObjectPhrase | None, seen: Sequence[SceneObject]) -> str:
    """What a person is told.

    Args:
        query: SCENE, or with a `phrase` PRESENCE, PLACE or COUNT.
        phrase: the noun phrase that is asked about.
        seen: the objects of all phrases; only those that are confirmed count.

    Raises:
        Refusal: a reference of the phrase is not there or not one thing, or places are unknown.
    """
    sure = [thing for thing in seen if thing.confirmed]
    if phrase is None:
        things = Counter(thing.phrase for thing in _once(sure))
        many = [counted(count, name) for name, count in sorted(things.items())]
        return f"I see {_listed(many)}" if many else "I see nothing that I know and am sure of"
    found = _once(matching(phrase, sure, 1.0, Reason.TARGET_NOT_FOUND))
    yes, no = ("yes, ", "no, ") if query is Query.PRESENCE else ("", "")
    if not found:
        return f"{no}I see no {phrase.spoken.removeprefix('the ')} that I am sure of"
    places = "; ".join([_place(thing) for thing in found])
    return f"{yes}I see {counted(len(found), phrase.text)}: {places}"


def counted(count: int, name: str) -> str:
    """How many of one name: "a red cup", "2 boxes"."""
    if count == 1:
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    return f"{count} {name}{'es' if name.endswith(('s', 'x', 'ch', 'sh')) else 's'}"


def _once(things: Sequence[SceneObject]) -> list[SceneObject]:
    """The surest name of each thing."""
    kept: list[SceneObject] = []
    for thing in sorted(things, key=lambda o: -o.score):
        if not any(is_same(thing, other) for other in kept):
            kept.append(thing)
    return kept


def _place(thing: SceneObject) -> str:
    if thing.position is None:
        return "where, I cannot tell"
    degrees = round(math.degrees(bearing(thing.position)))
    side = f"{abs(degrees)}° to the {'left' if degrees > 0 else 'right'}" if degrees else "ahead"
    return f"{floor_distance(thing.position):.1f} m away {side}"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
