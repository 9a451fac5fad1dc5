"""Sentences as people say them, on the first image of the demo, through the shipped models."""

import math
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from policy_world import gripper

from vlam_ros.configuration import Settings
from vlam_ros.lab.simulation.rooms import DEMO_SCENE
from vlam_ros.lab.simulation.world import World
from vlam_ros.perception import unknown_words
from vlam_ros.pipeline import Pipeline
from vlam_ros.types import (
    Decision,
    InstructionRequest,
    JointState,
    Missing,
    Observation,
    Outcome,
    Reason,
)

Ask = Callable[..., Decision]
BODY = {"gripper": gripper(False), "joints": JointState(0, ("lift",), (0.9,))}


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.from_settings(Settings.load(model__device="cpu"))


@pytest.fixture(scope="module")
def seen() -> Observation:
    with World() as world:
        world.load(DEMO_SCENE)
        return Observation(0, 0, world.render().image, world.camera, **BODY)


@pytest.fixture
def ask(pipeline: Pipeline, seen: Observation) -> Ask:
    pipeline.reset()
    sequence = iter(range(1000))

    def asked(text: str, **sensors: object) -> Decision:
        request = InstructionRequest(text, 1, next(sequence))
        return pipeline.step(replace(seen, **sensors), request)

    return asked


@pytest.mark.parametrize(
    "text",
    [
        "red ball", "blue cup", "white cup", "red cup", "robot red cup", "ok, orange ball", "cups",
        "come here", "come back", "undo: push the green box", "follow me", "move the red cup away",
        "open the green box", "avoid the red cup", "leave the red cup alone", "do not stop",
        "tomorrow pick up the red cup", "go to the red cup or the green box", "stop at the red cup",
        "do not go to the red cup", "go slowly to the red cup", "pick up the brown cup",
    ],
)  # fmt: skip
def test_what_is_no_instruction_moves_nothing(ask: Ask, text: str) -> None:
    verdict = ask(text).verdict
    assert verdict.outcome is Outcome.HOLD
    assert verdict.reason in (
        Reason.INSTRUCTION_INVALID,
        Reason.UNKNOWN_SKILL,
        Reason.TARGET_NOT_FOUND,
    )


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Would you mind driving over to the orange ball for me", "orange ball"),
        ("Go to the orange ball. Then pick it up.", "orange ball"),
        ("go to the red mug", "red cup"),
        ("go to the blue disc", "blue plate"),
        ("go to the crimson cup", "red cup"),
        ("go to the leftmost box", "green box"),
        ("go to the nearest of the boxes", "green box"),
    ],
)
def test_what_people_say_is_done_with_what_they_mean(ask: Ask, text: str, target: str) -> None:
    decision = ask(text)
    assert decision.verdict.outcome is Outcome.EXECUTE
    assert decision.chunk.skill == "go_to"
    assert decision.plan.target is not None
    assert decision.plan.target.position is not None
    place = next(o.position for o in DEMO_SCENE.objects if o.phrase == target)
    assert math.dist(decision.plan.target.position[:2], place[:2]) < 0.15


def test_of_two_sentences_the_second_is_not_dropped(ask: Ask) -> None:
    trace = ask("Go to the orange ball. Then pick it up.").chunk.trace
    assert [step.split(" orange")[0] for step in trace.split(" -> ")] == ["go to", "pick up"]


def test_a_stop_in_another_language_needs_no_look(ask: Ask) -> None:
    blind = np.zeros((4, 4, 3), np.uint8)
    for text in ("стоп", "Stopp!", "emergency stop", "whoa, hold on"):
        decision = ask(text, image=blind, camera=Missing("none"))
        assert (decision.verdict.outcome, decision.chunk.trace) == (Outcome.DONE, "stop")
        assert decision.scene.seconds == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("what do you see?", "I see a ball, 2 boxes, a cup and a plate"),
        ("is there a red cup?", "yes, I see a red cup: 0.7 m away 15° to the left"),
        ("is there a purple cone?", "no, I see no purple cone that I am sure of"),
        ("how many boxes are there?", "I see 2 boxes: "),
        ("where is the crimson mug?", "I see a red mug: "),
        ("where is the red beaker?", "I see a red cup: "),
        ("what can you do?", "'pick up the red cup'"),
    ],
)
def test_questions_are_answered_from_what_is_seen(ask: Ask, text: str, told: str) -> None:
    verdict = ask(text).verdict
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.ANSWERED)
    assert told in verdict.message


def test_of_an_unfamiliar_image_nothing_is_told(ask: Ask, seen: Observation) -> None:
    covered = np.zeros_like(seen.image)
    for text in ("what do you see?", "is there a red cup?", "how many boxes are there?"):
        assert ask(text, image=covered).verdict.reason is Reason.UNFAMILIAR


def test_what_is_not_seen_is_searched(ask: Ask) -> None:
    assert ask("where is the purple cone?").chunk.skill == "search"


def test_the_other_box_is_the_yellow_one(ask: Ask) -> None:
    ask("go to the nearest box")
    decision = ask("the other one")
    assert decision.plan.target is not None
    assert decision.plan.target.position is not None
    assert decision.plan.target.position[0] == pytest.approx(1.75, abs=0.2)


def test_what_is_read_as_something_else_is_said(ask: Ask) -> None:
    assert "'beaker' for 'cup'" in ask("go to the red beaker").verdict.message
    assert "'beaker' for 'cup'" in ask("go to the purple beaker").verdict.message


BAD = (
    "red ball", "the nearest box", "go to the box", "put the box on the blue plate", "juggle it",
    "put the red cup", "pick up", "go to the giraffe", "pick up two cups", "push the ball behind",
    "push the orange ball behind the green box", "pick up the nearest cup to the plate", "",
    "put the red cup left of the box", "the other one", "what can you do?", "look the cup",
    "turn to the box and the ball", "who are you?",
)  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_a_message_suggests_is_understood_and_made_of_known_words(
    pipeline: Pipeline, ask: Ask, text: str
) -> None:
    message = ask(text).verdict.message
    suggested = re.findall(
        r"(?:an example: |for example |e\.g\. |as in |, as |say |', )'([^']+)'", message
    )
    assert suggested
    for sentence in suggested:
        again = ask(sentence)
        assert again.verdict.reason not in (Reason.INSTRUCTION_INVALID, Reason.UNKNOWN_SKILL)
        if again.verdict.outcome is Outcome.DONE:
            continue
        task = pipeline.task
        assert task is not None, again.verdict
        for phrase in task.instruction.named.values():
            for words in phrase.texts:
                assert unknown_words(words, pipeline.grounder.calibration) == ()


def test_a_base_without_arm_refuses_what_needs_one(
    pipeline: Pipeline, ask: Ask, seen: Observation
) -> None:
    none = Missing("no joint states yet")
    for text in ("pick up the red cup", "push the green box", "pick up the yellow box"):
        verdict = ask(text, joints=none, gripper=Missing("no gripper state yet")).verdict
        assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.PRECONDITION)
    assert ask("go to the red cup", joints=none).verdict.outcome is Outcome.EXECUTE
    # With the skills taken out, what means them is not done by another.
    base = [s for s in pipeline.skills if s.name in ("stop", "go_to", "turn_to", "search")]
    pipeline.skills, all_skills = tuple(base), pipeline.skills
    try:
        for text in (
            "pick up the red cup",
            "push the red cup",
            "put the red cup on the blue plate",
        ):
            verdict = ask(text).verdict
            assert verdict.reason is Reason.UNKNOWN_SKILL
            assert "pick up" not in verdict.message.partition("I can")[2]
    finally:
        pipeline.skills = all_skills
