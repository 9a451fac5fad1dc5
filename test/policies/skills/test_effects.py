import math

import pytest
from policy_world import gripper, observation, settings, skills, thing

from vlam_ros.types import Missing, Observation, Reason, Refusal, SceneObject, SkillStep

UNKNOWN = observation(gripper=Missing("no gripper state"))


def there(skill: str, target: SceneObject | None) -> bool:
    return skills()[skill].is_there(target, settings().policy)


def check_effect(step: SkillStep, seen: list[SceneObject], looking: Observation) -> None:
    skills()[step.skill].check_effect(step, seen, looking)


def test_go_to_is_done_within_standoff_and_tolerance_and_facing() -> None:
    far = settings().policy.standoff + 0.10
    assert there("go_to", thing("cup", far - 0.01))
    assert not there("go_to", thing("cup", far + 0.01))
    near = far - 0.05
    assert there("go_to", thing("cup", near * math.cos(0.14), near * math.sin(0.14)))
    assert not there("go_to", thing("cup", near * math.cos(0.16), near * math.sin(0.16)))
    assert not there("go_to", thing("cup"))


def test_turn_to_is_done_when_facing_at_any_distance() -> None:
    assert there("turn_to", thing("cup", 3.0, 0.29))
    assert not there("turn_to", thing("cup", 3.0, -0.31))


def test_without_a_target_nothing_is_reached_and_a_search_is_over_when_there_is_one() -> None:
    for skill in ("go_to", "turn_to", "search"):
        assert not there(skill, None)
    assert there("search", thing("cup"))


def test_a_search_turns_on_until_what_it_found_is_well_in_the_image() -> None:
    assert there("search", thing("cup", math.cos(0.29), math.sin(0.29)))
    assert not there("search", thing("cup", math.cos(0.31), -math.sin(0.31)))


def test_motions_have_their_time() -> None:
    assert skills()["pick_up"].duration == 7.0
    assert skills()["search"].duration == pytest.approx(4 * math.pi + 1.2)
    assert skills()["go_to"].duration == math.inf


@pytest.mark.parametrize(
    ("skill", "holding", "message"),
    [
        ("pick_up", False, "after pick up the gripper is empty"),
        ("place", True, "after place the gripper still holds something"),
    ],
)
def test_the_gripper_shows_the_effect(skill: str, holding: bool, message: str) -> None:
    step = SkillStep(skill)
    check_effect(step, [], observation(gripper=gripper(not holding)))
    with pytest.raises(Refusal, match=message) as refusal:
        check_effect(step, [], observation(gripper=gripper(holding)))
    assert (refusal.value.reason, refusal.value.final) == (Reason.PRECONDITION, True)


@pytest.mark.parametrize("skill", ["pick_up", "place"])
def test_without_gripper_state_the_missing_topic_is_named(skill: str) -> None:
    with pytest.raises(Refusal, match="publish the topic gripper_state") as refusal:
        check_effect(SkillStep(skill), [], UNKNOWN)
    assert (refusal.value.reason, refusal.value.final) == (Reason.PRECONDITION, True)


def test_a_push_has_moved_its_object_half_the_way_at_least() -> None:
    step = SkillStep("push", thing("cup", 0.5))
    check_effect(step, [thing("cup", 0.576)], UNKNOWN)
    for seen, reason in (
        ([thing("cup", 0.574)], Reason.PRECONDITION),
        ([thing("cup", 0.576), thing("cup", 0.5)], Reason.PRECONDITION),
        ([thing("cup"), thing("plate", 0.7)], Reason.TARGET_NOT_FOUND),
    ):
        with pytest.raises(Refusal) as refusal:
            check_effect(step, seen, UNKNOWN)
        assert (refusal.value.reason, refusal.value.final) == (reason, True)


def test_a_search_whose_time_is_over_has_found_nothing() -> None:
    with pytest.raises(Refusal, match="turned once around") as refusal:
        check_effect(SkillStep("search"), [], UNKNOWN)
    assert (refusal.value.reason, refusal.value.final) == (Reason.TARGET_NOT_FOUND, True)
