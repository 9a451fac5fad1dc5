"""The closed-class words of the grammar: everything that is not here is a verb, adjective or noun.

Nouns are never listed, and of the verbs only those after which "on …" and "next to …" name a place
("put the ball next to the cone") and do not describe the object ("pick up the ball next to the
cone"): without them the two sentences could not be told apart.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from vlam_ros.types import Placement, Relation

Phrase = tuple[str, ...]


class Preposition(NamedTuple):
    """What a preposition can mean; a meaning that the robot has not is NONE or False."""

    relation: Relation = Relation.NONE
    """Of a noun to another: "the cup behind the box"."""
    placement: Placement = Placement.NONE
    """Of the target to the destination: "put it on the tray"."""
    aim: bool = False
    """Between a verb and its object: "go to the box", "look for the box"."""


def _phrases(*texts: str) -> frozenset[Phrase]:
    return frozenset(tuple(text.split()) for text in texts)


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _prepositions(meaning: Preposition, *texts: str) -> dict[Phrase, Preposition]:
    return dict.fromkeys(_phrases(*texts), meaning)


def longest(table: Collection[Phrase], words: Sequence[str], start: int) -> Phrase:
    """The longest phrase of the table that begins at `start`, () if there is none."""
    for length in range(5, 0, -1):
        if (phrase := tuple(words[start : start + length])) in table:
            return phrase
    return ()


FILLERS = _phrases(
    "please", "kindly", "just", "now", "right now", "right away", "at once", "immediately",
    "again", "thanks", "thank you", "for me", "if you can", "if possible",
)  # fmt: skip
"""Dropped wherever they stand."""

HURRY = _phrases(
    "quickly", "quick", "fast", "faster", "hurry", "hurry up", "as fast as you can",
    "as fast as possible", "as quickly as you can", "as quickly as possible",
)  # fmt: skip
"""Noted: the robot is as quick as its limits let it be in any case."""

MANNERS = _phrases(
    "slowly", "slow", "slower", "more slowly", "carefully", "more carefully", "careful", "gently",
    "softly", "cautiously", "quietly", "silently", "smoothly", "be careful", "with care",
    "take your time", "at half speed", "at full speed", "with caution",
)  # fmt: skip
"""How to do it: the robot has one way, and refuses what it cannot honour."""

OPENINGS = _phrases(
    "could you", "can you", "would you", "will you", "you should", "you must", "you can",
    "i want you to", "i need you to", "i would like you to", "i'd like you to", "let's", "let us",
    "hey", "hello", "hi", "ok", "okay", "robot", "so", "go ahead and", "go and",
    "come and", "try to", "be so kind and", "would you mind", "do you mind", "how about",
    "why don't you", "you could", "could you maybe", "i'd love you to", "i would love you to",
    "i'd appreciate it if you would", "well", "oh", "um", "uh", "hey there", "good morning",
    "good afternoon", "good evening", "dear robot", "dear", "no",
)  # fmt: skip
"""Dropped at the beginning of a clause."""

ARTICLES = _set("the a an this that these those some any my your our his her its their")
OBJECT_PRONOUNS = _set("it them")
OTHER = _set("other another different")
NOT_THAT = _phrases(
    "not that one", "not this one", "not that", "not this", "not it",
    "wrong one", "the wrong one", "that's the wrong one", "that is the wrong one", "that's not it",
)  # fmt: skip
"""Whole sentences for "the other one"."""
RECIPIENTS = _set("me us")
ROBOT = _set("you yourself")

PARTICLES = _phrases(
    "up", "down", "out", "off", "over", "away", "back", "ahead", "forward", "forwards", "backward",
    "backwards", "along", "around", "round", "about", "in", "on", "straight", "still", "here",
    "there", "hold", "go", "where you are",
)  # fmt: skip
"""Parts of a verb: "pick up", "drive over to", "take hold of", "let go of", "stand still"."""

SUPERLATIVES: dict[str, Relation] = {
    **dict.fromkeys(("nearest", "closest", "nearer", "closer"), Relation.NEAREST),
    **dict.fromkeys(("farthest", "furthest", "farther", "further"), Relation.FARTHEST),
    **dict.fromkeys(("leftmost", "left-most", "left", "left-hand"), Relation.LEFTMOST),
    **dict.fromkeys(("rightmost", "right-most", "right", "right-hand"), Relation.RIGHTMOST),
    **dict.fromkeys(("largest", "biggest", "larger", "bigger", "large", "big"), Relation.LARGEST),
    **dict.fromkeys(
        ("smallest", "tiniest", "littlest", "smaller", "small", "tiny", "little"),
        Relation.SMALLEST,
    ),
}
"""Words that pick one of several; "the big ball" is the largest of those that are seen."""

PREPOSITIONS: dict[Phrase, Preposition] = {
    **_prepositions(
        Preposition(placement=Placement.TO, aim=True), "to", "toward", "towards", "up to"
    ),
    **_prepositions(
        Preposition(Relation.CLOSEST_TO, Placement.NEXT_TO, aim=True),
        "next to", "close to", "near to", "near", "beside", "by", "alongside", "adjacent to",
        "against", "at",
    ),
    **_prepositions(
        Preposition(Relation.CLOSEST_TO, Placement.ON),
        "on", "on top of", "atop", "upon", "in", "inside", "inside of",
    ),
    **_prepositions(Preposition(placement=Placement.ON), "onto", "into"),
    **_prepositions(
        Preposition(Relation.CLOSEST_TO),
        "closest to", "nearest to", "closer to", "nearer to", "from", "off", "off of", "out of",
    ),
    **_prepositions(Preposition(Relation.IN_FRONT_OF, aim=True), "in front of"),
    **_prepositions(Preposition(Relation.BEHIND), "behind", "in back of"),
    **_prepositions(Preposition(Relation.BETWEEN), "between", "in between"),
    **_prepositions(Preposition(aim=True), "for", "of"),
    **_prepositions(
        Preposition(),
        "with", "within", "above", "over", "under", "underneath", "below", "beneath", "beyond",
        "past", "through", "across", "along", "around", "round", "about", "among", "opposite",
        "before", "after", "until", "till", "without", "except", "as",
    ),
}  # fmt: skip
"""As a relation, "the cup on the plate" is the cup closest to the plate. The last group is known in
order to be refused."""

RELATIVES = _phrases(
    *(
        f"{pronoun} {participle}"
        for pronoun in ("that is", "that's", "that are", "which is", "which are", "")
        for participle in ("standing", "lying", "sitting", "located", "")
        if pronoun or participle
    )
)
"""Before a relation: "the box that is behind the cone"."""

NEGATIONS = _phrases("do not", "don't", "dont", "never")
QUESTIONS = _phrases("where is", "where are", "where's")
"""The one question that is a command: to look for something."""

QUANTIFIERS = _set(
    "all every each both everything many several no zero two three four five six seven eight nine"
    " ten"
)
OTHERS = _set(
    "and then , or but nor not if unless while because when where what who why how which is are was"
    " were be do does did has have had can could will would should must i we he she they you"
)
"""Closed-class words that end a noun phrase and begin none."""

BREAKS = _set("and then ,")
"""Between clauses; every stop is a comma."""

ASPECT_VERBS = _set("stop quit cease keep start")
"""Verbs that take another verb: "stop moving"."""

PLACING_VERBS = _set(
    "put place set lay drop leave position rest stack throw toss move push pull drag slide shove"
    " nudge roll bring carry deliver transfer transport return shift"
)
"""Verbs after whose object "on …" and "next to …" name the destination."""
