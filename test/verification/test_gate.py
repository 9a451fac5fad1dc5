import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from policy_world import START, gripper, observation, settings, thing

from vlam_ros.types import (
    ActionCommand,
    ActionSpace,
    Grip,
    GripperEffect,
    Instruction,
    Missing,
    ObjectPhrase,
    Observation,
    Obstacles,
    Outcome,
    Plan,
    PoseFrame,
    Progress,
    Proposal,
    Reason,
    Refusal,
    Scene,
    SkillStep,
    Task,
    Verdict,
)
from vlam_ros.verification import Limits, held, verify

NOT = math.nan
SPACE = ActionSpace.of(
    ("stop", "nudge", ActionCommand("grab", PoseFrame.TOOL, True, GripperEffect.CLOSE)),
    (-2.0, -2.0, -1.0, -math.pi),
    (2.0, 2.0, 1.0, math.pi),
)
NUDGE = SkillStep("nudge", thing("red cup", 2.0))
GRAB = SkillStep(
    "grab",
    thing("red cup", 0.6),
    pose_of=PoseFrame.TOOL,
    gripper=GripperEffect.CLOSE,
    precondition=Grip.EMPTY,
)
"""Steps as a policy proposes them that plans no keyframes."""


def propose(*steps: SkillStep, rows: list[list[float]] | None = None, **others: Any) -> Proposal:
    plan = Plan(steps, others.pop("current", 0))
    array = None if rows is None else np.array(rows)
    return Proposal(plan, Progress(plan, START), array, 0.7, **others)


def nudge(*places: tuple[float, float, float], step: SkillStep = NUDGE) -> Proposal:
    """The base goes through places x, y, θ."""
    return propose(step, rows=[[1, x, y, NOT, theta] for x, y, theta in places])


def grab(*places: tuple[float, float, float]) -> Proposal:
    """The tool goes through places x, y, z."""
    return propose(GRAB, rows=[[2, x, y, z, 0] for x, y, z in places])


def check(
    proposal: Proposal,
    looking: Observation | None = None,
    progress: Progress | None = None,
    unfamiliarity: float = 0.0,
) -> Verdict:
    """The verdict where the instruction means the first objects of the plan, and they are seen."""
    looking = looking or observation()
    steps = proposal.plan.steps
    targets, destinations = (
        [o for o in things if o]
        for things in ([s.target for s in steps], [s.destination for s in steps])
    )
    target, destination = (
        ObjectPhrase(things[0].phrase) if things else None for things in (targets, destinations)
    )
    return verify(
        proposal,
        Task(Instruction("", "", target, destination), steps[-1].skill if steps else "nudge", 0.9),
        Scene(looking.stamp, (*targets[:1], *destinations[:1]), unfamiliarity=unfamiliarity),
        looking,
        progress or Progress(),
        Limits(settings().policy, SPACE),
    )


def wall(x: float, y: float, seconds: float = 0.0) -> Observation:
    points = np.array([[x, y, 0.3], [x, y + 0.02, 0.3]], np.float32)
    return observation(seconds, obstacles=Obstacles(START, points))


def test_what_passes_is_executed_with_its_confidence_and_a_remark_on_what_was_not_checked() -> None:
    unwatched = Verdict(
        Outcome.EXECUTE, message="the path is not checked: no LiDAR", confidence=0.7
    )
    assert check(nudge((0.5, 0.0, 0.1))) == unwatched
    assert check(nudge((0.5, 0.0, 0.1)), wall(1.5, 1.5)) == Verdict(Outcome.EXECUTE, confidence=0.7)
    assert check(grab((0.6, 0.0, 0.3))) == Verdict(Outcome.EXECUTE, confidence=0.7)


@pytest.mark.parametrize(
    ("unfamiliarity", "under_way", "moves"),
    [(1.0, False, True), (1.1, False, False), (1.1, True, True), (1.25, True, False),
     (math.nan, True, False)],
)  # fmt: skip
def test_what_a_familiar_image_began_may_go_on_before_one_that_is_a_hair_beyond(
    unfamiliarity: float, under_way: bool, moves: bool
) -> None:
    proposal = nudge((0.5, 0.0, 0.1))
    progress = proposal.progress if under_way else None
    verdict = check(proposal, progress=progress, unfamiliarity=unfamiliarity)
    assert verdict.outcome is (Outcome.EXECUTE if moves else Outcome.HOLD)
    assert moves or verdict.reason is Reason.UNFAMILIAR


