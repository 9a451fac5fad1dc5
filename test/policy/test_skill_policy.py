from dataclasses import replace

import numpy as np
import pytest
from policy_world import SECOND, START, gripper, observation, policy, settings, skills, thing

from vlam_ros.errors import ActionError, ConfigurationError
from vlam_ros.policy import Refusal, SkillPolicy
from vlam_ros.types import (
    Instruction,
    Missing,
    ObjectPhrase,
    Obstacles,
    Placement,
    Plan,
    PlanState,
    Reason,
    SceneObject,
)

CUP, PLATE = thing("red cup", 0.6, 0.1), thing("blue plate", 0.5, -0.3)
PUT = Instruction(
    "put the red cup on the blue plate",
    "put the object on the destination",
    ObjectPhrase("red cup"),
    ObjectPhrase("blue plate"),
    Placement.ON,
)
APPROACH = Instruction("go to the red cup", "go to the object", ObjectPhrase("red cup"))


def planned(
    skill: str, instruction: Instruction, seen: list[SceneObject], state: PlanState
) -> Plan:
    shipped = policy()
    return shipped.ground(shipped.outline(skills()[skill], instruction), instruction, seen, state)


def test_all_steps_to_come_are_verified_before_the_first() -> None:
    far = thing("blue plate", 1.4, 0.3)
    plan = planned("place", PUT, [CUP, far], PlanState())
    with pytest.raises(
        Refusal, match=r"place at 'blue plate' the arm must reach 1\.43 m"
    ) as refusal:
        policy().verify(plan, observation(), PlanState())
    assert refusal.value.reason is Reason.UNREACHABLE
    plan = planned("place", PUT, [CUP, PLATE], PlanState())
    assert policy().verify(plan, observation(), PlanState()) == ""


def test_only_the_current_step_has_to_fit_the_gripper_and_only_at_its_start() -> None:
    plan = planned("place", PUT, [CUP, PLATE], PlanState())
    policy().verify(plan, observation(gripper=gripper(False)), PlanState())
    with pytest.raises(Refusal) as refusal:
        policy().verify(plan, observation(gripper=gripper(True)), PlanState())
    assert refusal.value.reason is Reason.PRECONDITION
    policy().verify(plan, observation(gripper=gripper(True)), PlanState(since=START))


def test_checks_come_in_the_order_position_reach_path() -> None:
    wall = Obstacles(START, np.array([[0.5, 0.0, 0.3]], np.float32))
    seen = observation(obstacles=wall)
    for found, reason in (
        (thing("red cup"), Reason.NO_POSITION),
        (thing("red cup", 9.0), Reason.UNREACHABLE),
        (thing("red cup", 2.0), Reason.PATH_BLOCKED),
    ):
        plan = planned("go_to", APPROACH, [found], PlanState())
        with pytest.raises(Refusal) as refusal:
            policy().verify(plan, seen, PlanState())
        assert refusal.value.reason is reason


def test_without_its_lidar_a_robot_does_not_drive_but_its_arm_moves() -> None:
    seen = observation(obstacles=Missing("obstacles: 2.00 s old", lost=True))
    with pytest.raises(Refusal, match="LiDAR was lost") as refusal:
        policy().verify(planned("go_to", APPROACH, [thing("red cup", 2.0)], PlanState()), seen,
                        PlanState())  # fmt: skip
    assert refusal.value.reason is Reason.STALE_SENSOR
    plan = planned("place", PUT, [CUP, PLATE], PlanState())
    assert policy().verify(plan, seen, PlanState()) == ""


def test_the_arm_is_timed_from_the_start_of_its_step() -> None:
    plan = planned("place", PUT, [CUP, PLATE], PlanState())
    state = PlanState(since=START, plan=plan)
    now = policy().act(plan, observation(0.0), state).values
    later = policy().act(plan, observation(0.5), state).values
    assert later[:6] == pytest.approx(now[2:], nan_ok=True)


def test_while_the_arm_moves_its_objects_are_remembered() -> None:
    plan = planned("place", PUT, [CUP, PLATE], PlanState())
    moving = PlanState(since=START, plan=plan)
    assert policy().ground(plan, PUT, [], moving) is plan
    with pytest.raises(Refusal):
        policy().ground(plan, PUT, [], replace(moving, since=0))


def test_the_base_follows_what_is_seen_now() -> None:
    plan = planned("go_to", APPROACH, [thing("red cup", 2.0)], PlanState())
    nearer = thing("red cup", 1.2)
    again = policy().ground(plan, APPROACH, [nearer], PlanState(since=START, plan=plan))
    assert again.steps[0].target is nearer


def test_a_step_of_the_arm_is_judged_when_its_time_is_over() -> None:
    shipped, plan = policy(), planned("place", PUT, [CUP, PLATE], PlanState())
    state = PlanState(since=START, plan=plan)
    held = gripper(True)
    assert shipped.advance(plan, PUT, observation(5.99, gripper=held), [], state) is state
    done = shipped.advance(plan, PUT, observation(6.0, gripper=held), [], state)
    assert (done.current, done.since) == (1, 0)
    over = replace(done, current=2)
    assert shipped.advance(plan, PUT, observation(9.0), [], over) is over


def test_success_is_not_read_from_an_old_picture() -> None:
    shipped = policy()
    plan = shipped.outline(skills()["go_to"], APPROACH)
    at_the_cup = [thing("red cup", 0.4)]
    with pytest.raises(Refusal) as refusal:
        shipped.advance(plan, APPROACH, observation(age=1.1), at_the_cup, PlanState())
    assert refusal.value.reason is Reason.STALE_SENSOR
    done = shipped.advance(plan, APPROACH, observation(age=0.9), at_the_cup, PlanState())
    # What is done keeps its plan, so that no later picture makes another skill of it.
    assert (done.current, done.plan) == (1, plan)


def test_the_action_space_has_the_skills_as_commands() -> None:
    space = policy().space
    assert space.commands == tuple(skills())
    assert space.high == settings().action.high
    with pytest.raises(ActionError, match="bins must be odd"):
        policy(bins=256)


def test_definitions_that_cannot_be_executed_are_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="at least 10 s"):
        policy(step=0.5)
    without = [s for s in skills().values() if s.name != "pick_up"]
    with pytest.raises(ConfigurationError, match="define pick_up"):
        SkillPolicy(without, settings().policy, settings().action)


def test_a_step_takes_its_time_from_the_stamp_not_from_the_clock() -> None:
    plan = planned("place", PUT, [CUP, PLATE], PlanState())
    state = PlanState(since=START, plan=plan)
    late = observation(5.5, age=0.9, gripper=gripper(True))
    assert late.now - START > 6 * SECOND
    assert policy().advance(plan, PUT, late, [], state) is state
