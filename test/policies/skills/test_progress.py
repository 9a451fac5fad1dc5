import math

import pytest
from policy_world import gripper, odometry, settings, skills, thing

from vlam_ros.policies import Refusal
from vlam_ros.policies.skills.progress import base_is_there, check_effect, duration, stands
from vlam_ros.types import GripperState, Missing, Reason, SceneObject, SkillStep


def there(skill: str, target: SceneObject | None) -> bool:
    return base_is_there(skills()[skill], target, settings().policy)


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


@pytest.mark.parametrize(
    ("speed", "yaw_rate", "at_rest"),
    [(0.0, 0.0, True), (0.03, -0.06, True), (0.031, 0.0, False), (-0.031, 0.0, False),
     (0.0, 0.061, False), (0.0, -0.061, False)],
)  # fmt: skip
def test_the_base_stands_below_3_centimetres_and_6_hundredths_of_a_radian_per_second(
    speed: float, yaw_rate: float, at_rest: bool
) -> None:
    assert stands(odometry(speed=speed, yaw_rate=yaw_rate)) is at_rest
    assert stands(Missing("no odometry"))


def test_a_search_turns_on_until_what_it_found_is_well_in_the_image() -> None:
    assert there("search", thing("cup", math.cos(0.29), math.sin(0.29)))
    assert not there("search", thing("cup", math.cos(0.31), -math.sin(0.31)))


def test_motions_have_their_time() -> None:
    assert duration(skills()["pick_up"]) == 7.0
    assert duration(skills()["search"]) == pytest.approx(4 * math.pi + 1.2)
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