# ---------------------------------------------------------------------------------- rows


def test_rows_of_the_tool_are_held_to_the_reach_of_the_arm() -> None:
    far = check(grab((0.6, 0.0, 0.3), (0.8, 0.3, 0.3)))
    assert far.reason is Reason.UNREACHABLE
    assert "to grab at 'red cup' the arm must reach 0.85 m" in far.message
    behind = check(grab((0.6, 0.0, 0.3), (0.1, 0.0, 0.3)))
    assert behind.reason is Reason.UNREACHABLE
    assert "this is 0.10 m ahead" in behind.message


def test_the_row_in_which_the_gripper_acts_has_no_place_to_reach() -> None:
    rows = [[2, 0.6, 0, 0.01, 0], [2, NOT, NOT, NOT, NOT], [2, 0.6, 0, 0.3, 0]]
    assert check(propose(GRAB, rows=rows)).outcome is Outcome.EXECUTE
    rows[2][1] = 0.9
    assert check(propose(GRAB, rows=rows)).reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1, 2.1, 0, NOT, 0], "nudge at 'red cup' needs x = 2.10, commands reach from -2 to 2"),
        ([1, 0, -2.1, NOT, 0], "y = -2.10"),
        ([1, NOT, NOT, NOT, 3.2], "theta = 3.20"),
        ([1, math.inf, 0, NOT, 0], "x = inf"),
    ],
)
def test_rows_are_held_to_the_action_space(row: list[float], message: str) -> None:
    verdict = check(propose(NUDGE, rows=[[1, 0, 0, NOT, 0], row]))
    assert verdict.reason is Reason.UNREACHABLE
    assert message in verdict.message


def test_rows_of_the_base_are_held_to_a_free_path() -> None:
    blocked = check(nudge((0.5, 0.0, 0.0), (1.0, 0.0, 0.0)), wall(0.8, 0.0))
    assert blocked.reason is Reason.PATH_BLOCKED
    assert "(0.80, 0.00) is in the way to 'red cup'" in blocked.message
    assert check(nudge((0.2, 0.0, 0.0), (0.5, 0.0, 0.0)), wall(0.8, 0.0)).message == ""
    # A turn in place goes nowhere, and the arm moves over what the LiDAR sees.
    aside = replace(NUDGE, target=thing("red cup", 1.0, 1.5))
    assert check(nudge((NOT, NOT, 1.0), step=aside), wall(0.1, 0.0)).outcome is Outcome.EXECUTE
    assert check(grab((0.6, 0.0, 0.3)), wall(0.4, 0.0)).outcome is Outcome.EXECUTE


def test_the_way_is_checked_from_each_way_point_to_the_next() -> None:
    around = nudge((1.0, 1.0, NOT), (1.0, 0.0, NOT))
    assert check(around, wall(1.0, 0.5)).reason is Reason.PATH_BLOCKED
    # The straight way to the last way point is not gone.
    assert check(around, wall(0.6, 0.0)).outcome is Outcome.EXECUTE


def test_without_its_lidar_rows_of_the_base_are_not_executed() -> None:
    lost = observation(obstacles=Missing("obstacles: 2.00 s old", lost=True))
    assert check(nudge((0.5, 0.0, 0.0)), lost).reason is Reason.STALE_SENSOR
    assert check(grab((0.6, 0.0, 0.3)), lost).outcome is Outcome.EXECUTE


# ---------------------------------------------------------------------------------- steps


