"""The sentences the embedded model learns: object phrases, instructions and their paraphrases.

Training and test sentences come from the same words but not from the same patterns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product

import numpy as np
from numpy.random import Generator

from vlam_ros.lab.simulation.scene import COLOURS, HELD_OUT_PAIRS, SHAPES

COLOUR_NAMES = tuple(COLOURS)
FLOOR_PHRASE = "empty floor"
"""What one sees where there is no object."""
PLACEHOLDERS = ("object", "thing")
"""Nouns that are true of every object: "red thing"."""

TRAINED_PAIRS = tuple(p for p in product(COLOUR_NAMES, SHAPES) if p not in HELD_OUT_PAIRS)
ALL_PAIRS = tuple(product(COLOUR_NAMES, SHAPES))

FRAMES = (
    "{}",
    "{}",
    "a {}",
    "the {}",
    "one {}",
    "this is a {}",
    "an image of a {}",
    "there is a {}",
)
"""Sentence frames around an object phrase; the bare phrase is what the pipeline asks for."""

SKILL_PATTERNS: dict[str, tuple[str, ...]] = {
    "stop": (
        "stop", "halt", "freeze", "wait", "stop moving", "stand still", "do not move", "hold still",
        "stay where you are", "stop now", "halt now", "do not go on", "stop going", "stay here",
    ),
    "go_to": (
        "go to {t}", "drive to {t}", "move to {t}", "head to {t}", "walk to {t}", "approach {t}",
        "come to {t}", "navigate to {t}", "travel to {t}", "roll to {t}", "drive over to {t}",
        "go over to {t}", "move up to {t}", "get to {t}", "bring me to {t}", "go near {t}",
        "move towards {t}", "get close to {t}", "go and stand next to {t}",
    ),
    "turn_to": (
        "turn to {t}", "turn towards {t}", "face {t}", "look at {t}", "rotate to {t}",
        "rotate towards {t}", "point at {t}", "turn to face {t}", "spin towards {t}",
        "turn around to {t}", "orient to {t}", "look towards {t}",
    ),
    "pick_up": (
        "pick up {t}", "grab {t}", "take {t}", "lift {t}", "get {t}", "fetch {t}", "grasp {t}",
        "collect {t}", "lift up {t}", "take hold of {t}", "get hold of {t}", "seize {t}",
        "pick {t} up", "bring me {t}", "lift {t} up",
    ),
    "place": (
        "put {t} on {d}", "place {t} on {d}", "set {t} on {d}", "lay {t} on {d}", "drop {t} on {d}",
        "put {t} onto {d}", "put {t} on top of {d}", "put {t} next to {d}", "place {t} next to {d}",
        "put {t} beside {d}", "place {t} near {d}", "set {t} down on {d}", "drop {t} next to {d}",
        "pick up {t} and put it on {d}", "take {t} and place it on {d}", "put {t} in {d}",
        "grab {t} and put it next to {d}", "pick up {t} and place it next to {d}",
        "put {t} into {d}",
    ),
    "push": (
        "push {t}", "push {t} to {d}", "shove {t} to {d}", "slide {t} to {d}", "nudge {t}",
        "shove {t}", "push {t} towards {d}", "slide {t} towards {d}", "push {t} against {d}",
        "nudge {t} to {d}", "push {t} away", "push {t} over to {d}", "shove {t} away",
    ),
    "search": (
        "look for {t}", "search for {t}", "find {t}", "seek {t}", "locate {t}", "try to find {t}",
        "where is {t}", "scan for {t}", "hunt for {t}", "search the room for {t}",
        "look around for {t}", "go and find {t}",
    ),
}  # fmt: skip

TEST_PATTERNS: dict[str, tuple[str, ...]] = {
    "stop": (
        "stop and wait", "stand still now", "halt and stay here", "wait here", "do not go",
        "freeze and stay there", "wait and do not move", "halt and stand still", "stop there",
        "hold still and wait",
    ),
    "go_to": (
        "roll over to {t}", "drive up to {t}", "head towards {t}", "walk over to {t}",
        "go close to {t}", "navigate towards {t}", "drive near {t}", "travel towards {t}",
        "walk up to {t}", "come over to {t}", "roll near {t}", "drive close to {t}",
        "move near {t}", "go up to {t}",
    ),
    "turn_to": (
        "turn and face {t}", "rotate to face {t}", "spin to face {t}", "turn around towards {t}",
        "orient towards {t}", "spin around to {t}", "turn around and face {t}",
        "spin around towards {t}", "rotate around to {t}", "point towards {t}",
        "look over to {t}", "turn and look at {t}",
    ),
    "pick_up": (
        "grab hold of {t}", "grasp {t} and lift it", "take {t} up", "go and get {t}",
        "lift {t} up now", "go and fetch {t}", "seize hold of {t}",
        "seize {t} and lift it up", "go and grab {t}", "take hold of {t} and lift it",
        "take {t} and lift it", "pick {t} up and hold it",
    ),
    "place": (
        "take {t} and set it on {d}", "lift {t} and lay it on {d}", "grab {t} and drop it in {d}",
        "place {t} on top of {d}", "set {t} beside {d}", "lay {t} down on {d}",
        "fetch {t} and put it near {d}", "get {t} and put it on {d}", "drop {t} on top of {d}",
        "lay {t} near {d}", "drop {t} near {d}", "pick up {t} and lay it on {d}",
        "get {t} and place it beside {d}",
    ),
    "push": (
        "shove {t} over to {d}", "slide {t} over to {d}", "nudge {t} towards {d}",
        "shove {t} against {d}", "slide {t} away", "nudge {t} over to {d}",
        "slide {t} against {d}", "shove {t} up to {d}",
        "nudge {t} away", "push {t} up to {d}",
    ),
    "search": (
        "try to locate {t}", "go and look for {t}", "scan around for {t}", "hunt around for {t}",
        "scan the room for {t}", "go and search for {t}", "try to seek {t}",
        "hunt the room for {t}", "go and locate {t}", "try to scan for {t}",
        "look around and find {t}", "go and seek {t}",
    ),
}  # fmt: skip
"""Made of words that SKILL_PATTERNS uses for the same skill or for none in particular."""

PREFIXES = ("", "", "", "please ", "now ", "robot ", "could you ", "can you ", "you should ")
SUFFIXES = ("", "", "", " please", " now", " for me", " quickly")


def object_phrase(colour: int, shape: int) -> str:
    """What one calls an object, "red cup", from the indices of its colour and shape."""
    return f"{COLOUR_NAMES[colour]} {SHAPES[shape]}"


def framed(phrases: Sequence[str], rng: Generator) -> list[str]:
    """The phrases in random sentence frames."""
    return [FRAMES[int(rng.integers(len(FRAMES)))].format(phrase) for phrase in phrases]


def skill_sentence(rng: Generator, skill: str) -> str:
    """A random training sentence for a skill, with the objects named or taken out."""
    return filled(_pattern(skill, rng), rng)


def varied_sentence(
    rng: Generator, skill: str, patterns: Mapping[str, Sequence[str]] = SKILL_PATTERNS
) -> str:
    """A training sentence that need not follow one pattern as a whole, but never a test pattern.

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
    return filled(pattern if empty or tested else varied, rng)


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
    """A pronounceable word that means nothing ("brolat"), never one of the vocabulary."""
    onsets = "b br c ch d dr f fl g gr h j k kl l m n p pr r s sh st t tr v w z".split()
    vowels = "a e i o u ai ee oo ou".split()
    codas = ["", "", *"bdglmnrt"]
    while True:
        word = "".join(
            str(rng.choice(onsets)) + str(rng.choice(vowels)) + str(rng.choice(codas))
            for _ in range(int(rng.integers(1, 4)))
        )
        if word not in vocabulary():
            return word


