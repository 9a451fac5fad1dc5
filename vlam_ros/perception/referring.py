"""Which of the objects in view a noun phrase with its relation means.

Relations are read from metric positions in `base_link` (x forward, y left), so they are the
robot's: left of is a larger y, in front of is nearer to the robot. What the positions do not
decide is refused, not guessed.

An object that may well be what the phrase means, though it is not confirmed, counts beside the one
that is: the surer of two alike is no more meant than the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from vlam_ros.perception.familiarity import UNFAMILIAR
from vlam_ros.types import ObjectPhrase, Reason, Refusal, Relation, SceneObject

TIE = 0.01
"""Lengths, in metres, that differ by less do not tell two objects apart."""

SAME = 0.10
"""Metres, besides its spread, within which a thing is seen again at its place."""

Point = tuple[float, float, float]


def select(
    phrase: ObjectPhrase,
    seen: Sequence[SceneObject],
    ambiguity: float,
    missing: Reason,
    say: Callable[[ObjectPhrase, ObjectPhrase], str] = lambda old, new: new.spoken,
) -> SceneObject:
    """The object that a phrase means.

    Args:
        phrase: the noun phrase, with relation and references.
        seen: the objects of all phrases. One that fits must be confirmed; others count beside it
            if the second look gave them a score of `ambiguity` or more.
        ambiguity: the score, in 0..1, from which an object that is not confirmed counts.
        missing: the reason to refuse with if there is no such object.
        say: what to say to mean another phrase in place of this one, or of a reference.

    Raises:
        Refusal: `missing`, or UNFAMILIAR if all that it may be is; TARGET_AMBIGUOUS if several
            objects fit; NO_POSITION if the relation needs a position that is unknown. References
            are selected in the same way.
    """
    candidates = _called(phrase, seen, ambiguity)
    if not any(o.confirmed for o in candidates):
        if any(o.unfamiliarity > UNFAMILIAR for o in candidates):
            raise Refusal(
                Reason.UNFAMILIAR,
                f"what may be '{phrase.text}' is unlike all that the model was calibrated on: come "
                "nearer, or calibrate it on images of such things",
            )
        name = _words(phrase) if phrase.relation is Relation.OTHER else phrase.text
        raise Refusal(missing, f"I do not see '{name}': show it to me, or name another")
    fitting = matching(phrase, seen, ambiguity, missing, say)
    if not fitting:
        raise Refusal(missing, f"I see '{phrase.text}', but no '{_words(phrase)}'")
    if len(fitting) == 1:
        return fitting[0]
    raise _ambiguous(phrase, fitting, say)


def matching(
    phrase: ObjectPhrase,
    seen: Sequence[SceneObject],
    ambiguity: float,
    missing: Reason,
    say: Callable[[ObjectPhrase, ObjectPhrase], str] = lambda old, new: new.spoken,
) -> list[SceneObject]:
    """The objects that fit a phrase; arguments and errors are those of `select`, but that there may
    be none or several. What a superlative picks is one, unless several are alike.
    """
    references = [select(r, seen, ambiguity, missing, say) for r in phrase.references]
    # "the cup closest to the red cup": the red cup is a cup too.
    called = _called(phrase, seen, ambiguity)
    candidates = [c for c in called if not any(is_same(c, r) for r in references)]
    if phrase.relation in _HOLDS:
        holds = _HOLDS[phrase.relation]
        places = [_position(r) for r in references]
        return [c for c in candidates if holds(_position(c), places)]
    if phrase.relation in _LEAST and len(candidates) > 1:
        measured = _LEAST[phrase.relation]
        return _first(candidates, lambda c: measured(c, references))
    return candidates


def apart_from(one: SceneObject, seen: Sequence[SceneObject]) -> list[SceneObject]:
    """The objects that are not at the place of another one, whatever they are called."""
    if one.position is None:
        return [o for o in seen if not is_same(o, one)]
    reach = SAME + one.spread
    return [
        o for o in seen if o.position is None or math.dist(o.position[:2], one.position[:2]) > reach
    ]


def _called(
    phrase: ObjectPhrase, seen: Sequence[SceneObject], ambiguity: float
) -> list[SceneObject]:
    return [o for o in seen if o.phrase == phrase.text and _counts(o, ambiguity)]


def _counts(thing: SceneObject, ambiguity: float) -> bool:
    return thing.confirmed or (thing.second_look and thing.score >= ambiguity)


def is_same(one: SceneObject, other: SceneObject) -> bool:
    """Whether two finds, maybe of different phrases, are one thing: IoU of boxes above a half."""
    width = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
    height = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    common = max(width, 0) * max(height, 0)
    return common > 0.5 * (_area(one) + _area(other) - common)


def located(thing: SceneObject | None) -> Point:
    """The position of an object that must have one; verification comes first."""
    if thing is None or thing.position is None:
        raise ValueError(f"a step needs an object with a position, got {thing}")
    return thing.position


def floor_distance(place: Point) -> float:
    """Distance from the robot's base along the floor, in metres."""
    return math.hypot(place[0], place[1])


