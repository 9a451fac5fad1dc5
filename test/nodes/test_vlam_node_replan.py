"""A controller that missed a part of a motion has the instruction begun anew."""

from __future__ import annotations

from dataclasses import replace

from node_world import GO, HeldPipeline, World
from std_msgs.msg import String

from vlam_ros.types import Decision, InstructionRequest, Observation, Outcome, Reason, Verdict

WHY = "the row in which the gripper closes passed"


def replan(world: World) -> None:
    publisher = world.other.create_publisher(String, "replan", 1)
    world.until(publisher.get_subscription_count)
    publisher.publish(String(data=WHY))


def test_the_same_instruction_becomes_a_newer_request_and_the_robot_stops(world: World) -> None:
    world.moving()
    world.chunks.clear()
    replan(world)
    stop = world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    assert (stop.instruction, stop.sequence) == (GO, 2)
    assert stop.message.startswith(WHY)
    again = world.chunk(Outcome.EXECUTE)
    assert (again.instruction, again.sequence) == (GO, 2)


def test_without_an_instruction_nothing_begins(world: World) -> None:
    world.activate()
    replan(world)
    world.show()
    assert world.chunk(Outcome.HOLD, Reason.NO_INSTRUCTION).sequence == 0


def test_what_is_done_does_not_begin_anew(world: World) -> None:
    pipeline = world.moving()

    def done(observation: Observation, request: InstructionRequest | None) -> Decision:
        decision = HeldPipeline.step(pipeline, observation, request)
        verdict = Verdict(Outcome.DONE)
        return replace(decision, verdict=verdict, chunk=replace(decision.chunk, verdict=verdict))

    pipeline.step = done  # type: ignore[method-assign]
    world.show()
    world.chunk(Outcome.DONE)
    replan(world)
    world.show()
    assert world.chunk(Outcome.DONE).sequence == 1
