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

from typing import NoReturn

from vlam_ros.errors import InstructionError
from vlam_ros.language.displacement import parse_displacement
from vlam_ros.language.lexicon import Lexicon
from vlam_ros.language.noun_phrase import NounPhrases
from vlam_ros.language.question import asked
from vlam_ros.language.sentence import MAX_CHARACTERS
from vlam_ros.language.words import (
    ARTICLES,
    ASPECT_VERBS,
    NEGATIONS,
    NOT_THAT,
    OBJECT_PRONOUNS,
    OTHER,
    PARTICLES,
    PLACING_VERBS,
    QUESTIONS,
    RECIPIENTS,
    SUPERLATIVES,
    Preposition,
)
from vlam_ros.types import Instruction, ObjectPhrase, Placement, Query, Relation

PLAIN = Lexicon()
"""Any word may be an object's name, and none is known to be one."""


def parse_instruction(text: str, lexicon: Lexicon = PLAIN) -> Instruction:
    """Separate skill phrase, target, destination and relations of an English instruction.

    The skill phrase is the sentence in lower case without politeness, its clauses joined by "and",
    with "the object" and "the destination" in place of the noun phrases: "pick up the object and
    put it on the destination". "it" is the target, or nothing that is named: "put it on the tray".
    What says how far to turn or to move is read by `displacement` alone, what says stop in several
    languages is read before, and so are questions. Takes time linear in the length of the text.

    Args:
        text: the sentence.
        lexicon: words of objects, which are never a verb, and what else is read as one of them.

    Raises:
        InstructionError: `text` is not a string, empty, longer than 500 characters, not text, or
            not a sentence of the grammar above.
    """
    if isinstance(text, str) and lexicon.is_stop(text):
        return _stop(text, lexicon)
    if isinstance(text, str) and len(text) <= MAX_CHARACTERS and (question := asked(text)):
        return _question(text, *question, lexicon)
    parser = _Parser(text, lexicon)
    return parse_displacement(text) or parser.parse()


def _stop(text: str, lexicon: Lexicon) -> Instruction:
    try:
        parsed = _Parser(text, lexicon).parse()
    except InstructionError:  # it is in another language
        parsed = Instruction(text, "stop")
    phrase = "stop" if parsed.target or parsed.destination else parsed.skill_phrase
    return Instruction(text, phrase, is_stop=True)


def _question(text: str, query: Query, noun: str, lexicon: Lexicon) -> Instruction:
    target: ObjectPhrase | None = None
    notes: tuple[str, ...] = ()
    if noun:
        phrases = NounPhrases(noun, lexicon)
        target = phrases.modified(phrases.noun_phrase())
        if phrases.word():
            phrases.expect("the end of the question")
        notes = tuple(dict.fromkeys(phrases.notes))
    phrase = "where is the object" if query is Query.PLACE else query.value
    return Instruction(text, phrase, target, query=query, notes=notes)


class _Parser(NounPhrases):
    """Recursive descent: every method consumes what it understands and refuses the rest."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        super().__init__(text, lexicon)
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
        if self._names_another():
            return Instruction(self.text, "", self._target, notes=tuple(self.notes))
        self._clause()
        while self.word():
            while self.word() and self.ends_clause():
                self.take()
            self._said.append("and")
            self._clause()
        return Instruction(
            self.text,
            " ".join(self._said),
            self._target,
            self._destination,
            self._placement,
            notes=tuple(dict.fromkeys(self.notes)),
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
            self._refuse_place()

    def _verb(self) -> str:
        if not self._said and self._begins_with_noun():
            self._ask_for_verb()
        if (verb := self.lexicon.verb(self.word())) != self.word():
            self.take_as(verb)
        if question := self.next_of(QUESTIONS):
            self._say(question)
        elif self.is_open() or (self.next_of(PARTICLES) and not self.preposition()):
            self._say()
        else:
            self.expect("one command with one object at a time: a verb")
        return verb

    def _refuse_place(self) -> NoReturn:
        """A relation that may be meant as a destination: "put the ball behind the box"."""
        said, target = " ".join(self._said), self._target
        if target and target.references:
            beside = f" next to {target.references[0].spoken}"
            said = said.replace("the object", ObjectPhrase(target.text).spoken) + beside
        elif target:
            said = said.replace("the object", target.spoken)
        self.refuse(
            "things are put on, next to or to an object, and after 'that is' a relation tells which"
            f" object is meant: say '{said}'"
        )

    def _names_another(self) -> bool:
        """Whether the whole sentence is like "the other one": the last instruction once more."""
        begin = self.position
        if length := self.next_of(NOT_THAT):
            self.take(length)
            self._target = ObjectPhrase("object", Relation.OTHER)
        elif self.word(self.word() in ARTICLES) in OTHER:
            self.take(self.word() in ARTICLES)
            if self.word(1):
                self._target = self.modified(self.noun_phrase())
            else:
                self.take()
                self._target = ObjectPhrase("object", Relation.OTHER)
        if self._target and not self.word() and self._target.relation is Relation.OTHER:
            return True
        self.position, self._target = begin, None
        return False

    def _begins_with_noun(self) -> bool:
        word = self.word()
        begins = word in ARTICLES or word in SUPERLATIVES or word in OTHER
        return self.lexicon.is_name(word) or (begins and self.starts_noun(1))

    def _ask_for_verb(self) -> NoReturn:
        phrase = self.modified(self.noun_phrase())
        words = " ".join(phrase.texts).split()
        example = self.lexicon.example_with(phrase.spoken) if self.lexicon.knows(words) else ""
        self.refuse(f"what should I do with {phrase.spoken}?", example)

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
        nearest = self._target and self._target.relation is Relation.NEAREST
        if self._target and nearest and self.word() == "to" and not self.placing:
            self.take()
            said = f"the {self._target.text} closest to {self.noun_phrase().spoken}"
            self.refuse(f"say '{' '.join(self._said).replace('the object', said)}'")
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
