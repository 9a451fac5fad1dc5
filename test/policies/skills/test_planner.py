from collections.abc import Sequence
from dataclasses import replace
from typing import Any

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
from vlam_ros.policies.skills.planner import SkillPlanner
from vlam_ros.types import (
    Instruction,
    Missing,
    ObjectPhrase,
    Observation,
    Obstacles,
    Outcome,
    Placement,
    Progress,
    Proposal,
    Reason,
    Refusal,
    Scene,
    SceneObject,
    Task,
    Verdict,
)
from vlam_ros.verification import Limits, verify

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
) -> Progress:
    """The progress before its first step."""
    shipped = policy()
    plan = shipped.outline(Task(instruction, skill, 1.0))
    return shipped.ground(plan, instruction, looking or observation(), seen, Progress())


def ready(skill: str, instruction: Instruction, *seen: SceneObject) -> Progress:
    """The progress when the robot stands, so that what is in reach need not be gone to."""
    return policy().advance(grounded(skill, instruction, seen), observation(), seen)


def again(progress: Progress, seen: Sequence[SceneObject], looking: Observation) -> Progress:
    """The progress grounded in another image."""
    assert progress.plan is not None
    return policy().ground(progress.plan, PUT, looking, seen, progress)


def at(step: int, progress: Progress) -> Progress:
    """The progress, come to another step."""
    assert progress.plan is not None
    return replace(progress, plan=replace(progress.plan, current=step))


def infer(
    skill: str,
    instruction: Instruction,
    seen: Sequence[SceneObject],
    looking: Observation,
    progress: Progress | None = None,
    by: SkillPlanner | None = None,
) -> tuple[Proposal, Verdict]:
    """What is proposed, and what the gate says."""
    by, progress = by or policy(), progress or Progress()
    task, scene = Task(instruction, skill, 1.0), Scene(looking.stamp, tuple(seen))
    proposal = by.infer(looking, task, scene, progress)
    limits = Limits(settings().policy, by.space)
    return proposal, verify(proposal, task, scene, looking, progress, limits)


def passes(*arguments: Any, **others: Any) -> bool:
    """Whether something is executed, and nothing remarked."""
    verdict = infer(*arguments, **others)[1]
    return (verdict.outcome, verdict.message) == (Outcome.EXECUTE, "")


def refused(*arguments: Any, **others: Any) -> Verdict:
    verdict = infer(*arguments, **others)[1]
    assert verdict.outcome is Outcome.HOLD
    return verdict


# ---------------------------------------------------------------------------------- approach


@pytest.mark.parametrize(("distance", "step"), [(0.80, "pick_up"), (0.81, "go_to")])
def test_what_is_within_reach_is_not_gone_to(distance: float, step: str) -> None:
    progress = ready("pick_up", PICK, thing("red cup", 0.6 * distance, 0.8 * distance))
    assert progress.plan is not None
    assert progress.plan.to_come[0].skill == step
    assert progress.plan.steps[progress.current].skill == step


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
        (odometry(speed=0.03, yaw_rate=-0.06), 1),
        (odometry(speed=-0.03, yaw_rate=0.06), 1),
        (odometry(speed=0.031), 0),
        (odometry(speed=-0.031), 0),
        (odometry(yaw_rate=0.061), 0),
        (odometry(yaw_rate=-0.061), 0),
        (Missing("no odometry"), 1),
    ],
    ids=[
        "stands",
        "nearly",
        "nearly back",
        "drives",
        "backs",
        "turns left",
        "turns right",
        "unknown",
    ],
)
def test_the_arm_waits_until_the_base_is_below_3_cm_and_6_hundredths_of_a_radian_a_second(
    base: object, current: int
) -> None:
    looking = observation(odometry=base)
    progress = grounded("pick_up", PICK, [CUP], looking)
    assert policy().advance(progress, looking, [CUP]).current == current


def test_without_a_position_nothing_is_within_reach() -> None:
    assert ready("pick_up", PICK, thing("red cup")).current == 0
    nowhere = refused("pick_up", PICK, [thing("red cup")], observation())
    assert nowhere.reason is Reason.NO_POSITION