@cache
def vocabulary() -> frozenset[str]:
    """Every word that the model is trained on."""
    patterns = [p for many in SKILL_PATTERNS.values() for p in many]
    text = [*patterns, *FRAMES, *PREFIXES, *SUFFIXES, *COLOUR_NAMES, *SHAPES, FLOOR_PHRASE]
    words = " ".join(text).replace("{t}", "object").replace("{d}", "destination").split()
    return frozenset(words) - {"{}"}


def corpus(rng: Generator, sentences: int = 20_000) -> list[str]:
    """Sentences for training the tokenizer: all phrases in all frames, and instructions."""
    phrases = [f"{c} {s}" for c, s in ALL_PAIRS] + [FLOOR_PHRASE]
    framed_phrases = [frame.format(phrase) for frame in FRAMES for phrase in phrases]
    skills = list(SKILL_PATTERNS)
    drawn = [skill_sentence(rng, skills[i % len(skills)]) for i in range(sentences)]
    return framed_phrases + drawn


def filled(pattern: str, rng: Generator) -> str:
    """A pattern as one may say it: the objects named or taken out, politeness before and after."""
    named = rng.random() < 0.3
    target, destination = "the object", "the destination"
    if named:
        pairs = rng.integers(0, [len(COLOUR_NAMES), len(SHAPES)], size=(2, 2))
        target, destination = (f"the {object_phrase(int(c), int(s))}" for c, s in pairs)
    sentence = pattern.format(t=target, d=destination)
    prefix = PREFIXES[int(rng.integers(len(PREFIXES)))]
    suffix = SUFFIXES[int(rng.integers(len(SUFFIXES)))]
    return f"{prefix}{sentence}{suffix}"


def test_sentences() -> list[tuple[str, str]]:
    """(skill, sentence) for every pattern never trained on, with named objects and plain."""
    rng = np.random.default_rng(0)
    return [(skill, filled(p, rng)) for skill, many in TEST_PATTERNS.items() for p in many * 8]
