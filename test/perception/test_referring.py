import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import thing

from vlam_ros.perception.referring import is_same, select
from vlam_ros.types import ObjectPhrase, Reason, Refusal, Relation, SceneObject

PLATE, BOX = ObjectPhrase("plate"), ObjectPhrase("box")


def pick(
    seen: list[SceneObject],
    relation: Relation = Relation.NONE,
    *references: ObjectPhrase,
    missing: Reason = Reason.TARGET_NOT_FOUND,
) -> SceneObject:
    return select(ObjectPhrase("cup", relation, references), seen, 0.15, missing)


def refused(
    seen: list[SceneObject],
    relation: Relation = Relation.NONE,
    *references: ObjectPhrase,
    missing: Reason = Reason.TARGET_NOT_FOUND,
) -> tuple[Reason, str]:
    with pytest.raises(Refusal) as refusal:
        pick(seen, relation, *references, missing=missing)
    return refusal.value.reason, refusal.value.message


# x forward, y left: one cup on each side of the plate, one before and one behind it.
LEFT, RIGHT = thing("cup", 1.0, 0.4, size=0.08), thing("cup", 1.1, -0.3, size=0.14)
FRONT, BACK = thing("cup", 0.6, 0.02, size=0.10), thing("cup", 1.6, -0.02, size=0.11)
CUPS = [LEFT, RIGHT, FRONT, BACK]


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        (Relation.NEAREST, FRONT),
        (Relation.FARTHEST, BACK),
        (Relation.LEFTMOST, LEFT),
        (Relation.RIGHTMOST, RIGHT),
        (Relation.LARGEST, RIGHT),
        (Relation.SMALLEST, LEFT),
    ],
)
def test_superlatives_are_read_from_metric_positions(
    relation: Relation, expected: SceneObject
) -> None:
    for order in itertools.permutations(CUPS):
        assert pick(list(order), relation) is expected


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        (Relation.LEFT_OF, LEFT),
        (Relation.RIGHT_OF, RIGHT),
        (Relation.IN_FRONT_OF, FRONT),
        (Relation.BEHIND, BACK),
    ],
)
def test_relations_hold_in_the_view_of_the_robot(relation: Relation, expected: SceneObject) -> None:
    others = {
        Relation.LEFT_OF: [RIGHT],
        Relation.RIGHT_OF: [LEFT],
        Relation.IN_FRONT_OF: [BACK],
        Relation.BEHIND: [FRONT],
    }[relation]
    assert pick([*others, expected, thing("plate", 1.0, 0.0)], relation, PLATE) is expected
    reason, message = refused([*others, thing("plate", 1.0, 0.0)], relation, PLATE)
    assert reason is Reason.TARGET_NOT_FOUND
    assert f"no 'cup {relation.name.lower().replace('_', ' ')} plate'" in message


def test_in_front_of_means_nearer_to_the_robot_not_smaller_x() -> None:
    aside = thing("cup", 0.9, 1.0)  # 1.35 m away, the plate 1.0 m
    assert refused([aside, thing("plate", 1.0)], Relation.IN_FRONT_OF, PLATE)[0] is (
        Reason.TARGET_NOT_FOUND
    )
    assert pick([aside, thing("plate", 1.0)], Relation.BEHIND, PLATE) is aside


def test_closest_to_compares_distances_to_the_reference() -> None:
    seen = [*CUPS, thing("plate", 1.05, -0.1)]
    assert pick(seen, Relation.CLOSEST_TO, PLATE) is RIGHT


def test_between_is_the_circle_around_the_two_references() -> None:
    plate, box = thing("plate", 1.0, 0.5), thing("box", 1.0, -0.5)
    inside, outside = thing("cup", 1.4, 0.0), thing("cup", 1.6, 0.0)  # the radius is 0.5 m
    seen = [outside, inside, plate, box]
    assert pick(seen, Relation.BETWEEN, PLATE, BOX) is inside
    assert refused([outside, plate, box], Relation.BETWEEN, PLATE, BOX)[0] is (
        Reason.TARGET_NOT_FOUND
    )


def test_two_candidates_without_relation_are_ambiguous_and_the_way_out_is_said() -> None:
    # However much surer one of them is: it is no more meant than the other.
    seen = [thing("cup", 0.9, score=0.99), thing("cup", 1.4, score=0.55)]
    assert refused(seen) == (
        Reason.TARGET_AMBIGUOUS,
        "I see 2 candidates for 'cup', at 0.9 m and 1.4 m: say which, e.g. 'the nearest cup'",
    )


def doubtful(x: float, y: float = 0.0, **values: float | bool) -> SceneObject:
    """A cup, maybe: seen twice and not confirmed."""
    return dataclasses.replace(thing("cup", x, y), confirmed=False, **values)  # type: ignore[arg-type]


