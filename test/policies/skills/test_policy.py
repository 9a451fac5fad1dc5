from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from policy_world import (
    CUP,
    PLATE,
    SECOND,
    START,
    gripper,
    observation,
    odometry,
    policy,
    settings,
    skills,
    thing,
)

from vlam_ros.errors import ActionError, ConfigurationError
from vlam_ros.policies import Refusal, SkillPolicy
from vlam_ros.types import (
    Instruction,
    Missing,
    ObjectPhrase,
    Observation,
    Obstacles,
    Placement,
    PlanState,
    Reason,
    SceneObject,
)

PUT = Instruction(
    "put the red cup on the blue plate",
    "put the object on the destination",
    ObjectPhrase("red cup"),
    ObjectPhrase("blue plate"),
    Placement.ON,
)
APPROACH = Instruction("go to the red cup", "go to the object", ObjectPhrase("red cup"))


PICK = Instruction("pick up the red cup", "pick up the object", ObjectPhrase("red cup"))
TURN = Instruction("turn to the red cup", "turn to the object", ObjectPhrase("red cup"))


def grounded(
    skill: str,
    instruction: Instruction,
    seen: Sequence[SceneObject],
    looking: Observation | None = None,
    shipped: SkillPolicy | None = None,
) -> PlanState:
    """The state before its first step."""
    shipped = shipped or policy()
    plan = shipped.outline(skills()[skill], instruction)
    return shipped.ground(plan, instruction, looking or observation(), seen, PlanState())


def ready(skill: str, instruction: Instruction, *seen: SceneObject) -> PlanState:
    """The state when the robot stands, so that what is in reach need not be gone to."""
    return policy().advance(grounded(skill, instruction, seen), observation(), seen)


def again(state: PlanState, seen: Sequence[SceneObject], looking: Observation) -> PlanState:
    """The state grounded in another image."""
    assert state.plan is not None
    return policy().ground(state.plan, PUT, looking, seen, state)


def refused(state: PlanState, looking: Observation, by: SkillPolicy | None = None) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        (by or policy()).verify(state, looking)
    return refusal.value


# ---------------------------------------------------------------------------------- approach


@pytest.mark.parametrize(("distance", "step"), [(0.80, "pick_up"), (0.81, "go_to")])
def test_what_is_within_reach_is_not_gone_to(distance: float, step: str) -> None:
    state = ready("pick_up", PICK, thing("red cup", 0.6 * distance, 0.8 * distance))
    assert state.plan is not None
    assert state.plan.steps[state.current].skill == step
    assert state.plan.current == state.current


def test_reach_is_that_of_the_whole_path_not_of_the_object() -> None:
    push = Instruction("push the red cup", "push the object", ObjectPhrase("red cup"))
    # The tool ends 0.15 m farther than the near side of a cup of radius 0.05 m.
    assert ready("push", push, thing("red cup", 0.69)).current == 1
    assert ready("push", push, thing("red cup", 0.71)).current == 0
    beside = replace(PUT, target=None, placement=Placement.NEXT_TO)
    # It is let go 0.13 m before the centre of a plate of radius 0.05 m.
    assert ready("place", beside, thing("blue plate", 0.92)).current == 1
    assert ready("place", beside, thing("blue plate", 0.94)).current == 0


@pytest.mark.parametrize(
    ("base", "current"),
    [
        (odometry(), 1),
        (odometry(speed=0.03, yaw_rate=0.06), 1),
        (odometry(speed=0.04), 0),
        (odometry(yaw_rate=-0.07), 0),
        (Missing("no odometry"), 1),
    ],
    ids=["stands", "nearly", "drives", "turns", "unknown"],
)
def test_the_arm_waits_until_the_base_stands(base: object, current: int) -> None:
    looking = observation(odometry=base)
    state = grounded("pick_up", PICK, [CUP], looking)
    assert policy().advance(state, looking, [CUP]).current == current


def test_without_a_position_nothing_is_within_reach() -> None:
    state = ready("pick_up", PICK, thing("red cup"))
    assert state.current == 0
    assert refused(state, observation()).reason is Reason.NO_POSITION


