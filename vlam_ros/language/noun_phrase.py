"""The part of the grammar that reads objects: "the largest box left of the red cup"."""

from __future__ import annotations

from dataclasses import replace

from vlam_ros.language.lexicon import Lexicon
from vlam_ros.language.sentence import Sentence
from vlam_ros.language.words import (
    ARTICLES,
    OTHER,
    QUANTIFIERS,
    RELATIVES,
    ROBOT,
    SUPERLATIVES,
)
from vlam_ros.types import ObjectPhrase, Relation

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

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        super().__init__(text, lexicon)
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
        self.take(self.word() == "one" and self.is_open(1))
        while self.word():
            superlative = SUPERLATIVES.get(self.word(), Relation.NONE)
            distance = superlative in _DISTANCES
            if self.word() in OTHER and self.is_open(1) and not words:
                self._check_single(relation)
                relation = Relation.OTHER
                self.take()
            elif self.is_open():
                if (meant := self.lexicon.noun(self.word())) != self.word():
                    self.take_as(meant)
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
