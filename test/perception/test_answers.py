"""What a person is told about what is seen."""

from dataclasses import replace

import pytest
from policy_world import thing

from vlam_ros.perception.answers import answer, counted
from vlam_ros.types import ObjectPhrase, Query, Relation

BOXES = [thing("box", 1.0, 0.5), thing("box", 2.0, -0.5)]
CUP = thing("cup", 0.7, 0.0)


def test_the_scene_is_told_by_names_and_numbers() -> None:
    assert answer(Query.SCENE, None, [*BOXES, CUP]) == "I see 2 boxes and a cup"
    assert answer(Query.SCENE, None, []).startswith("I see nothing that I know")


def test_one_thing_under_two_names_is_told_by_the_surer() -> None:
    twice = [replace(CUP, score=0.6, phrase="cylinder"), CUP]
    assert answer(Query.SCENE, None, twice) == "I see a cup"


def test_only_what_is_confirmed_is_there() -> None:
    doubtful = replace(CUP, confirmed=False)
    assert answer(Query.PRESENCE, ObjectPhrase("cup"), [doubtful]).startswith("no, I see no cup")
    assert answer(Query.SCENE, None, [doubtful, *BOXES]) == "I see 2 boxes"


@pytest.mark.parametrize(
    ("query", "phrase", "told"),
    [
        (Query.PRESENCE, ObjectPhrase("cup"), "yes, I see a cup: 0.7 m away ahead"),
        (Query.PLACE, ObjectPhrase("cup"), "I see a cup: 0.7 m away ahead"),
        (
            Query.COUNT,
            ObjectPhrase("box"),
            "I see 2 boxes: 1.1 m away 27° to the left; 2.1 m away 14° to the right",
        ),
        (
            Query.COUNT,
            ObjectPhrase("box", Relation.LEFT_OF, (ObjectPhrase("cup"),)),
            "I see a box: 1.1 m away 27° to the left",
        ),
        (
            Query.PLACE,
            ObjectPhrase("box", Relation.FARTHEST),
            "I see a box: 2.1 m away 14° to the right",
        ),
        (Query.COUNT, ObjectPhrase("ball"), "I see no ball that I am sure of"),
    ],
)
def test_what_is_asked_for_is_told_with_its_places(
    query: Query, phrase: ObjectPhrase, told: str
) -> None:
    assert answer(query, phrase, [*BOXES, CUP]) == told


def test_a_thing_without_a_place_is_told_as_such() -> None:
    assert "where, I cannot tell" in answer(Query.PRESENCE, ObjectPhrase("cup"), [thing("cup")])


def test_names_are_counted_as_in_english() -> None:
    told = [
        counted(n, name) for n, name in ((1, "orange ball"), (1, "cup"), (3, "box"), (2, "cone"))
    ]
    assert told == ["an orange ball", "a cup", "3 boxes", "2 cones"]