@pytest.mark.parametrize("skill", ["go_to", "turn_to"])
def test_a_motion_of_the_base_is_done_only_when_the_base_stands(skill: str) -> None:
    instruction = APPROACH if skill == "go_to" else TURN
    near = [thing("red cup", 0.7)]
    for base, current in ((odometry(speed=0.2), 0), (odometry(), 1)):
        looking = observation(odometry=base)
        progress = grounded(skill, instruction, near, looking)
        assert policy().advance(progress, looking, near).current == current


def test_a_base_that_is_there_but_still_moves_is_told_to_stay() -> None:
    moving = observation(odometry=odometry(speed=0.2))
    there = infer("go_to", APPROACH, [thing("red cup", 0.74, 0.02)], moving)[0].rows
    assert there is not None
    assert (~np.isnan(there[:, 1:])).tolist() == [[True, True, False, True]] * len(there)
    assert there[:, [0, 1, 2, 4]].tolist() == [[1.0, 0.0, 0.0, 0.0]] * len(there)
    before = infer("go_to", APPROACH, [thing("red cup", 0.76)], moving)[0].rows
    assert before is not None
    assert before[-1, 1] == pytest.approx(0.76 - 0.65)


# ---------------------------------------------------------------------------------- checks


def test_without_driving_all_steps_to_come_are_verified_before_the_first() -> None:
    able = [skill for skill in skills().values() if skill.name != "go_to"]
    standing = [replace(skill, id=i) for i, skill in enumerate(able)]
    fixed = SkillPlanner(standing, settings().policy, settings().action)
    far = thing("blue plate", 1.4, 0.3)
    refusal = refused("place", PUT, [CUP, far], observation(), by=fixed)
    assert refusal.reason is Reason.UNREACHABLE
    assert "place at 'blue plate' the arm must reach 1.43 m" in refusal.message
    assert passes("place", PUT, [CUP, PLATE], observation(), by=fixed)


def test_what_the_arm_does_after_a_drive_is_checked_when_it_is_there() -> None:
    far = thing("blue plate", 1.4, 0.3)
    assert ready("place", PUT, CUP, far).current == 1
    assert passes("place", PUT, [CUP, far], observation())
    # But where things are must be known of all.
    unsure = [CUP, thing("blue plate", 1.4, 0.3, spread=0.16)]
    assert refused("place", PUT, unsure, observation()).reason is Reason.NO_POSITION


def test_the_gripper_has_to_fit_the_arms_step_only_at_its_start() -> None:
    both, full = [CUP, PLATE], observation(gripper=gripper(True))
    progress = ready("place", PUT, *both)
    assert passes("place", PUT, both, observation(gripper=gripper(False)), progress)
    assert refused("place", PUT, both, full, progress).reason is Reason.PRECONDITION
    assert passes("place", PUT, both, full, replace(progress, since=START))


def test_the_gripper_has_to_fit_what_is_driven_to_all_the_way() -> None:
    far, empty = [thing("red cup", 2.0)], observation(gripper=gripper(False))
    full = observation(gripper=gripper(True))
    for since in (0, START):
        going = replace(ready("pick_up", PICK, *far), since=since)
        assert infer("pick_up", PICK, far, empty, going)[1].outcome is Outcome.EXECUTE
        assert refused("pick_up", PICK, far, full, going).reason is Reason.PRECONDITION
    # To go somewhere for its own sake the gripper may hold what it likes.
    assert infer("go_to", APPROACH, far, full)[1].outcome is Outcome.EXECUTE


def test_checks_come_in_the_order_position_reach_path() -> None:
    wall = Obstacles(START, np.array([[0.5, 0.0, 0.3], [0.5, 0.1, 0.3]], np.float32))
    looking = observation(obstacles=wall)
    for found, reason in (
        (thing("red cup"), Reason.NO_POSITION),
        (thing("red cup", 9.0, spread=0.2), Reason.NO_POSITION),
        (thing("red cup", 9.0), Reason.UNREACHABLE),
        (thing("red cup", 2.0), Reason.PATH_BLOCKED),
    ):
        assert refused("go_to", APPROACH, [found], looking).reason is reason
        assert refused("pick_up", PICK, [found], looking).reason is reason


def test_without_its_lidar_a_robot_does_not_drive_but_its_arm_moves() -> None:
    looking = observation(obstacles=Missing("obstacles: 2.00 s old", lost=True))
    far = thing("red cup", 2.0)
    for skill, instruction in (("go_to", APPROACH), ("place", PUT)):
        refusal = refused(skill, instruction, [far, PLATE], looking)
        assert refusal.reason is Reason.STALE_SENSOR
        assert "LiDAR was lost" in refusal.message
    assert passes("place", PUT, [CUP, PLATE], looking)