def bearing(place: Point) -> float:
    """Direction from the robot's base to a place, in radians to the left."""
    return math.atan2(place[1], place[0])


def radius_of(thing: SceneObject | None) -> float:
    """Half an object's width, m; 0 if that is unknown."""
    return thing.size / 2 if thing and math.isfinite(thing.size) else 0.0


def standoff_point(place: Point, standoff: float) -> tuple[float, float]:
    """Where the base stops on the straight way to a place; where it is if that is near enough."""
    distance = floor_distance(place)
    share = max(0.0, 1 - standoff / distance) if distance else 0.0
    return share * place[0], share * place[1]


def _first(
    candidates: Sequence[SceneObject], measure: Callable[[SceneObject], float]
) -> list[SceneObject]:
    """The candidate with the least measure, and those that are less than TIE behind."""
    ranked = sorted(candidates, key=measure)
    return [c for c in ranked if measure(c) - measure(ranked[0]) < TIE]


def _ambiguous(
    phrase: ObjectPhrase,
    equal: Sequence[SceneObject],
    say: Callable[[ObjectPhrase, ObjectPhrase], str],
) -> Refusal:
    places = [f"{floor_distance(c.position):.1f} m" for c in equal if c.position]
    at = f", at {', '.join(places[:-1])} and {places[-1]}" if len(places) > 1 else ""
    distances = (Relation.NEAREST, Relation.FARTHEST)
    hint = Relation.LEFTMOST if phrase.relation in distances else Relation.NEAREST
    sentence = say(phrase, ObjectPhrase(phrase.text, hint))
    return Refusal(
        Reason.TARGET_AMBIGUOUS,
        f"I see {len(equal)} candidates for '{_words(phrase)}'{at}: say which, e.g. '{sentence}'",
    )


def _position(thing: SceneObject) -> Point:
    """Its position; perception gives an object position and size together, or neither."""
    if thing.position is None:
        raise Refusal(
            Reason.NO_POSITION,
            f"I see '{thing.phrase}', but not where it is, and cannot compare places: check "
            "camera_info, or move so that its foot is in the image",
        )
    return thing.position


def _area(thing: SceneObject) -> int:
    x0, y0, x1, y1 = thing.box
    return (x1 - x0) * (y1 - y0)


def _between(place: Point, references: Sequence[Point]) -> bool:
    """In the circle around the two references: seen from there they are 90° or more apart."""
    (ax, ay, _), (bx, by, _) = references
    return (ax - place[0]) * (bx - place[0]) + (ay - place[1]) * (by - place[1]) < 0


def _gap(thing: SceneObject, references: Sequence[SceneObject]) -> float:
    return math.dist(_position(thing)[:2], _position(references[0])[:2])


def _size(thing: SceneObject) -> float:
    _position(thing)
    return thing.size


_HOLDS: dict[Relation, Callable[[Point, Sequence[Point]], bool]] = {
    Relation.LEFT_OF: lambda place, refs: place[1] > refs[0][1],
    Relation.RIGHT_OF: lambda place, refs: place[1] < refs[0][1],
    Relation.IN_FRONT_OF: lambda place, refs: floor_distance(place) < floor_distance(refs[0]),
    Relation.BEHIND: lambda place, refs: floor_distance(place) > floor_distance(refs[0]),
    Relation.BETWEEN: _between,
}
"""Relations that are true of an object or not."""

_LEAST: dict[Relation, Callable[[SceneObject, Sequence[SceneObject]], float]] = {
    Relation.CLOSEST_TO: _gap,
    Relation.NEAREST: lambda thing, _: floor_distance(_position(thing)),
    Relation.FARTHEST: lambda thing, _: -floor_distance(_position(thing)),
    Relation.LEFTMOST: lambda thing, _: -_position(thing)[1],
    Relation.RIGHTMOST: lambda thing, _: _position(thing)[1],
    Relation.LARGEST: lambda thing, _: -_size(thing),
    Relation.SMALLEST: lambda thing, _: _size(thing),
}
"""Relations that the object fulfils for which this is least."""


def _words(phrase: ObjectPhrase) -> str:
    """The phrase with its relation, as one would say it."""
    name = phrase.relation.name.lower().replace("_", " ")
    if phrase.relation is Relation.NONE:
        return phrase.text
    if not phrase.references:
        return f"{name} {phrase.text}"
    return f"{phrase.text} {name} {' and '.join(_words(r) for r in phrase.references)}"