@pytest.mark.parametrize("skill", ["go_to", "turn_to"])
def test_a_motion_of_the_base_is_done_only_when_the_base_stands(skill: str) -> None:
    instruction = APPROACH if skill == "go_to" else TURN
    near = [thing("red cup", 0.7)]
    for base, current in ((odometry(speed=0.2), 0), (odometry(), 1)):
        looking = observation(odometry=base)
        state = grounded(skill, instruction, near, looking)
        assert policy().advance(state, looking, near).current == current


def test_a_base_that_is_there_but_still_moves_is_told_to_stay() -> None:
    moving = observation(odometry=odometry(speed=0.2))
    there = grounded("go_to", APPROACH, [thing("red cup", 0.74, 0.02)], moving)
    rows = policy().act(there, moving)
    assert rows.used.tolist() == [[True, True, False, True]] * len(rows.values)
    assert rows.values[:, [0, 1, 2, 4]].tolist() == [[1.0, 0.0, 0.0, 0.0]] * len(rows.values)
    before = grounded("go_to", APPROACH, [thing("red cup", 0.76)], moving)
    assert policy().act(before, moving).values[-1, 1] == pytest.approx(0.76 - 0.65)


# ---------------------------------------------------------------------------------- checks


def test_without_driving_all_steps_to_come_are_verified_before_the_first() -> None:
    standing = [skill for skill in skills().values() if skill.name != "go_to"]
    fixed = SkillPolicy(standing, settings().policy, settings().action)
    far = thing("blue plate", 1.4, 0.3)
    refusal = refused(grounded("place", PUT, [CUP, far], shipped=fixed), observation(), fixed)
    assert refusal.reason is Reason.UNREACHABLE
    assert "place at 'blue plate' the arm must reach 1.43 m" in refusal.message
    near = grounded("place", PUT, [CUP, PLATE], shipped=fixed)
    assert fixed.verify(near, observation()) == ""


def test_what_the_arm_does_after_a_drive_is_checked_when_it_is_there() -> None:
    far = thing("blue plate", 1.4, 0.3)
    state = ready("place", PUT, CUP, far)
    assert state.current == 1
    assert policy().verify(state, observation()) == ""
    # But where things are must be known of all.
    unsure = ready("place", PUT, CUP, thing("blue plate", 1.4, 0.3, spread=0.16))
    assert refused(unsure, observation()).reason is Reason.NO_POSITION


def test_the_gripper_has_to_fit_the_arms_step_only_at_its_start() -> None:
    state = ready("place", PUT, CUP, PLATE)
    policy().verify(state, observation(gripper=gripper(False)))
    full = observation(gripper=gripper(True))
    assert refused(state, full).reason is Reason.PRECONDITION
    policy().verify(replace(state, since=START), full)


def test_the_gripper_has_to_fit_what_is_driven_to_all_the_way() -> None:
    state = ready("pick_up", PICK, thing("red cup", 2.0))
    full = observation(gripper=gripper(True))
    for since in (0, START):
        going = replace(state, since=since)
        policy().verify(going, observation(gripper=gripper(False)))
        assert refused(going, full).reason is Reason.PRECONDITION
    # To go somewhere for its own sake the gripper may hold what it likes.
    policy().verify(ready("go_to", APPROACH, thing("red cup", 2.0)), full)


def test_checks_come_in_the_order_position_reach_path() -> None:
    wall = Obstacles(START, np.array([[0.5, 0.0, 0.3], [0.5, 0.1, 0.3]], np.float32))
    seen = observation(obstacles=wall)
    for found, reason in (
        (thing("red cup"), Reason.NO_POSITION),
        (thing("red cup", 9.0), Reason.UNREACHABLE),
        (thing("red cup", 2.0), Reason.PATH_BLOCKED),
    ):
        assert refused(ready("go_to", APPROACH, found), seen).reason is reason
        assert refused(ready("pick_up", PICK, found), seen).reason is reason