def test_a_step_with_keyframes_is_held_to_them_also_while_it_is_still_to_come() -> None:
    planned = replace(GRAB, keyframes=np.array([[0.9, 0.0, 0.3, 0.0]]))
    rows = [[2.0, 0.5, 0.0, 0.3, 0.0]]
    assert check(propose(planned, rows=rows)).reason is Reason.UNREACHABLE
    assert check(propose(GRAB, planned, rows=rows)).reason is Reason.UNREACHABLE
    # A later one without is checked when it is its turn, and one that is done no more.
    assert check(propose(GRAB, GRAB, rows=rows)).outcome is Outcome.EXECUTE
    assert check(propose(planned, GRAB, rows=rows, current=1)).outcome is Outcome.EXECUTE


@pytest.mark.parametrize("spread", [0.16, NOT])
def test_the_objects_of_all_steps_to_come_are_where_somebody_knows(spread: float) -> None:
    unsure = SkillStep("nudge", destination=thing("blue plate", 1.0, spread=spread))
    verdict = check(propose(NUDGE, unsure, rows=[[1.0, 0.1, 0.0, NOT, 0.0]]))
    assert verdict.reason is Reason.NO_POSITION
    nowhere = SkillStep("nudge", thing("blue plate"))
    assert check(nudge((0.1, 0.0, 0.0), step=nowhere)).reason is Reason.NO_POSITION


def test_an_old_image_moves_nothing() -> None:
    verdict = check(nudge((0.1, 0.0, 0.0)), observation(age=1.1))
    assert verdict.reason is Reason.STALE_SENSOR
    assert "the image is 1.1 s old" in verdict.message


def test_the_gripper_is_looked_at_when_a_step_begins() -> None:
    proposal, full = grab((0.6, 0.0, 0.3)), observation(gripper=gripper(True))
    begun = Progress(proposal.plan, START)
    assert check(proposal, full).reason is Reason.PRECONDITION
    assert check(proposal, full, begun.interrupted()).reason is Reason.PRECONDITION
    assert check(proposal, full, begun).outcome is Outcome.EXECUTE
    gone = replace(NUDGE, target=GRAB.target)
    second = propose(gone, GRAB, rows=[[2.0, 0.6, 0.0, 0.3, 0.0]], current=1)
    before = Progress(replace(second.plan, current=0), START)
    assert check(second, full, before).reason is Reason.PRECONDITION
    assert check(second, observation(gripper=gripper(False)), before).outcome is Outcome.EXECUTE


def test_on_an_approach_the_gripper_has_to_fit_what_is_gone_to_all_the_way() -> None:
    grab = replace(GRAB, target=NUDGE.target)
    going = propose(replace(NUDGE, approach=True), grab, rows=[[1.0, 0.5, 0.0, NOT, 0.0]])
    begun = Progress(going.plan, START)
    assert check(going, observation(gripper=gripper(True)), begun).reason is Reason.PRECONDITION
    free = check(going, observation(gripper=gripper(False)), begun)
    assert free.outcome is Outcome.EXECUTE


# ---------------------------------------------------------------------------------- no rows


def test_a_refusal_passes_through_with_its_reason() -> None:
    refusal = Refusal(Reason.TARGET_AMBIGUOUS, "which of them?")
    verdict = Verdict(Outcome.HOLD, Reason.TARGET_AMBIGUOUS, "which of them?")
    assert check(propose(NUDGE, refusal=refusal)) == verdict == held(refusal)
    rows = [[1.0, 0.1, 0.0, NOT, 0.0]]
    assert check(propose(NUDGE, rows=rows, refusal=refusal)) == verdict
    assert check(propose(NUDGE, done=True, refusal=refusal)) == verdict


def test_done_is_done_wherever_things_are() -> None:
    old = observation(age=5.0, gripper=gripper(True))
    done = Verdict(Outcome.DONE, confidence=0.7)
    assert check(propose(GRAB, current=1, done=True), old) == done
    assert check(propose(done=True)) == done


@pytest.mark.parametrize(
    "proposal",
    [
        propose(NUDGE),
        propose(NUDGE, rows=[[1.0, 0.1, 0.0, NOT, 0.0]], current=1),
    ],
    ids=["no rows", "no step left"],
)
def test_a_proposal_is_rows_for_a_step_or_it_is_done_or_refused(proposal: Proposal) -> None:
    with pytest.raises(ValueError, match="neither done nor refused needs rows and a step"):
        check(proposal)
