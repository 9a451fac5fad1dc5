"""The sentences the embedded model learns: object phrases, instructions and their paraphrases.

Training and test sentences come from the same words but not from the same patterns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import yaml
from numpy.random import Generator

from vlam_ros.lab.generators.vocabulary import NO_WORD, vocabulary
from vlam_ros.lab.simulation.scene import COLOURS, HELD_OUT_PAIRS, SHAPES
from vlam_ros.resources import resource_path

COLOUR_NAMES = tuple(COLOURS)
FLOOR_PHRASE = "empty floor"
"""What one sees where there is no object."""
PLACEHOLDERS = ("object", "thing")
"""Nouns that are true of every object: "red thing"."""

HELD_OUT_INDICES = frozenset(
    (vocabulary().colour_names.index(colour), vocabulary().nouns.index(shape))
    for colour, shape in HELD_OUT_PAIRS
)
USUAL = 0.6
"""Share in which a thing is called by its noun itself, not by a synonym."""

SENTENCES: dict[str, Any] = yaml.safe_load(
    resource_path("config/sentences.yaml").read_text(encoding="utf-8")
)
SKILL_PATTERNS, TEST_PATTERNS = (
    {skill: tuple[str, ...](patterns[kind]) for skill, patterns in SENTENCES["skills"].items()}
    for kind in ("trained", "tested")
)
"""By skill; those for tests are made of words that the others use for the same skill or for none in
particular.
"""

FRAMES: list[str] = SENTENCES["frames"]
PREFIXES: list[str] = SENTENCES["prefixes"]
SUFFIXES: list[str] = SENTENCES["suffixes"]


def taught_sentences() -> dict[str, tuple[str, ...]]:
    """The trained patterns by skill, as a calibration keeps them."""
    return {
        skill: tuple(p.format(t="the object", d="the destination") for p in patterns)
        for skill, patterns in SKILL_PATTERNS.items()
    }


def spoken(rng: Generator, colour: int, noun: int) -> str:
    """A way to say a colour and a noun of the vocabulary; NO_WORD leaves one out."""
    words = vocabulary()
    names = PLACEHOLDERS if noun == NO_WORD else words.synonyms[words.nouns[noun]]
    first = noun != NO_WORD and rng.random() < USUAL
    name = names[0] if first else str(rng.choice(names))
    return name if colour == NO_WORD else f"{words.colour_names[colour]} {name}"


def all_phrases() -> list[str]:
    """What the pipeline asks for in the rooms: every pair, trained or not, noun and colour."""
    pairs = [f"{colour} {shape}" for colour, shape in product(COLOURS, SHAPES)]
    return [*pairs, *SHAPES, *(f"{c} {p}" for c in COLOURS for p in PLACEHOLDERS)]


def framed(phrases: Sequence[str], rng: Generator) -> list[str]:
    return [FRAMES[int(rng.integers(len(FRAMES)))].format(phrase) for phrase in phrases]


def skill_sentence(rng: Generator, skill: str) -> str:
    return filled(_pattern(skill, rng), rng)


def varied_sentence(
    rng: Generator,
    skill: str,
    patterns: Mapping[str, Sequence[str]] = SKILL_PATTERNS,
    wide: bool = False,
) -> str:
    """A training sentence that need not follow one pattern as a whole, but never a test pattern;
    about things of the rooms, or of all the vocabulary.

    A third says it twice ("grab the object and take it"); every second of the others lacks about a
    seventh of its words, but none of its objects.
    """
    pattern = varied = _pattern(skill, rng, patterns)
    if rng.random() < 1 / 3:
        varied = _doubled(pattern, skill, rng, patterns)
    elif rng.random() < 0.5:
        kept = [w for w in pattern.split() if w.startswith("{") or rng.random() > 0.15]
        varied = " ".join(kept)
    empty = all(word.startswith("{") for word in varied.split())
    tested = any(varied in many for many in TEST_PATTERNS.values())
    return filled(pattern if empty or tested else varied, rng, wide)


def _pattern(
    skill: str, rng: Generator, patterns: Mapping[str, Sequence[str]] = SKILL_PATTERNS
) -> str:
    return patterns[skill][int(rng.integers(len(patterns[skill])))]


def _doubled(
    pattern: str, skill: str, rng: Generator, patterns: Mapping[str, Sequence[str]]
) -> str:
    """Two patterns of a skill as one; before what places an object comes what picks it up."""
    before = _pattern("pick_up", rng) if skill == "place" else pattern
    after = pattern if skill == "place" else _pattern(skill, rng, patterns)
    if "{d}" in before or " and " in before + after:
        return pattern
    return f"{before} and {after.replace('{t}', 'it')}"


def unknown_sentence(rng: Generator) -> str:
    """An instruction whose verb is no word: it means no skill at all."""
    verb = " ".join(pseudo_word(rng) for _ in range(int(rng.integers(1, 3))))
    particle = ("", " to", " up", " at", " for", " over")[int(rng.integers(6))]
    return filled(f"{verb}{particle} {{t}}", rng)


def pseudo_word(rng: Generator) -> str:
    """A pronounceable word that means nothing ("brolat"), never a known one."""
    onsets = "b br c ch d dr f fl g gr h j k kl l m n p pr r s sh st t tr v w z".split()
    vowels = "a e i o u ai ee oo ou".split()
    codas = ["", "", *"bdglmnrt"]
    while True:
        word = "".join(
            str(rng.choice(onsets)) + str(rng.choice(vowels)) + str(rng.choice(codas))
            for _ in range(int(rng.integers(1, 4)))
        )
        if word not in known_words() and word not in vocabulary().names:
            return word


@cache
def known_words() -> frozenset[str]:
    """Those of the sentences and of the rooms."""
    patterns = [p for many in SKILL_PATTERNS.values() for p in many]
    text = [*patterns, *FRAMES, *PREFIXES, *SUFFIXES, *COLOURS, *SHAPES, FLOOR_PHRASE]
    words = " ".join(text).replace("{t}", "object").replace("{d}", "destination").split()
    return frozenset(words) - {"{}"}


def corpus(rng: Generator, sentences: int = 20_000) -> list[str]:
    """Sentences for training the tokenizer: all phrases in all frames, and instructions."""
    words = vocabulary()
    phrases = [f"{c} {name}" for c in words.colours for name in words.names] + [FLOOR_PHRASE]
    framed_phrases = [frame.format(phrase) for frame in FRAMES for phrase in phrases]
    skills = list(SKILL_PATTERNS)
    drawn = [skill_sentence(rng, skills[i % len(skills)]) for i in range(sentences)]
    return framed_phrases + drawn


def filled(pattern: str, rng: Generator, wide: bool = False) -> str:
    """A pattern as one may say it: the objects named or taken out, politeness before and after.

    Those named are of the rooms, or of all the vocabulary.
    """
    target, destination = "the object", "the destination"
    if rng.random() < 0.3:
        words = vocabulary()
        sizes = (len(words.colours), len(words.nouns)) if wide else (len(COLOURS), len(SHAPES))
        pairs = rng.integers(0, sizes, size=(2, 2)).tolist()
        named = (spoken(rng, c, n) if wide else f"{COLOUR_NAMES[c]} {SHAPES[n]}" for c, n in pairs)
        target, destination = (f"the {name}" for name in named)
    sentence = pattern.format(t=target, d=destination)
    prefix = PREFIXES[int(rng.integers(len(PREFIXES)))]
    suffix = SUFFIXES[int(rng.integers(len(SUFFIXES)))]
    return f"{prefix}{sentence}{suffix}"


def test_sentences() -> list[tuple[str, str]]:
    """(skill, sentence) for every pattern never trained on, with named objects and plain."""
    rng = np.random.default_rng(0)
    return [(skill, filled(p, rng)) for skill, many in TEST_PATTERNS.items() for p in many * 8]