def test_without_its_lidar_a_robot_does_not_drive_but_its_arm_moves() -> None:
    seen = observation(obstacles=Missing("obstacles: 2.00 s old", lost=True))
    far = thing("red cup", 2.0)
    for state in (ready("go_to", APPROACH, far), ready("place", PUT, far, PLATE)):
        refusal = refused(state, seen)
        assert refusal.reason is Reason.STALE_SENSOR
        assert "LiDAR was lost" in refusal.message
    assert policy().verify(ready("place", PUT, CUP, PLATE), seen) == ""


# ---------------------------------------------------------------------------------- arm


def test_the_arm_is_timed_from_the_start_of_its_step() -> None:
    state = replace(ready("place", PUT, CUP, PLATE), since=START)
    now = policy().act(state, observation(0.0)).values
    later = policy().act(state, observation(0.5)).values
    assert later[:6] == pytest.approx(now[2:], nan_ok=True)


def test_while_the_arm_moves_its_objects_are_remembered() -> None:
    state = ready("place", PUT, CUP, PLATE)
    moving = replace(state, since=START)
    assert again(moving, [], observation(3.0)) is moving
    with pytest.raises(Refusal):
        again(state, [], observation(3.0))


def test_the_base_follows_what_is_seen_now() -> None:
    shipped, nearer = policy(), thing("red cup", 1.2)
    state = replace(grounded("go_to", APPROACH, [thing("red cup", 2.0)]), since=START)
    assert state.plan is not None
    state = shipped.ground(state.plan, APPROACH, observation(1.0), [nearer], state)
    assert state.plan is not None
    assert state.plan.steps[0].target is nearer


def test_a_step_of_the_arm_is_judged_when_its_time_is_over() -> None:
    shipped, state = policy(), replace(ready("place", PUT, CUP, PLATE), since=START)
    early = shipped.advance(state, observation(6.99, gripper=gripper(False)), [])
    assert early is state
    # Picked up, and the plate is near enough to skip going there.
    done = shipped.advance(state, observation(7.0, gripper=gripper(True)), [])
    assert (done.current, done.since, done.held) == (3, 0, "red cup")
    over = replace(done, current=4)
    assert shipped.advance(over, observation(9.0), []) is over


def test_what_the_gripper_closed_on_is_noted_while_it_is_picked_up() -> None:
    shipped, full = policy(), gripper(True)
    state = replace(ready("place", PUT, CUP, PLATE), since=START)
    assert shipped.advance(state, observation(4.0, gripper=full), []).held == "red cup"
    assert shipped.advance(state, observation(4.0, gripper=gripper(False)), []).held == ""
    going = replace(state, current=0)
    moving = observation(4.0, gripper=full, odometry=odometry(speed=0.2))
    assert shipped.advance(going, moving, []).held == ""


def test_a_step_takes_its_time_from_the_stamp_not_from_the_clock() -> None:
    state = replace(ready("place", PUT, CUP, PLATE), since=START)
    late = observation(6.5, age=0.9, gripper=gripper(False))
    assert late.now - START > 7 * SECOND
    assert policy().advance(state, late, []) is state


def test_success_is_not_read_from_an_old_image() -> None:
    at_the_cup = [thing("red cup", 0.4)]
    state = grounded("go_to", APPROACH, at_the_cup)
    with pytest.raises(Refusal) as refusal:
        policy().advance(state, observation(age=1.1), at_the_cup)
    assert refusal.value.reason is Reason.STALE_SENSOR
    done = policy().advance(state, observation(age=0.9), at_the_cup)
    # What is done keeps its plan, so that no later image makes another skill of it.
    assert done.current == 1
    assert done.plan is not None
    assert (done.plan.steps[0].skill, done.plan.current) == ("go_to", 1)


def test_a_state_without_plan_cannot_be_acted_on() -> None:
    with pytest.raises(ValueError, match="grounded before"):
        policy().act(PlanState(), observation())


# ---------------------------------------------------------------------------------- definitions


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
