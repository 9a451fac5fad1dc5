"""What a policy proposes that was taught, and does not do what it was told to."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from policy_world import World, gripper, odometry, policy, skills, thing

from vlam_ros.types import (
    ActionDimension,
    ActionSpace,
    Decision,
    Observation,
    Outcome,
    Placement,
    Plan,
    Progress,
    Proposal,
    Reason,
    Scene,
    SceneObject,
    SkillStep,
    Task,
)

NOT = math.nan
ACTS = [NOT] * 4
"""The row in which the gripper acts."""
CUP, ASIDE = thing("red cup", 2.0), thing("red cup", 2.0, 1.0)
NEAR, BESIDE = thing("red cup", 0.5), thing("red cup", 0.5, 0.2)
PLATE = thing("blue plate", 0.5, -0.3, size=0.2)
GO = "go to the red cup"
LEFT = "go to the leftmost red cup"


@dataclass
class Taught:
    """A policy that proposes rows of one skill, with the plan it is told or none."""

    skill: str
    poses: Sequence[Sequence[float]]
    steps: Callable[[Scene], Sequence[SkillStep]] | None = None
    space: ActionSpace = policy().space
    name = "taught"

    def reset(self) -> None:
        """It remembers nothing."""

    def infer(
        self, observation: Observation, task: Task, scene: Scene, progress: Progress
    ) -> Proposal:
        plan = Plan(tuple(self.steps(scene)) if self.steps else ())
        rows = np.array([[skills()[self.skill].id, *pose] for pose in self.poses], float)
        return Proposal(plan, Progress(plan, scene.stamp), rows, 0.9)


def to(*places: tuple[float, float]) -> list[list[float]]:
    """The base goes through places x, y."""
    return [[x, y, NOT, NOT] for x, y in places]


def grasp(x: float, y: float, low: float = 0.03) -> list[list[float]]:
    """The tool goes down on a place, the gripper acts, and up again."""
    return [[x, y, 0.2, 0.0], [x, y, low, 0.0], ACTS, [x, y, 0.2, 0.0]]


def step(skill: str, at: int = 0, **others: object) -> Callable[[Scene], Sequence[SkillStep]]:
    """A plan of one step, on the object that is seen in this place of the scene."""

    def steps(scene: Scene) -> Sequence[SkillStep]:
        kind = skills()[skill]
        planned = SkillStep(
            skill, scene.objects[at], pose_of=kind.POSE_OF, gripper=kind.GRIPPER, nouns=kind.NOUNS
        )
        if skill == "place":
            planned = replace(planned, target=None, destination=scene.objects[at])
        return [replace(planned, **others)]

    return steps


def decide(
    text: str, objects: Sequence[SceneObject], taught: Taught, **sensors: object
) -> Decision:
    return World(list(objects), policy=taught).ask(text, **sensors)


PICK, PUT, NEXT = "pick up the red cup", "put it on the blue plate", "put it next to the blue plate"

MISMATCHES = {
    "another skill": (GO, [CUP], Taught("go_to", to((1, 0)), step("turn_to")), "plans to turn to"),
    "another row": (GO, [CUP], Taught("pick_up", grasp(0.5, 0), step("go_to")), "no way to go to"),
    "another event": (PICK, [NEAR], Taught("place", grasp(0.5, 0), step("pick_up")), "no way to"),
    "another skill first": (
        PICK, [NEAR], Taught("push", grasp(0.5, 0), lambda scene: [
            *step("push")(scene), *step("pick_up")(scene)]), "plans to push"),
    "nothing": (GO, [CUP], Taught("go_to", to((1, 0)), step("go_to", target=None,
        nouns=(None, None))), "plans to go to nothing that"),
    "who knows where": (PICK, [NEAR], Taught("pick_up", [ACTS], step("pick_up")), "no row says"),
    "another phrase": (
        "go to the red cup closest to the blue plate", [NEAR, PLATE],
        Taught("go_to", to((0, 0)), step("go_to", 1)), "the policy acts on 'blue plate'"),
    "a noun nobody said": (
        GO, [CUP], Taught("go_to", to((1, 0)), step("go_to", destination=CUP)),
        "acts on 'red cup', the instruction does not"),
    "another cup": (
        LEFT, [CUP, ASIDE], Taught("go_to", to((1, 0)), step("go_to")), "the one at (2.00, 1"),
    "to another cup": (LEFT, [CUP, ASIDE], Taught("go_to", to((1, 0)), step("go_to", 1)),
        "leads to 'red cup' at (2.00, 0.00), not to 'red cup' at (2.00, 1.00)"),
    "away": (GO, [CUP], Taught("go_to", to((-0.2, 0)), step("go_to")), "does not lead to 'red"),
    "aside": (GO, [CUP], Taught("go_to", to((0.2, 0.5)), step("go_to")), "does not lead to 'red"),
    "into it": (GO, [CUP], Taught("go_to", to((1, 0), (2, 0)), step("go_to")), "does not lead"),
    "turned away": (
        "turn to the red cup", [ASIDE], Taught("turn_to", [[NOT, NOT, NOT, -0.4]], step("turn_to")),
        "does not lead to"),
    "beside it": (PICK, [NEAR], Taught("pick_up", grasp(0.5, 0.2), step("pick_up")), "acts 0.15 m"),
    "on another": (
        "pick up the rightmost red cup", [NEAR, BESIDE],
        Taught("pick_up", grasp(0.5, 0.2)[:2], step("pick_up")), "comes down on 'red cup'"),
    "let go elsewhere": (PUT, [PLATE], Taught("place", grasp(0.5, 0.1), step("place",
        placement=Placement.ON)), "acts 0.30 m from 'blue plate'"),
    "let go far away": (NEXT, [PLATE], Taught("place", grasp(0.5, 0.2), step("place",
        placement=Placement.NEXT_TO)), "acts 0.40 m from 'blue plate'"),
    "pushed another": (
        "push the rightmost red cup", [NEAR, BESIDE],
        Taught("push", [[0.4, 0.2, 0.02, 0.0], [0.55, 0.2, 0.02, 0.0]], step("push")), "comes"),
    "too far": ("move forward 0.5 m", [], Taught("move", to((0.6, 0.0))), "lead forward 0.50 m"),
    "backward": ("move forward 0.5 m", [], Taught("move", to((-0.3, 0.0))), "lead forward 0.50 m"),
    "the other way": (
        "turn left 90 degrees", [], Taught("turn", [[NOT, NOT, NOT, -0.5]]), "lead left 90 deg"),
    "without a plan": (LEFT, [CUP, ASIDE], Taught("go_to", to((1, 0))), "not to 'red cup'"),
    "no pose": (
        GO, [CUP], Taught("go_to", to((1, 0)), space=ActionSpace(
            policy().space.commands,
            tuple(ActionDimension(f"joint_{i}", "rad", -3, 3) for i in range(4)))),
        "where rows of joint_0, joint_1, joint_2, joint_3 lead"),
}  # fmt: skip
"""Instruction, what is seen, what is proposed, and what is said about it."""


@pytest.mark.parametrize(
    ("text", "objects", "taught", "message"), MISMATCHES.values(), ids=MISMATCHES
)
def test_what_was_not_asked_for_is_not_done(
    text: str, objects: list[SceneObject], taught: Taught, message: str
) -> None:
    holding = gripper(taught.skill == "place" and taught.steps is not None and "it" in text.split())
    decision = decide(text, objects, taught, gripper=holding, odometry=odometry())
    assert decision.verdict.reason is Reason.PLAN_MISMATCH, decision.verdict
    assert message in decision.verdict.message
    assert decision.chunk.tokens[:, 0].tolist() == [0]


MATCHES = {
    "straight": (GO, [CUP], Taught("go_to", to((0.6, 0), (1.2, 0)), step("go_to"))),
    "around something": (GO, [CUP], Taught("go_to", to((0.3, 0.4)), step("go_to"))),
    "there": (GO, [thing("red cup", 0.6)], Taught("go_to", to((0.0, 0.0)), step("go_to"))),
    "by one bin": (GO, [thing("red cup", 0.6)], Taught("go_to", to((0.02, 0.02)), step("go_to"))),
    "past another": (
        "go to the farthest red cup", [thing("red cup", 1.0, 0.1), CUP],
        Taught("go_to", to((0.7, 0)), step("go_to", 1))),
    "turned": ("turn to the red cup", [ASIDE],
        Taught("turn_to", [[NOT, NOT, NOT, 0.4]], step("turn_to"))),
    "on it": (PICK, [NEAR], Taught("pick_up", grasp(0.53, 0.03), step("pick_up"))),
    "over another": (
        "pick up the rightmost red cup", [NEAR, BESIDE],
        Taught("pick_up", [[0.5, 0.2, 0.3, 0.0], [0.5, 0.0, 0.3, 0.0]], step("pick_up"))),
    "let go on it": (PUT, [PLATE], Taught("place", grasp(0.45, -0.25), step("place",
        placement=Placement.ON))),
    "let go beside": (NEXT, [PLATE], Taught("place", grasp(0.5, -0.05), step("place",
        placement=Placement.NEXT_TO))),
    "as far": ("move forward 0.5 m", [], Taught("move", to((0.2, 0.0), (0.5, 0.0)))),
    "as wide": ("turn left 90 degrees", [], Taught("turn", [[NOT, NOT, NOT, 1.5]])),
    "without a plan": (LEFT, [CUP, ASIDE], Taught("go_to", to((0.9, 0.45)))),
    "an arm without a plan": (PICK, [NEAR], Taught("pick_up", grasp(0.5, 0.0))),
}  # fmt: skip


@pytest.mark.parametrize(("text", "objects", "taught"), MATCHES.values(), ids=MATCHES)
def test_what_was_asked_for_is_done(text: str, objects: list[SceneObject], taught: Taught) -> None:
    holding = gripper(taught.skill == "place")
    decision = decide(text, objects, taught, gripper=holding, odometry=odometry())
    assert decision.verdict.outcome is Outcome.EXECUTE, decision.verdict
    assert decision.chunk.skill == taught.skill


def test_without_a_plan_what_is_meant_must_be_there_and_one_thing_only() -> None:
    ahead = Taught("go_to", to((1, 0)))
    assert decide(GO, [], ahead).verdict.reason is Reason.TARGET_NOT_FOUND
    assert decide(GO, [CUP, ASIDE], ahead).verdict.reason is Reason.TARGET_AMBIGUOUS
    unsure = replace(CUP, confirmed=False, score=0.05)
    assert decide(GO, [unsure], ahead).verdict.reason is Reason.TARGET_NOT_FOUND
    spread = thing("red cup", 2.0, spread=0.4)
    assert decide(GO, [spread], ahead).verdict.reason is Reason.NO_POSITION


def test_without_a_plan_what_is_carried_goes_to_the_destination() -> None:
    text, both = "put the red cup on the blue plate", [NEAR, thing("blue plate", 0.5, 0.5)]
    down = Taught("place", grasp(0.5, 0.5))
    assert decide(text, both, down, gripper=gripper(True)).verdict.outcome is Outcome.EXECUTE
    wrong = Taught("place", grasp(0.5, 0.0))
    verdict = decide(text, both, wrong, gripper=gripper(True)).verdict
    assert verdict.reason is Reason.PLAN_MISMATCH
    assert "m from 'blue plate'" in verdict.message


def test_what_the_arm_carries_or_hides_is_no_other_object() -> None:
    ghost = thing("blue plate", 0.5, 0.0, score=0.9)
    plate = thing("blue plate", 0.5, 0.3, size=0.2)
    text = "put it next to the leftmost blue plate"
    down = Taught("place", grasp(0.5, 0.1), step("place", 1, placement=Placement.NEXT_TO))
    carrying = decide(text, [ghost, plate], down, gripper=gripper(True), odometry=odometry())
    assert carrying.verdict.outcome is Outcome.EXECUTE, carrying.verdict
    # And while the arm is under way.
    push = Taught("push", [[0.4, 0.2, 0.02, 0.0], [0.55, 0.2, 0.02, 0.0]], step("push"))
    world = World([BESIDE], policy=push)
    assert world.ask("push the leftmost red cup", odometry=odometry()).chunk.policy == "taught"
    world.perceiver.objects = [thing("red cup", 0.5, -0.2), BESIDE]
    push.steps = lambda scene: step("push")(Scene(0, (BESIDE,)))
    push.poses = [[0.45, -0.2, 0.02, 0.0]]
    later = world.ask("push the leftmost red cup", 0.5, odometry=odometry(seconds=0.5))
    assert later.verdict.outcome is Outcome.EXECUTE, later.verdict


def test_a_plan_may_act_where_the_arm_hides_the_object_but_not_elsewhere() -> None:
    taught = Taught("pick_up", grasp(0.5, 0.0), step("pick_up"))
    world = World([NEAR], policy=taught)
    assert world.ask(PICK).verdict.outcome is Outcome.EXECUTE
    taught.steps = lambda scene: step("pick_up")(Scene(0, (NEAR,)))
    world.perceiver.objects = []
    assert world.ask(PICK, 0.5).verdict.outcome is Outcome.EXECUTE
    taught.steps = lambda scene: step("pick_up")(Scene(0, (BESIDE,)))
    verdict = world.ask(PICK, 1.0).verdict
    assert verdict.reason is Reason.PLAN_MISMATCH, verdict
