import dataclasses

import pytest
from tiny_clipseg import CALIBRATION

from vlam_ros.configuration import PerceptionSettings
from vlam_ros.perception import competitors, opponents, overlap, unknown_words
from vlam_ros.perception.competitors import lookalikes


@pytest.fixture
def few(settings: PerceptionSettings) -> PerceptionSettings:
    return dataclasses.replace(
        settings, colours=("red", "green"), nouns=("cup", "ball", "water bottle"), distractors=()
    )


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("red cup", {"red ball", "red water bottle", "green cup"}),
        ("Red  CUP", {"red ball", "red water bottle", "green cup"}),
        ("small red cup", {"small red ball", "small red water bottle", "small green cup"}),
        ("cup", {"ball", "water bottle"}),
        ("red water bottle", {"red cup", "red ball", "green water bottle"}),
        ("red thing", {"green thing"}),
        ("red", {"green"}),
        ("object", set()),
        ("giraffe", {"cup", "ball", "water bottle"}),
        ("red giraffe", {"red cup", "red ball", "red water bottle"}),
        ("cupboard", {"cup", "ball", "water bottle"}),
    ],
)
def test_a_phrase_competes_with_what_differs_in_one_word(
    few: PerceptionSettings, phrase: str, expected: set[str]
) -> None:
    assert set(competitors(phrase, few)) == expected


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("red cup", ("red ball", "red water bottle")),
        ("cup", ("ball", "water bottle")),
        ("red thing", ()),
        ("giraffe", ()),
    ],
)
def test_lookalikes_differ_in_the_noun_alone(
    few: PerceptionSettings, phrase: str, expected: tuple[str, ...]
) -> None:
    assert lookalikes(phrase, few) == expected


def test_distractors_always_compete_unless_they_entail_the_phrase(few: PerceptionSettings) -> None:
    with_distractors = dataclasses.replace(few, distractors=("robot arm", "cup"))
    assert "robot arm" in competitors("red cup", with_distractors)
    assert "cup" not in competitors("red cup", with_distractors)
    assert competitors("object", with_distractors) == ()


def test_no_competitor_is_named_twice(few: PerceptionSettings) -> None:
    doubled = dataclasses.replace(few, distractors=("red ball", "red ball"))
    found = competitors("red cup", doubled)
    assert len(found) == len(set(found)) == 3


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("cup", "red cup", True),
        ("red cup", "cup", True),
        ("red object", "red cup", True),
        ("thing", "green plate", True),
        ("red cup", "red ball", False),
        ("red cup", "plate", False),
        ("cup", "cupboard", False),
    ],
)
def test_phrases_that_entail_each_other_overlap(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected


def test_asked_phrases_compete_unless_one_entails_the_other(few: PerceptionSettings) -> None:
    asked = ["red cup", "plate", "cup"]
    assert "plate" in opponents("red cup", asked, few)
    assert "cup" not in opponents("red cup", asked, few)
    assert "red cup" not in opponents("red cup", asked, few)
    assert {"plate", "ball"} <= set(opponents("cup", asked, few))


def test_words_outside_the_vocabulary_are_named() -> None:
    calibration = dataclasses.replace(CALIBRATION, vocabulary=("red", "water bottle"))
    assert unknown_words("Red giraffe bottle", calibration) == ("giraffe",)
    assert unknown_words("red water bottle", calibration) == ()


def test_an_open_vocabulary_knows_every_word() -> None:
    assert unknown_words("giraffe", dataclasses.replace(CALIBRATION, vocabulary=None)) == ()
    assert unknown_words("giraffe", None) == ()
