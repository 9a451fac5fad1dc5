"""Sentences to learn from, and those kept for the test."""

import numpy as np

from vlam_ros.configuration import Settings
from vlam_ros.lab.simulation.scene import SHAPES
from vlam_ros.lab.training.captions import (
    PLACEHOLDERS,
    SKILL_PATTERNS,
    TEST_PATTERNS,
    known_words,
    pseudo_word,
    skill_sentence,
    test_sentences,
    varied_sentence,
)
from vlam_ros.language import parse_instruction
from vlam_ros.policies import load_skills

# pytest would take the imported function for a test.
held_out_sentences = test_sentences
del test_sentences


def test_no_pattern_is_both_trained_and_tested() -> None:
    for skill, patterns in TEST_PATTERNS.items():
        assert not set(patterns) & set(SKILL_PATTERNS[skill])


def test_test_sentences_are_made_of_trained_words() -> None:
    words = {w for _, sentence in held_out_sentences() for w in sentence.split()}
    assert words <= known_words() | {"it"}


def test_patterns_are_for_the_skills_of_the_configuration() -> None:
    names = {s.name for s in load_skills(Settings.load().policy.skills) if s.prompts}
    assert names == set(SKILL_PATTERNS) == set(TEST_PATTERNS)


def test_every_sentence_is_one_the_grammar_understands() -> None:
    rng = np.random.default_rng(0)
    for skill in SKILL_PATTERNS:
        for _ in range(50):
            assert parse_instruction(skill_sentence(rng, skill)).skill_phrase


def test_pseudo_words_are_no_words_of_the_vocabulary() -> None:
    rng = np.random.default_rng(0)
    words = {pseudo_word(rng) for _ in range(500)}
    assert len(words) > 300
    assert not words & known_words()


def test_placeholders_are_words_of_the_vocabulary() -> None:
    assert set(PLACEHOLDERS) - {"thing"} <= known_words()


def test_varied_sentences_keep_their_objects_and_are_never_those_of_the_test() -> None:
    rng = np.random.default_rng(0)
    tested = {
        p.format(t="the object", d="the destination")
        for patterns in TEST_PATTERNS.values()
        for p in patterns
        if not p.endswith(" now")  # a suffix: the evaluation leaves them out as trained
    }
    drawn = [varied_sentence(rng, skill) for skill in SKILL_PATTERNS for _ in range(2000)]
    doubled = {s for s in drawn if " and " in s}
    assert len(doubled) > 1000
    assert not tested & set(drawn)
    placing = [varied_sentence(rng, "place") for _ in range(500)]
    named = ("destination", *SHAPES)
    assert all(sum(s.count(word) for word in named) >= 1 for s in placing)