def test_a_doubtful_rival_of_a_confirmed_object_makes_the_phrase_ambiguous() -> None:
    sure = thing("cup", 0.9)
    assert refused([sure, doubtful(1.4, score=0.15)])[0] is Reason.TARGET_AMBIGUOUS
    assert pick([sure, doubtful(1.4, score=0.14)]) is sure
    # Without a second look a score says little: masks of two phrases are alike.
    assert pick([sure, doubtful(1.4, score=0.4, second_look=False)]) is sure


def test_what_is_only_doubtful_is_not_there() -> None:
    assert refused([doubtful(0.9, score=0.4), doubtful(1.4, score=0.3)])[0] is (
        Reason.TARGET_NOT_FOUND
    )


def test_a_relation_decides_between_a_confirmed_object_and_a_doubtful_negative() -> None:
    left, right = doubtful(1.0, 0.4, score=0.3), thing("cup", 1.0, -0.4)
    assert pick([right, left], Relation.LEFTMOST) is left
    assert pick([right, left], Relation.RIGHTMOST) is right
    assert pick([right, left, thing("plate", 1.0)], Relation.LEFT_OF, PLATE) is left


def test_several_left_of_the_plate_are_still_ambiguous() -> None:
    seen = [LEFT, thing("cup", 1.2, 0.6), thing("plate", 1.0)]
    reason, message = refused(seen, Relation.LEFT_OF, PLATE)
    assert reason is Reason.TARGET_AMBIGUOUS
    assert "2 candidates for 'cup left of plate'" in message


def test_a_tie_is_not_decided_by_millimetres() -> None:
    seen = [thing("cup", 1.0), thing("cup", 1.005), thing("cup", 1.5)]
    reason, message = refused(seen, Relation.NEAREST)
    assert reason is Reason.TARGET_AMBIGUOUS
    assert "2 candidates for 'nearest cup', at 1.0 m and 1.0 m" in message
    assert message.endswith("'the leftmost cup'")
    assert pick([thing("cup", 1.0), thing("cup", 1.02)], Relation.NEAREST).position == (1.0, 0, 0)


def test_a_missing_reference_is_named() -> None:
    reason, message = refused([LEFT], Relation.LEFT_OF, PLATE)
    assert reason is Reason.TARGET_NOT_FOUND
    assert "'plate'" in message
    assert refused([], missing=Reason.DESTINATION_NOT_FOUND)[0] is Reason.DESTINATION_NOT_FOUND


def test_an_ambiguous_reference_is_refused() -> None:
    reason, message = refused(
        [LEFT, thing("plate", 1.0), thing("plate", 1.5)], Relation.LEFT_OF, PLATE
    )
    assert reason is Reason.TARGET_AMBIGUOUS
    assert "'plate'" in message


def test_references_have_relations_of_their_own() -> None:
    plates = [thing("plate", 1.0, 0.0), thing("plate", 1.0, 0.6)]
    leftmost = ObjectPhrase("plate", Relation.LEFTMOST)
    near_left = thing("cup", 1.1, 0.6)
    assert pick([thing("cup", 1.1, 0.0), near_left, *plates], Relation.CLOSEST_TO, leftmost) is (
        near_left
    )


def test_a_thing_is_not_its_own_reference() -> None:
    red = thing("red cup", 1.0)
    the_same, other = thing("cup", 1.0), thing("cup", 1.0, 0.5)
    assert is_same(red, the_same)
    assert not is_same(red, other)
    assert pick([red, the_same, other], Relation.CLOSEST_TO, ObjectPhrase("red cup")) is other


def test_places_that_are_unknown_are_not_compared() -> None:
    reason, message = refused([LEFT, thing("cup")], Relation.NEAREST)
    assert reason is Reason.NO_POSITION
    assert "camera_info" in message
    assert refused([LEFT, thing("cup")], Relation.LARGEST)[0] is Reason.NO_POSITION
    assert refused([LEFT, thing("plate")], Relation.LEFT_OF, PLATE)[0] is Reason.NO_POSITION


def test_an_only_candidate_needs_no_position_to_be_the_nearest() -> None:
    only = thing("cup")
    assert pick([only], Relation.NEAREST) is only


places = st.tuples(st.floats(0.3, 3), st.floats(-2, 2))


def chosen(found: list[tuple[float, float]], relation: Relation) -> int | Reason:
    seen = [thing("cup", x, y) for x, y in found]
    try:
        return seen.index(pick(seen, relation))
    except Refusal as refusal:
        return refusal.reason


@given(st.lists(places, min_size=2, max_size=5, unique=True))
def test_the_mirrored_scene_has_left_and_right_exchanged(found: list[tuple[float, float]]) -> None:
    mirrored = [(x, -y) for x, y in found]
    assert chosen(found, Relation.LEFTMOST) == chosen(mirrored, Relation.RIGHTMOST)
    assert chosen(found, Relation.NEAREST) == chosen(mirrored, Relation.NEAREST)
