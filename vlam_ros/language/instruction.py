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

from vlam_ros.language.noun_phrase import NounPhrases
from vlam_ros.language.words import (
    ASPECT_VERBS,
    NEGATIONS,
    OBJECT_PRONOUNS,
    PARTICLES,
    PLACING_VERBS,
    QUESTIONS,
    RECIPIENTS,
    Preposition,
)
from vlam_ros.types import Instruction, ObjectPhrase, Placement, Relation


def parse_instruction(text: str) -> Instruction:
    """Separate skill phrase, target, destination and relations of an English instruction.

    The skill phrase is the sentence in lower case without politeness, its clauses joined by "and",
    with "the object" and "the destination" in place of the noun phrases: "pick up the object and
    put it on the destination". "it" is the target, or nothing that is named: "put it on the tray".
    Takes time linear in the length of the text.

    Raises:
        InstructionError: `text` is not a string, empty, longer than 500 characters, not text, or
            not a sentence of the grammar above.
    """
    return _Parser(text).parse()


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
