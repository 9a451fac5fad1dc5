import math

import pytest
from policy_world import gripper, settings, skills, thing

from vlam_ros.policy import Refusal
from vlam_ros.policy.progress import base_is_there, check_effect, duration
from vlam_ros.types import GripperState, Missing, ObjectPhrase, Reason, SceneObject, SkillStep

CUP = ObjectPhrase("cup")


def there(skill: str, *seen: SceneObject) -> bool:
    return base_is_there(skills()[skill], CUP, seen, settings().policy)


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


def test_a_target_out_of_sight_is_refused_but_for_search() -> None:
    with pytest.raises(Refusal) as refusal:
        there("go_to")
    assert refusal.value.reason is Reason.TARGET_NOT_FOUND
    assert not there("search")
    assert there("search", thing("cup"), thing("cup"))


def test_motions_have_their_time() -> None:
    assert duration(skills()["pick_up"]) == 6.0
    assert duration(skills()["search"]) == pytest.approx(4 * math.pi)
    assert duration(skills()["go_to"]) == math.inf


@pytest.mark.parametrize(
    ("skill", "holding", "message"),
    [
        ("pick_up", False, "after pick up the gripper is empty"),
        ("place", True, "after place the gripper still holds something"),
    ],
)
def test_the_gripper_shows_the_effect(skill: str, holding: bool, message: str) -> None:
    step = SkillStep(skill)
    check_effect(step, skills()[skill], [], gripper(not holding))
    with pytest.raises(Refusal, match=message) as refusal:
        check_effect(step, skills()[skill], [], gripper(holding))
    assert (refusal.value.reason, refusal.value.final) == (Reason.PRECONDITION, True)


@pytest.mark.parametrize("skill", ["pick_up", "place"])
def test_without_gripper_state_the_missing_topic_is_named(skill: str) -> None:
    with pytest.raises(Refusal, match="publish the topic gripper_state") as refusal:
        check_effect(SkillStep(skill), skills()[skill], [], Missing("no gripper state"))
    assert (refusal.value.reason, refusal.value.final) == (Reason.PRECONDITION, True)


def test_a_push_has_moved_its_object_half_the_way_at_least() -> None:
    step = SkillStep("push", thing("cup", 0.5))
    unused: GripperState | Missing = Missing("no gripper state")
    check_effect(step, skills()["push"], [thing("cup", 0.576)], unused)
    for seen, reason in (
        ([thing("cup", 0.574)], Reason.PRECONDITION),
        ([thing("cup", 0.576), thing("cup", 0.5)], Reason.PRECONDITION),
        ([thing("cup"), thing("plate", 0.7)], Reason.TARGET_NOT_FOUND),
    ):
        with pytest.raises(Refusal) as refusal:
            check_effect(step, skills()["push"], seen, unused)
        assert (refusal.value.reason, refusal.value.final) == (reason, True)
