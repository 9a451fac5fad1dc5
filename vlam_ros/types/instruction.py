"""What the user says."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum, IntEnum


@dataclass(frozen=True)
class InstructionRequest:
    """An instruction as it arrived: its text and its order.

    `epoch` is the start of the receiving node (ns), `sequence` counts instructions within it; the
    pair grows, so that the instruction of a restarted node is newer, not older.
    """

    text: str
    epoch: int = 0
    sequence: int = 0

    @property
    def is_blank(self) -> bool:
        """Whether it asks for nothing."""
        return not self.text.strip()


class Query(Enum):
    """What a question asks for; the robot answers it and moves nothing."""

    NONE = "no question"
    SCENE = "what is seen"
    PRESENCE = "whether it is there"
    PLACE = "where it is"
    COUNT = "how many there are"
    SKILLS = "what the robot can do"


class Relation(IntEnum):
    """How a noun phrase picks one of several objects, seen from the robot."""

    NONE = 0
    LEFT_OF = 1
    RIGHT_OF = 2
    IN_FRONT_OF = 3
    BEHIND = 4
    CLOSEST_TO = 5
    BETWEEN = 6
    NEAREST = 7
    FARTHEST = 8
    LEFTMOST = 9
    RIGHTMOST = 10
    LARGEST = 11
    SMALLEST = 12
    OTHER = 13
    """Another one than what was meant before."""


@dataclass(frozen=True)
class ObjectPhrase:
    """A noun phrase: `text` is what CLIPSeg is asked for ("red cup"), without article or relation.

    LEFT_OF … CLOSEST_TO have one reference, BETWEEN two, the superlatives none.
    """

    text: str
    relation: Relation = Relation.NONE
    references: tuple[ObjectPhrase, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """What CLIPSeg is asked for: its own text and those of its references."""
        return (self.text, *(text for r in self.references for text in r.texts))

    @property
    def spoken(self) -> str:
        """The phrase as one says it: "the nearest box", "the cup that is behind the red box"."""
        name = self.relation.name.lower().replace("_", " ")
        if self.relation is Relation.NONE:
            return f"the {self.text}"
        if not self.references:
            return f"the {name} {self.text}"
        return f"the {self.text} that is {name} {' and '.join(r.spoken for r in self.references)}"

    def with_other(self, old: ObjectPhrase, new: ObjectPhrase) -> ObjectPhrase:
        """With one phrase, itself or a reference, in place of another."""
        if self == old:
            return new
        return replace(self, references=tuple(r.with_other(old, new) for r in self.references))


class Placement(IntEnum):
    """Where the target goes with respect to the destination."""

    NONE = 0
    ON = 1
    NEXT_TO = 2
    TO = 3


class Noun(Enum):
    """A noun of an instruction that a skill acts on."""

    TARGET = "target"
    DESTINATION = "destination"


@dataclass(frozen=True)
class Displacement:
    """How far the base is to move from where it stands: a `distance` (m) straight forward, negative
    for back, or an `angle` (rad) in place, positive for left; the other one is 0.
    """

    distance: float = 0.0
    angle: float = 0.0

    @property
    def text(self) -> str:
        """As a plan says it: "left 90 degrees", "back 0.50 m"."""
        if self.distance:
            return f"{'forward' if self.distance > 0 else 'back'} {abs(self.distance):.2f} m"
        side = "left" if self.angle > 0 else "right"
        return f"{side} {abs(math.degrees(self.angle)):.0f} degrees"


@dataclass(frozen=True)
class Instruction:
    """A parsed instruction. `skill_phrase` is the sentence with the nouns taken out
    ("pick up the object and put it on the destination"): what the skill is chosen by, unless there
    is a `displacement`, which names no noun. `is_stop` tells that it says stop, in whatever
    language, and `notes` what was read as something else.
    """

    text: str
    skill_phrase: str
    target: ObjectPhrase | None = None
    destination: ObjectPhrase | None = None
    placement: Placement = Placement.NONE
    displacement: Displacement | None = None
    query: Query = Query.NONE
    is_stop: bool = False
    notes: tuple[str, ...] = ()

    @property
    def named(self) -> dict[Noun, ObjectPhrase]:
        """The nouns that it names."""
        nouns = {Noun.TARGET: self.target, Noun.DESTINATION: self.destination}
        return {noun: phrase for noun, phrase in nouns.items() if phrase is not None}

    @property
    def texts(self) -> tuple[str, ...]:
        """What CLIPSeg is asked for: the texts of all its nouns."""
        return tuple(text for phrase in self.named.values() for text in phrase.texts)

    def said_with(self, old: ObjectPhrase, new: ObjectPhrase) -> str:
        """The sentence as one says it with one noun phrase in place of another."""
        said = self.skill_phrase
        for noun, phrase in self.named.items():
            words = "the object" if noun is Noun.TARGET else "the destination"
            said = said.replace(words, phrase.with_other(old, new).spoken)
        return said
