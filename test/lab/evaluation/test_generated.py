"""What is asked about the images of a generator, and what is true of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vlam_ros.configuration import Settings
from vlam_ros.lab.evaluation.generated import nouns_of, questions_of
from vlam_ros.lab.evaluation.queries import ABSENT, QueryKind
from vlam_ros.lab.generators import NONE, UNDECIDED, LabelledImage, Thing
from vlam_ros.lab.generators.rooms import Rooms
from vlam_ros.lab.simulation.scene import HELD_OUT_PAIRS

PERCEPTION = Settings.load().perception


class Drawn:
    """A generator of one image: a stripe of 10 columns for each thing, 0 columns for a hidden."""

    def __init__(self, *things: Thing, hidden: int | None = None) -> None:
        labels = np.zeros((20, 100), np.uint8)
        for i in range(len(things)):
            labels[:, 10 * i : 10 * i + 10] = 0 if i == hidden else i + 1
        self.image = LabelledImage(np.zeros((20, 100, 3), np.uint8), labels, things)

    def __enter__(self) -> Drawn:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def draw(self, split: str, index: int) -> LabelledImage:
        return self.image


def phrases(drawn: Drawn, *kinds: QueryKind, count: int = 60) -> set[str]:
    asked = questions_of(drawn, "test", count, PERCEPTION)
    return {q.phrase for question in asked for q in question.queries if q.kind in kinds}


def test_what_is_there_is_asked_for_by_colour_where_one_may_say_it() -> None:
    red, plain = Thing("cup", "red"), Thing("box", NONE)
    unsure, other = Thing("ball", UNDECIDED), Thing(NONE, "green")
    drawn = Drawn(red, plain, unsure, other, red)
    (question,) = questions_of(drawn, "test", 1, PERCEPTION)
    present = {q.phrase: q.truth for q in question.queries if q.kind is QueryKind.PRESENT}
    assert set(present) == {"red cup", "box", "ball"}
    assert (present["red cup"] == np.isin(drawn.image.labels, (1, 5))).all()
    assert (present["ball"] == (drawn.image.labels == 3)).all()


def test_nobody_is_asked_what_nobody_can_tell() -> None:
    # A ball of no clear colour may be the red one.
    drawn = Drawn(Thing("ball", "red"), Thing("ball", UNDECIDED), Thing(UNDECIDED, "blue"))
    assert phrases(drawn, QueryKind.PRESENT) == set()
    absent = phrases(drawn, *ABSENT, QueryKind.ABSENT_GENERAL)
    assert not any("ball" in phrase or phrase.startswith("blue ") for phrase in absent)
    assert "cup" not in absent
    assert "green ball" not in absent


def test_what_is_absent_is_false_of_all_that_is_visible() -> None:
    drawn = Drawn(Thing("cup", "red"), Thing("box", "blue"), Thing("cone", "green"), hidden=2)
    same_colour, same_shape = (
        phrases(drawn, kind) for kind in (QueryKind.SAME_COLOUR, QueryKind.SAME_SHAPE)
    )
    assert {phrase.split()[0] for phrase in same_colour} == {"red", "blue"}
    assert {phrase.split()[1] for phrase in same_shape} == {"cup", "box"}
    bare = phrases(drawn, QueryKind.ABSENT_GENERAL)
    assert {"cone", "green object", "ball"} <= bare
    assert not bare & {"cup", "box", "red object", "blue object"}
    asked = same_colour | same_shape | phrases(drawn, QueryKind.OTHER)
    assert not asked & {"red cup", "blue box"}
    assert not {tuple(phrase.split()) for phrase in asked} & HELD_OUT_PAIRS


def test_an_empty_image_is_asked_nothing() -> None:
    (question,) = questions_of(Drawn(), "test", 1, PERCEPTION)
    assert question.queries == ()


def test_the_rooms_are_asked_what_their_scenes_hold() -> None:
    with Rooms(160, 120) as rooms:
        drawn = rooms.draw("test", 3)
        *_, question = questions_of(rooms, "test", 4, PERCEPTION)
        shown = nouns_of(rooms, "test", PERCEPTION).nouns
    assert (question.observation.image == drawn.image).all()
    there = {f"{t.colour} {t.noun}" for t in drawn.things}
    assert {q.phrase for q in question.queries if q.kind is QueryKind.PRESENT} <= there
    kinds = [q.kind for q in question.queries if q.kind is not QueryKind.PRESENT]
    assert kinds == [*ABSENT, QueryKind.ABSENT_GENERAL, QueryKind.ABSENT_GENERAL]
    assert {t.noun for t in drawn.things} <= set(shown) <= set(PERCEPTION.nouns)
    assert question.nouns == tuple(PERCEPTION.nouns)


@pytest.mark.parametrize("nouns", [(), ("cup",)])
def test_without_words_that_are_false_nothing_absent_is_asked(nouns: tuple[str, ...]) -> None:
    settings = replace(PERCEPTION, colours=("red",), nouns=nouns)
    (question,) = questions_of(Drawn(Thing("cup", "red")), "test", 1, settings)
    assert [q.kind for q in question.queries] == [QueryKind.PRESENT]
