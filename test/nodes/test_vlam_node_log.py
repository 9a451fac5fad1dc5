"""What the terminal shows of vlam_node: instructions, verdicts and steps as they change."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from node_world import GO, HeldPipeline, World, stamp_of

from vlam_ros.types import (
    Decision,
    InstructionRequest,
    Observation,
    Outcome,
    Plan,
    Reason,
    SkillStep,
    Verdict,
)

STEPS = (SkillStep("go_to", approach=True), SkillStep("pick_up"))


def decided(world: World, images: int = 3) -> None:
    """Show images until all of them are decided on."""
    for _ in range(images):
        stamp = world.show()
        world.until(lambda stamp=stamp: stamp in [stamp_of(c) for c in world.chunks])


def infos(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What came into the log since the last call, but for when."""
    text = capfd.readouterr().err
    return re.findall(r"^\[INFO\] \[[\d.]+\] \[vlam_node\]: (.*)$", text, re.MULTILINE)


def test_an_instruction_and_its_verdict_are_told_once_for_many_images(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.activate()
    decided(world)
    assert infos(capfd) == ["active", "HOLD NO_INSTRUCTION: say something"]
    world.say(GO)
    world.chunk(Outcome.EXECUTE)
    world.say(GO)
    decided(world)
    assert infos(capfd) == [f"instruction: '{GO}'", "EXECUTE"]


def test_each_step_and_each_other_verdict_is_told(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline = world.activate()
    lost = Verdict(Outcome.HOLD, Reason.TARGET_NOT_FOUND, "there is no red cup at 0.1 m")
    script = [
        (0, Verdict(Outcome.EXECUTE)),
        (0, Verdict(Outcome.EXECUTE)),
        (1, Verdict(Outcome.EXECUTE)),
        (1, lost),
        (1, replace(lost, message="there is no red cup at 0.2 m")),
        (1, Verdict(Outcome.EXECUTE)),
        (2, Verdict(Outcome.DONE)),
    ]

    def step(observation: Observation, request: InstructionRequest | None) -> Decision:
        decision = HeldPipeline.step(pipeline, observation, request)
        current, verdict = script.pop(0)
        chunk = replace(decision.chunk, verdict=verdict)
        return replace(decision, plan=Plan(STEPS, current), verdict=verdict, chunk=chunk)

    world.say(GO)
    world.until(lambda: world.node._runtime.request.text == GO)
    pipeline.step = step  # type: ignore[method-assign]
    infos(capfd)
    decided(world, len(script))
    assert infos(capfd) == [
        "EXECUTE: step 1 of 2: go to",
        "EXECUTE: step 2 of 2: pick up",
        "HOLD TARGET_NOT_FOUND: there is no red cup at 0.1 m",
        "EXECUTE: step 2 of 2: pick up",
        "DONE",
    ]


def test_a_long_instruction_does_not_fill_the_log(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.activate()
    world.say("x" * 10_000)
    world.chunk(Outcome.HOLD, Reason.INSTRUCTION_INVALID)
    assert max(len(line) for line in infos(capfd) if line.startswith("instruction")) < 300
