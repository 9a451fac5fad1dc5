"""The grammar of instructions: from a sentence to a skill phrase, a target and a destination.

    instruction  clause { ("and" | "then" | ",") clause }
    clause       verb { particle } [ preposition ] object { particle | relation | place }
    object       "it" | noun phrase
    noun phrase  [ article ] { superlative | word } [ relation ]
    relation     [ "that is" ] ( preposition noun phrase | "between" … "and" … | superlative
                 | "on the left" )
    place        preposition noun phrase

The first object is the target, a later place the destination. Which skill a verb means and what a
noun looks like is left to the models. What the robot could only guess is refused: two objects to
act on, counts, "or", "not", places that it cannot aim at.
"""

from __future__ import annotations

from dataclasses import replace

from vlam_ros.language.displacement import parse_displacement
from vlam_ros.language.sentence import Sentence
from vlam_ros.language.words import (
    ARTICLES,
    ASPECT_VERBS,
    NEGATIONS,
    OBJECT_PRONOUNS,
    PARTICLES,
    PLACING_VERBS,
    QUANTIFIERS,
    QUESTIONS,
    RECIPIENTS,
    RELATIVES,
    ROBOT,
    SUPERLATIVES,
    Preposition,
)
from vlam_ros.types import Instruction, ObjectPhrase, Placement, Relation

# After a placing verb these could as well mean the destination: "push the ball behind the box".
_DOUBTFUL = (
    Relation.LEFT_OF,
    Relation.RIGHT_OF,
    Relation.IN_FRONT_OF,
    Relation.BEHIND,
    Relation.BETWEEN,
)
_DISTANCES = (Relation.NEAREST, Relation.FARTHEST)
# What a relation is with the robot as its reference: "the box closest to you".
_FROM_ROBOT = {
    Relation.LEFT_OF: Relation.LEFTMOST,
    Relation.RIGHT_OF: Relation.RIGHTMOST,
    Relation.CLOSEST_TO: Relation.NEAREST,
    Relation.IN_FRONT_OF: Relation.NONE,
}


