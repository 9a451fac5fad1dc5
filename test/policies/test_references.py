"""What refers to the last instruction, through the pipeline."""

import pytest
from policy_world import World, observation, odometry, thing

from vlam_ros.types import Decision, InstructionRequest, Missing, Outcome, Reason, Relation

NEAR, FAR = thing("box", 1.2, 0.4), thing("box", 2.0, -0.4)
CUP = thing("red cup", 1.0, -0.1)


def world() -> World:
    return World([NEAR, FAR, CUP])


def target_of(decision: Decision) -> tuple[float, float, float] | None:
    assert decision.plan.target is not None
    return decision.plan.target.position


@pytest.mark.parametrize("text", ["the other one", "not that one", "no, the other box", "another"])
@pytest.mark.parametrize("with_odometry", [True, False])
def test_the_other_one_is_not_the_one_that_was_meant(text: str, with_odometry: bool) -> None:
    told = world()
    base = odometry() if with_odometry else Missing("no odometry")
    assert target_of(told.ask("go to the nearest box", odometry=base)) == NEAR.position
    for seconds in (0.5, 1.0):
        decision = told.ask(text, seconds, sequence=2, odometry=base)
        assert (decision.verdict.outcome, decision.chunk.skill) == (Outcome.EXECUTE, "go_to")
        assert target_of(decision) == FAR.position


def test_the_other_one_of_three_is_not_clear() -> None:
    told = World([NEAR, FAR, thing("box", 1.5, 0.0)])
    told.ask("go to the nearest box")
    verdict = told.ask("the other one", 0.5, sequence=2).verdict
    assert verdict.reason is Reason.TARGET_AMBIGUOUS
    assert "'go to the nearest box'" in verdict.message


def test_where_there_is_no_other_one_none_is_taken() -> None:
    told = World([NEAR])
    told.ask("go to the box")
    assert told.ask("not that one", 0.5, sequence=2).verdict.reason is Reason.TARGET_NOT_FOUND


def test_it_is_the_target_of_the_last_instruction() -> None:
    told = world()
    told.ask("go to the red cup")
    for text in ("pick it up", "grab it", "push it", "go to it"):
        decision = told.ask(text, 0.5, sequence=3)
        assert decision.verdict.outcome is Outcome.EXECUTE, decision.verdict
        assert target_of(decision) == CUP.position
        told.pipeline.reset()
        told.ask("go to the red cup")


def test_it_stays_the_same_thing_while_the_base_moves() -> None:
    """What was the nearest box need not be it any more."""
    told = world()
    told.ask("go to the nearest box", odometry=odometry())
    turned = odometry(x=1.9, y=-0.4, seconds=0.5)
    told.perceiver.objects = [thing("box", -0.7, 0.8), thing("box", 0.1, 0.0)]
    decision = told.ask("turn to it", 0.5, sequence=2, odometry=turned)
    assert target_of(decision) == (-0.7, 0.8, 0.0)


def test_a_question_names_what_it_is_too() -> None:
    told = world()
    told.ask("is there a red cup?")
    assert target_of(told.ask("pick it up", 0.5, sequence=2)) == CUP.position


@pytest.mark.parametrize("text", ["the other one", "pick it up", "go to the other box"])
@pytest.mark.parametrize("forget", ["never said", "reset", "another epoch"])
def test_what_nobody_named_is_refused(text: str, forget: str) -> None:
    told = world()
    if forget != "never said":
        told.ask("go to the nearest box")
    if forget == "reset":
        told.pipeline.reset()
    epoch = 7 if forget == "another epoch" else 100_000_000_000
    decision = told.pipeline.step(observation(0.5), InstructionRequest(text, epoch, 9))
    assert decision.verdict.reason in (Reason.INSTRUCTION_INVALID, Reason.UNKNOWN_SKILL)


def test_the_relation_of_another_one_is_of_that_kind() -> None:
    told = world()
    told.ask("go to the nearest box")
    told.ask("the other one", 0.5, sequence=2)
    task = told.pipeline.task
    assert task is not None
    assert task.instruction.target is not None
    assert (task.instruction.target.text, task.instruction.target.relation) == (
        "box",
        Relation.OTHER,
    )
