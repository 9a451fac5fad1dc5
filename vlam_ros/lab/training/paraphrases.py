"""What is read while skills are taught: their prompts varied, old sentences, and none of either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from vlam_ros.errors import InstructionError, LearningError
from vlam_ros.lab.generators.vocabulary import vocabulary
from vlam_ros.lab.simulation.scene import SHAPES
from vlam_ros.lab.training.captions import (
    FLOOR_PHRASE,
    PLACEHOLDERS,
    SENTENCES,
    SKILL_PATTERNS,
    all_phrases,
    filled,
    framed,
    known_words,
    pseudo_word,
    unknown_sentence,
    varied_sentence,
)
from vlam_ros.language import parse_instruction
from vlam_ros.policies import Skill

COUNT, PHRASES = 64, 48
"""Sentences of a step, and object phrases, each bare and in a sentence frame."""
NEW, OLD = 0.35, 0.25
"""Shares of sentences that mean a new skill and an old one; the rest means none."""
PARTICLES: list[str] = SENTENCES["particles"]
APPROACHES: list[str] = SENTENCES["approaches"]
OTHER_VERBS = frozenset(SENTENCES["other_verbs"])
"""Verbs of no skill, as far as nobody lists them in a prompt."""
MISSPELT, OTHER = 0.4, 0.3
"""Shares of those without meaning that are nearly of a new skill, and that have another verb."""
PLAIN = 0.5
"""Share of sentences that are read as what a robot compares with prompts."""
VARIED = 0.5
"""Share of new sentences that do not begin with a prompt as it is."""


@dataclass(frozen=True)
class Reading:
    """What a step reads: S instructions, their skills int64[S] (-1: none), which of them the
    untuned model knows (`old` bool[S]), and names of objects.
    """

    sentences: tuple[str, ...]
    labels: Tensor
    old: Tensor
    phrases: tuple[str, ...]


class Paraphrases:
    """The sentences and phrases of a step, drawn by (seed, step) alone."""

    def __init__(self, skills: Sequence[Skill], seed: int = 0, words: Sequence[str] = ()) -> None:
        """Sort what the skills' prompts say into old and new.

        Args:
            skills: all of the robot, the new ones among them.
            words: that the model knows objects by, as its calibration lists them.

        Raises:
            LearningError: no prompt is new, or one has braces.
        """
        self.names = tuple(skill.name for skill in skills)
        self.new = {skill.name: own for skill in skills if (own := new_patterns(skill))}
        self.old = tuple(name for name in self.names if name in SKILL_PATTERNS)
        if not self.new:
            raise LearningError(
                "the skills have no prompt that the embedded model was not trained on: add a skill"
            )
        self._varied = {name: _variations(own) or own for name, own in self.new.items()}
        self._seed = seed
        said = {word for skill in skills for p in skill.prompts for word in p.split()}
        # What the embedded model calls objects, and each new word, bare and with every colour.
        colours = vocabulary().colour_names
        nouns = sorted(set(words) - known_words() - {*PLACEHOLDERS, *colours})
        coloured = [f"{colour} {noun}" for noun in (*SHAPES, *nouns) for colour in colours]
        self.phrases = tuple(dict.fromkeys((*all_phrases(), FLOOR_PHRASE, *nouns, *coloured)))
        self._known = sorted(known_words() | said | set(words))
        self._words = sorted(said - known_words())
        self._taken = (said | set(words)) - known_words()
        self._others = sorted(OTHER_VERBS - set(self._known))
        self._patterns = [
            pattern
            for own in (*self.new.values(), *self._varied.values())
            for pattern in own
            if not set(self._words).isdisjoint(pattern.split())
        ]

    def batch(self, step: int) -> Reading:
        rng = np.random.default_rng([self._seed, step])
        drawn = [self._draw(rng) for _ in range(COUNT)]
        sentences, labels, old = zip(*drawn, strict=True)
        chosen = rng.choice(len(self.phrases), PHRASES, replace=False)
        some = [self.phrases[i] for i in chosen]
        return Reading(
            sentences,
            torch.tensor(labels),
            torch.tensor(old),
            (*some, *framed(some, rng)),
        )

    def new_sentence(self, rng: Generator) -> tuple[str, str]:
        name = str(rng.choice(list(self.new)))
        patterns = self._varied if rng.random() < VARIED else self.new
        return name, varied_sentence(rng, name, patterns)

    def old_sentence(self, rng: Generator) -> tuple[str, str]:
        name = str(rng.choice(self.old))
        return name, varied_sentence(rng, name)

    def no_sentence(self, rng: Generator) -> str:
        """A sentence whose verb is of no skill, or no word; many are nearly of a new skill."""
        kind = rng.random()
        if self._patterns and kind < MISSPELT:
            return self._misspelt(rng)
        if kind < MISSPELT + OTHER:
            return self._other_verb(rng)
        while True:
            sentence = unknown_sentence(rng)
            if self._taken.isdisjoint(sentence.split()):
                return sentence

    def _misspelt(self, rng: Generator) -> str:
        pattern = str(rng.choice(self._patterns))
        said = (self._other(word, rng) if word in self._words else word for word in pattern.split())
        return filled(" ".join(said), rng)

    def _other_verb(self, rng: Generator) -> str:
        pattern = f"{rng.choice(self._others)} {{t}}"
        if rng.random() < 0.3:
            pattern += f" {rng.choice(PARTICLES)}"
        if rng.random() < 0.3:
            pattern = f"{rng.choice(APPROACHES)} and {pattern}"
        return filled(pattern, rng)

    def _other(self, word: str, rng: Generator) -> str:
        """No word: the beginning or the end of one, with a part of another or of none."""
        while True:
            other = pseudo_word(rng) if rng.random() < 0.5 else str(rng.choice(self._known))
            first, second = (word, other) if rng.random() < 0.5 else (other, word)
            made = first[: rng.integers(1, len(first) + 1)] + second[rng.integers(len(second)) :]
            if made not in self._known:
                return made

    def _draw(self, rng: Generator) -> tuple[str, int, bool]:
        kind, label, old = rng.random(), -1, False
        if kind >= NEW + OLD:
            sentence = self.no_sentence(rng)
        else:
            old = bool(self.old) and kind >= NEW
            name, sentence = self.old_sentence(rng) if old else self.new_sentence(rng)
            label = self.names.index(name)
        # Prompts are compared with skill phrases; in a sentence the words stand elsewhere.
        return skill_phrase(sentence) if rng.random() < PLAIN else sentence, label, old


def new_patterns(skill: Skill) -> tuple[str, ...]:
    """The prompts of a skill that are none of the embedded model's training patterns, as such.

    Raises:
        LearningError: a prompt has braces.
    """
    if braced := [prompt for prompt in skill.prompts if "{" in prompt or "}" in prompt]:
        raise LearningError(f"skill {skill.name}: a prompt has no braces, got {braced[0]!r}")
    patterns = [
        prompt.replace("the object", "{t}").replace("the destination", "{d}")
        for prompt in skill.prompts
    ]
    return tuple(p for p in patterns if p not in SKILL_PATTERNS.get(skill.name, ()))


def _variations(patterns: Sequence[str]) -> tuple[str, ...]:
    """A skill's patterns with its other verbs ("wipe {t}" makes "wipe {t} off" of "dust {t} off"),
    with two of them ("wipe and dust {t}"), with particles, and after an approach ("come and wipe").
    """
    known = known_words()
    verbs = [p.split()[0] for p in patterns if p.endswith(" {t}") and len(p.split()) == 2]
    made = [f"{first} and {second} {{t}}" for first, second in permutations(verbs, 2)]
    for pattern in patterns:
        words = pattern.split()
        new = next((i for i, w in enumerate(words) if w not in known and "{" not in w), None)
        if new is not None:
            made += [" ".join([*words[:new], verb, *words[new + 1 :]]) for verb in verbs]
        if words[-1] not in ("{d}", *PARTICLES):
            made += [f"{pattern} {particle}" for particle in PARTICLES]
        if " and " not in pattern:
            made += [f"{approach} and {pattern}" for approach in APPROACHES]
    return tuple(pattern for pattern in dict.fromkeys(made) if pattern not in patterns)


def skill_phrase(sentence: str) -> str:
    """What of a sentence a robot compares with prompts; all of it if the grammar refuses it."""
    try:
        return parse_instruction(sentence).skill_phrase
    except InstructionError:
        return sentence