class NounPhrases(Sentence):
    """The part of the grammar that reads objects; it consumes what it understands."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        # Whether "on …" after a noun names the destination and does not describe the noun, and
        # whether a relation was read that may have been meant as a destination.
        self.placing = False
        self.doubtful = False

    def noun_phrase(self) -> ObjectPhrase:
        """An object with its superlative or relation: "the red cup left of the plate"."""
        while self.word() in ARTICLES:
            self.take()
        if self.word() in QUANTIFIERS or self.word().isdigit():
            self.expect("one object at a time, no counts or distances: a noun")
        words: list[str] = []
        relation = Relation.NONE
        while self.word():
            superlative = SUPERLATIVES.get(self.word(), Relation.NONE)
            distance = superlative in _DISTANCES
            if self.is_open():
                words += self.take()
            elif self.word() == "of" and (words or relation):
                # "cup of tea", but "boxes" in "the largest of the boxes"
                of = self.take()
                words += of if words else []
                self.take(self.word() in ARTICLES)
            elif superlative and not (words and (distance or not self.is_open(1))):
                self._check_single(relation)
                relation = superlative
                self.take()
            else:
                break
        if not words or words[-1] == "of":
            self.expect("a noun")
        return self.modified(ObjectPhrase(" ".join(words), relation))

    def modified(self, phrase: ObjectPhrase) -> ObjectPhrase:
        """The noun phrase with the relation that follows it, if one does."""
        while True:
            if phrase.relation in _DISTANCES and self.word(1) in ROBOT:
                # "the nearest box to you": superlatives are seen from the robot anyway.
                self.take(2)
            relative = self.next_of(RELATIVES)
            self.take(relative)
            relation = self._relation(certain=relative > 0)
            if relation is None:
                if relative:
                    self.expect("a relation such as 'behind the box' or 'on the left'")
                return phrase
            self._check_single(phrase.relation)
            phrase = self._related(phrase, relation)

    def _relation(self, certain: bool) -> Relation | None:
        """The words of a relation up to its reference; after "that is" it is certainly one."""
        if side := self.side():
            self.take(len(side[0].split()))
            left = side["side"] == "left"
            self.doubtful |= self.placing and not certain and side["where"] == "to"
            if not side["of"]:
                return Relation.LEFTMOST if left else Relation.RIGHTMOST
            relation = Relation.LEFT_OF if left else Relation.RIGHT_OF
        elif found := self.preposition():
            length, meaning = found
            place = self.placing and not certain and meaning.placement
            if place or not meaning.relation:
                return None
            self.take(length)
            relation = meaning.relation
        else:
            article = certain and self.word() in ARTICLES
            if self.word(article) not in SUPERLATIVES:
                return None
            relation = SUPERLATIVES[self.take(article + 1)[-1]]
            if relation is Relation.NEAREST and self.starts_noun():
                return Relation.CLOSEST_TO
        self.doubtful |= self.placing and not certain and relation in _DOUBTFUL
        return relation

    def _related(self, phrase: ObjectPhrase, relation: Relation) -> ObjectPhrase:
        if relation >= Relation.NEAREST:
            return replace(phrase, relation=relation)
        if self.word() in ROBOT:
            if relation not in _FROM_ROBOT:
                self.expect("an object, as the robot does not see that place,")
            self.take()
            return replace(phrase, relation=_FROM_ROBOT[relation])
        references: tuple[ObjectPhrase, ...] = (self.noun_phrase(),)
        if relation is Relation.BETWEEN:
            if self.word() != "and":
                self.expect("'between' needs two objects: 'and'")
            self.take()
            references += (self.noun_phrase(),)
        return replace(phrase, relation=relation, references=references)

    def _check_single(self, relation: Relation) -> None:
        if relation:
            self.refuse("an object can have one superlative or relation, not two")


def parse_instruction(text: str) -> Instruction:
    """Separate skill phrase, target, destination and relations of an English instruction.

    The skill phrase is the sentence in lower case without politeness, its clauses joined by "and",
    with "the object" and "the destination" in place of the noun phrases: "pick up the object and
    put it on the destination". "it" is the target, or nothing that is named: "put it on the tray".
    What says how far to turn or to move is read by `displacement` alone.
    Takes time linear in the length of the text.

    Raises:
        InstructionError: `text` is not a string, empty, longer than 500 characters, not text, or
            not a sentence of the grammar above.
    """
    parser = _Parser(text)
    return parse_displacement(text) or parser.parse()


class _Parser(NounPhrases):
    """Recursive descent: every method consumes what it understands and refuses the rest."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._said: list[str] = []
        self._target: ObjectPhrase | None = None
        self._destination: ObjectPhrase | None = None
        self._placement = Placement.NONE
        # "it" was said of what has no name: the robot may hold it.
        self._unnamed = False
        # So far the target is only somewhere to go or look: "go to the box".
        self._target_is_aim = False
        # What follows in the clause may still describe the target.
        self._describing = False

    def parse(self) -> Instruction:
        self._clause()
        while self.word():
            while self.word() and self.ends_clause():
                self.take()
            self._said.append("and")
            self._clause()
        return Instruction(
            self.text, " ".join(self._said), self._target, self._destination, self._placement
        )

    def _say(self, count: int = 1) -> None:
        """Keep the next words in the skill phrase."""
        self._said += self.take(count)

    def _clause(self) -> None:
        negated = self.next_of(NEGATIONS)
        self._say(negated)
        verb = self._verb()
        self.placing = verb in PLACING_VERBS and self._destination is None
        self.doubtful = self._describing = False
        if not self._before_object(verb):
            return
        if negated:
            self.refuse("say what to do with an object, not what not to do")
        self._after_object()
        if self.doubtful and self._destination is None:
            self.refuse(
                "things are put on, next to or to an object; to say which object is meant, say"
                " 'the ball that is behind the box'"
            )

    def _verb(self) -> str:
        verb = self.word()
        if question := self.next_of(QUESTIONS):
            self._say(question)
        elif self.is_open() or (self.next_of(PARTICLES) and not self.preposition()):
            self._say()
        else:
            self.expect("one command with one object at a time: a verb")
        return verb

    def _before_object(self, verb: str) -> bool:
        """The words between the verb and its object, and the object; False if there is none."""
        while not self.ends_clause():
            gerund = verb in ASPECT_VERBS and self.word().endswith("ing")
            if side := self.side():
                if side["of"]:
                    self.refuse(f"name an object to go to, not a place {side['side']} of it")
                self._say(len(side[0].split()))
            elif found := self.preposition():
                length, meaning = found
                if not meaning.aim:
                    self.refuse(f"there is no skill for '{verb} {self.word()}' an object")
                self._say(length)
                if not self.is_serial_verb() and self._object(meaning):
                    return True
            elif self.is_serial_verb():
                self.placing = self.word() in PLACING_VERBS and self._destination is None
                self._say()
            elif particle := self.next_of(PARTICLES):
                self._say(particle)
            elif self.word() in RECIPIENTS:
                self.placing = False
                self._say()
            elif gerund or self.is_direction():
                self._say()
            elif self.starts_noun():
                return self._object(None)
            else:
                self.expect("an object")
        return False

    def _object(self, aim: Preposition | None) -> bool:
        """The object, after a preposition if the verb has one; False if it is the speaker."""
        if self.word() in RECIPIENTS:
            self._say()
            return False
        if self.word() in OBJECT_PRONOUNS:
            self._unnamed |= self._target is None
            self._target_is_aim &= aim is not None
            self._say()
            return True
        self.placing &= aim is None
        phrase = self.noun_phrase()
        if self._unnamed:
            self.refuse(f"name '{phrase.text}' before you say 'it'")
        if self._target is None:
            self._target, self._target_is_aim = phrase, aim is not None
            self._describing = True
            self._said += ["the", "object"]
        elif _means(phrase, self._target):
            self._said += ["the", "object"]
        elif aim is not None and not self._target_is_aim:
            self._set_destination(phrase, aim)
        else:
            self.refuse(f"one object at a time, not '{self._target.text}' and '{phrase.text}'")
        return True

    def _after_object(self) -> None:
        """Particles, relations and places behind the object: "… up from the tray"."""
        while not self.ends_clause():
            before = self.position
            if self._target and self._describing:
                self._target = self.modified(self._target)
            if self.position > before:
                continue
            if self._target and self._describing and self.word() == "for":
                # "search the room for the ball": the room belongs to the skill phrase.
                self._said[self._said.index("object")] = self._target.text
                self._target = None
                self._say()
                self._object(Preposition(aim=True))
            elif found := self.preposition():
                self._place(*found)
            elif particle := self.next_of(PARTICLES):
                self._say(particle)
            else:
                self.expect("the end of the sentence")

    def _place(self, length: int, meaning: Preposition) -> None:
        nearest = self._target is not None and self._target.relation is Relation.NEAREST
        if self.word() == "to" and nearest and not self.placing:
            self.refuse("say 'the cup closest to the plate', not 'the closest cup to the plate'")
        if meaning.placement is Placement.NONE:
            self.refuse(f"nothing can be placed '{self.word()}' an object, only on, next to or to")
        self._say(length)
        if self.word() in RECIPIENTS:
            self._say()
        else:
            self.placing = False
            self._set_destination(self.noun_phrase(), meaning)

    def _set_destination(self, phrase: ObjectPhrase, meaning: Preposition) -> None:
        if self._destination is not None:
            there = self._destination.text
            self.refuse(f"one destination at a time, not '{there}' and '{phrase.text}'")
        if meaning.placement is Placement.NONE:
            self.refuse(f"a destination is on, next to or to an object: '{phrase.text}'")
        self._destination, self._placement = phrase, meaning.placement
        self._describing = False
        self._said += ["the", "destination"]


def _means(phrase: ObjectPhrase, target: ObjectPhrase) -> bool:
    """Whether a later noun phrase is the target again: "the cup" after "the red cup"."""
    shorter = phrase.text == target.text or target.text.endswith(f" {phrase.text}")
    return phrase == target or (shorter and not phrase.relation)
