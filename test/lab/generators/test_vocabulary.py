"""Words of things: which are true, which are false, and which nobody can tell."""

from pathlib import Path

import numpy as np
import pytest

from vlam_ros.errors import ConfigurationError, SimulationError
from vlam_ros.lab.generators import NONE, UNDECIDED, Thing, generator_named
from vlam_ros.lab.generators.vocabulary import (
    NO_WORD,
    UNDECIDED_WORD,
    Vocabulary,
    vocabulary,
)
from vlam_ros.lab.simulation.scene import COLOURS, SHAPES

LIST = """
colours: {grey: [0.5, 0.5, 0.5]}
nouns:
  can: {synonyms: [tin], undecided: [cylinder]}
  pyramid:
"""


@pytest.fixture
def words(tmp_path: Path) -> Vocabulary:
    (tmp_path / "objects.yaml").write_text(LIST)
    return Vocabulary.load(tmp_path / "objects.yaml")


def test_the_words_of_the_rooms_come_first(words: Vocabulary) -> None:
    for known in (words, vocabulary()):
        assert known.nouns[: len(SHAPES)] == SHAPES
        assert known.colour_names[: len(COLOURS)] == tuple(COLOURS)
    assert words.nouns[len(SHAPES) :] == ("can", "pyramid")
    assert words.synonyms["can"] == ("can", "tin")


def test_a_word_that_may_be_true_is_neither_true_nor_false(words: Vocabulary) -> None:
    can, cylinder = (words.nouns.index(name) for name in ("can", "cylinder"))
    truth = words.noun_truth
    assert truth[can, can] == truth[cylinder, cylinder] == 1
    assert truth[can, cylinder] == truth[cylinder, can] == 0
    assert np.count_nonzero(truth[can] == -1) == len(words.nouns) - 2
    assert (truth[UNDECIDED_WORD] == 0).all()
    assert (truth[NO_WORD] == -1).all()


def test_things_without_a_word_have_indices(words: Vocabulary) -> None:
    assert words.indices(Thing("can", "grey")) == (len(COLOURS), len(SHAPES))
    assert words.indices(Thing(NONE, UNDECIDED)) == (UNDECIDED_WORD, NO_WORD)
    with pytest.raises(ConfigurationError, match=r"'shoe' is no word of config/objects\.yaml"):
        words.indices(Thing("shoe", "grey"))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("colours: {}\nnouns: {can: {synonym: [tin]}}", "can has no synonym"),
        ("colours: {}\nnouns: {can: {undecided: [shoe]}}", "no noun is called 'shoe'"),
        ("colours: {}\nnouns: {can: {synonyms: [cup]}}", "'cup' is said of two nouns"),
        ("colours: {grey: [0.5]}\nnouns: {}", "not enough values"),
        ("nouns: {}", "colours"),
    ],
)
def test_a_list_with_a_mistake_is_refused(text: str, wrong: str, tmp_path: Path) -> None:
    (tmp_path / "objects.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=f"is no list of objects: .*{wrong}"):
        Vocabulary.load(tmp_path / "objects.yaml")


def test_a_generator_of_another_name_is_refused() -> None:
    with pytest.raises(SimulationError, match=r"a generator is one of rooms, .*, got 'street'"):
        generator_named("street")
