"""A policy of somebody else, in the pipeline."""

from dataclasses import replace

import numpy as np
import pytest
from policy_world import START, Nudge, World, thing

from vlam_ros.configuration import Settings
from vlam_ros.errors import ConfigurationError
from vlam_ros.pipeline import Pipeline
from vlam_ros.types import (
    Observation,
    Obstacles,
    Outcome,
    Plan,
    Progress,
    Proposal,
    Reason,
    Scene,
    Task,
    Verdict,
)

PUT = "put the red cup on the blue plate"
GO = "go to the red cup"


def test_another_policy_passes_through_the_same_gate_and_signs_its_chunks() -> None:
    world = World([thing("red cup", 2.0), thing("blue plate", 2.0, 0.5)], policy=Nudge())
    decision = world.ask(GO)
    chunk = decision.chunk
    assert decision.verdict.outcome is Outcome.EXECUTE
    assert (chunk.policy, chunk.skill, chunk.trace) == ("nudge", "go_to", "nudge for go_to")
    assert chunk.space is Nudge.space
    assert chunk.tokens.tolist() == [[1, 250, 200, 401, 200]]
    assert world.pipeline.progress.since == START
    assert world.ask(PUT, 1.0).chunk.policy == "nudge"


def test_another_policy_is_refused_what_the_planner_would_be() -> None:
    policy = Nudge()
    world = World([thing("red cup", 2.0)], policy=policy)
    wall = Obstacles(START, np.array([[0.3, 0.0, 0.3], [0.3, 0.1, 0.3]], np.float32))
    assert world.ask(GO, obstacles=wall).verdict.reason is Reason.PATH_BLOCKED
    assert world.ask(GO, age=1.5).verdict.reason is Reason.STALE_SENSOR
    policy.ahead = 2.5
    blocked = world.ask(GO)
    assert blocked.verdict.reason is Reason.UNREACHABLE
    assert blocked.chunk.tokens.tolist() == [[0, 401, 401, 401, 401]]
    assert world.pipeline.progress == Progress()


def test_a_stop_and_words_that_are_unknown_do_not_reach_the_policy() -> None:
    class Broken(Nudge):
        def infer(self, *_: object) -> Proposal:
            raise AssertionError("it was asked")

    world = World(policy=Broken())
    assert world.ask("stop").verdict.outcome is Outcome.DONE
    assert world.ask("pick up the red giraffe").verdict.reason is Reason.TARGET_NOT_FOUND
    assert world.ask("juggle the red cup").verdict.reason is Reason.UNKNOWN_SKILL
    assert world.ask(GO).verdict.reason is Reason.INTERNAL_ERROR


def test_a_policy_that_proposes_nothing_is_at_fault() -> None:
    class Idle(Nudge):
        def infer(
            self, observation: Observation, task: Task, scene: Scene, progress: Progress
        ) -> Proposal:
            return Proposal(Plan(), progress)

    decision = World(policy=Idle()).ask(GO)
    assert decision.verdict.reason is Reason.INTERNAL_ERROR
    assert "needs rows and a step" in decision.verdict.message
    assert decision.chunk.tokens[:, 0].tolist() == [0]


def test_a_reset_reaches_the_policy() -> None:
    policy = Nudge()
    world = World(policy=policy)
    before = policy.resets
    world.pipeline.reset()
    assert policy.resets == before + 1


def test_the_chunks_of_the_planner_are_signed_too() -> None:
    assert World().ask(GO).chunk.policy == "skills"
    assert World().ask(None).chunk.policy == ""


def test_a_policy_that_is_unknown_is_refused_before_a_model_is_loaded() -> None:
    wrong = Settings.load(policy__kind="theirs", model__name_or_path="/nowhere")
    with pytest.raises(ConfigurationError, match="got 'theirs'"):
        Pipeline.from_settings(wrong)


class Faulty(Nudge):
    """Of somebody else: it fails, or what it proposes cannot be carried out."""

    fault = "none"

    def infer(
        self, observation: Observation, task: Task, scene: Scene, progress: Progress
    ) -> Proposal:
        if self.fault == "infer":
            raise RuntimeError("no server")
        proposal = super().infer(observation, task, scene, progress)
        if self.fault == "rows":
            return replace(proposal, rows=np.array([["far", 1, 2, 3, 4]]))
        if self.fault == "plan":
            return replace(proposal, plan=Plan(proposal.plan.steps, current=1))
        return proposal


@pytest.mark.parametrize("fault", ["infer", "rows", "plan"])
def test_after_a_fault_the_progress_is_that_of_before_and_the_step_begins_anew(fault: str) -> None:
    policy = Faulty()
    world = World([thing("red cup", 2.0)], policy=policy)
    assert world.ask(GO).verdict.outcome is Outcome.EXECUTE
    before = world.pipeline.progress
    assert before.since == START
    policy.fault = fault
    held = world.ask(GO, 0.5)
    assert (held.verdict.outcome, held.verdict.reason) == (Outcome.HOLD, Reason.INTERNAL_ERROR)
    assert held.chunk.skill == "stop"
    assert world.pipeline.progress == before.interrupted()
    policy.fault = "none"
    assert world.ask(GO, 1.0).verdict.outcome is Outcome.EXECUTE
    assert world.pipeline.progress.since == START + 10**9


def test_what_is_not_enforced_is_told_and_what_nobody_proposed_is_not_done() -> None:
    def ask(verify: str, text: str = GO) -> Verdict:
        return World([thing("red cup", 1.0, 2.5)], policy=Nudge(), verify=verify).ask(text).verdict

    assert ask("enforce").reason is Reason.PLAN_MISMATCH
    told = ask("report")
    assert told.outcome is Outcome.EXECUTE
    assert told.message.startswith("not enforced: PLAN_MISMATCH: the motion does not lead to 'red")
    assert (ask("off").outcome, ask("off").message) == (Outcome.EXECUTE, "")
    for verify in ("report", "off"):
        assert ask(verify, "juggle the red cup").reason is Reason.UNKNOWN_SKILL
        empty = World([], verify=verify).ask(GO)
        assert empty.verdict.reason is Reason.TARGET_NOT_FOUND
        # What the space does not hold cannot be told to a robot.
        policy = Nudge()
        policy.ahead = 2.5
        far = World([thing("red cup", 2.0)], policy=policy, verify=verify).ask(GO)
        assert far.verdict.outcome is Outcome.HOLD