# ---------------------------------------------------------------------------------- arm


def test_the_arm_is_timed_from_the_start_of_its_step() -> None:
    progress = replace(ready("place", PUT, CUP, PLATE), since=START)
    now, later = (
        infer("place", PUT, [CUP, PLATE], observation(seconds), progress)[0].rows
        for seconds in (0.0, 0.5)
    )
    assert now is not None
    assert later is not None
    assert later[:6] == pytest.approx(now[2:], nan_ok=True)


def test_while_the_arm_moves_its_objects_are_remembered() -> None:
    progress = ready("place", PUT, CUP, PLATE)
    moving = replace(progress, since=START)
    assert again(moving, [], observation(3.0)) is moving
    with pytest.raises(Refusal):
        again(progress, [], observation(3.0))


def test_the_base_follows_what_is_seen_now() -> None:
    shipped, nearer = policy(), thing("red cup", 1.2)
    progress = replace(grounded("go_to", APPROACH, [thing("red cup", 2.0)]), since=START)
    assert progress.plan is not None
    progress = shipped.ground(progress.plan, APPROACH, observation(1.0), [nearer], progress)
    assert progress.plan is not None
    assert progress.plan.steps[0].target is nearer


def test_a_step_of_the_arm_is_judged_when_its_time_is_over() -> None:
    shipped, progress = policy(), replace(ready("place", PUT, CUP, PLATE), since=START)
    early = shipped.advance(progress, observation(6.99, gripper=gripper(False)), [])
    assert early is progress
    # Picked up, and the plate is near enough to skip going there.
    done = shipped.advance(progress, observation(7.0, gripper=gripper(True)), [])
    assert (done.current, done.since, done.held) == (3, 0, "red cup")
    over = at(4, done)
    assert shipped.advance(over, observation(9.0), []) is over


def test_what_the_gripper_closed_on_is_noted_while_it_is_picked_up() -> None:
    shipped, full = policy(), gripper(True)
    progress = replace(ready("place", PUT, CUP, PLATE), since=START)
    assert shipped.advance(progress, observation(4.0, gripper=full), []).held == "red cup"
    assert shipped.advance(progress, observation(4.0, gripper=gripper(False)), []).held == ""
    going = at(0, progress)
    moving = observation(4.0, gripper=full, odometry=odometry(speed=0.2))
    assert shipped.advance(going, moving, []).held == ""


def test_a_step_takes_its_time_from_the_stamp_not_from_the_clock() -> None:
    progress = replace(ready("place", PUT, CUP, PLATE), since=START)
    late = observation(6.5, age=0.9, gripper=gripper(False))
    assert late.now - START > 7 * SECOND
    assert policy().advance(progress, late, []) is progress


def test_success_is_not_read_from_an_old_image() -> None:
    at_the_cup = [thing("red cup", 0.4)]
    progress = grounded("go_to", APPROACH, at_the_cup)
    with pytest.raises(Refusal) as refusal:
        policy().advance(progress, observation(age=1.1), at_the_cup)
    assert refusal.value.reason is Reason.STALE_SENSOR
    done = policy().advance(progress, observation(age=0.9), at_the_cup)
    # What is done keeps its plan, so that no later image makes another skill of it.
    assert done.current == 1
    assert done.plan is not None
    assert (done.plan.steps[0].skill, done.plan.current) == ("go_to", 1)


def test_progress_without_a_plan_cannot_be_advanced() -> None:
    with pytest.raises(ValueError, match="grounded before"):
        policy().advance(Progress(), observation(), [])


# ---------------------------------------------------------------------------------- definitions


def test_the_action_space_has_the_skills_as_commands() -> None:
    space = policy().space
    assert space.names == tuple(skills())
    assert space.commands == tuple(skill.command for skill in skills().values())
    assert space.high == settings().action.high
    with pytest.raises(ActionError, match="bins must be odd"):
        policy(bins=256)


def test_definitions_that_cannot_be_executed_are_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="at least 10 s"):
        policy(step=0.5)
    without = [s for s in skills().values() if s.name != "pick_up"]
    with pytest.raises(ConfigurationError, match="define pick_up"):
        SkillPlanner(without, settings().policy, settings().action)
