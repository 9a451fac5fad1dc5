import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from policy_world import (
    CUP,
    PLATE,
    SECOND,
    START,
    Nudge,
    WordClip,
    World,
    gripper,
    is_stop,
    observation,
    odometry,
    policy,
    poses,
    settings,
    thing,
)
from tiny_clipseg import CALIBRATION as TINY_CALIBRATION
from tiny_clipseg import save_tiny_checkpoint, save_tiny_clip

from vlam_ros.actions import chunk_to_dict
from vlam_ros.configuration import Settings
from vlam_ros.pipeline import Pipeline
from vlam_ros.types import (
    Decision,
    InstructionRequest,
    Missing,
    Observation,
    Obstacles,
    Outcome,
    Progress,
    Reason,
    SceneObject,
)

PUT = "put the red cup on the blue plate"
GO = "go to the red cup"


# ---------------------------------------------------------------------------------- refusals

WALL = Obstacles(START, np.array([[0.8, 0.0, 0.3], [0.8, 0.1, 0.3]], np.float32))

REFUSALS: list[tuple[Reason, str, Callable[[], Decision]]] = [
    (Reason.NO_INSTRUCTION, "say what to do", lambda: World().ask(None)),
    (Reason.INSTRUCTION_INVALID, "an example", lambda: World().ask("")),
    (Reason.INSTRUCTION_INVALID, "at most 500 characters", lambda: World().ask("go " * 4000)),
    (Reason.INSTRUCTION_INVALID, "needs a destination", lambda: World().ask("put the red cup")),
    (Reason.UNKNOWN_SKILL, "'juggle the object'", lambda: World().ask("juggle the red cup")),
    (Reason.TARGET_NOT_FOUND, "'green ball'", lambda: World().ask("pick up the green ball")),
    (Reason.TARGET_NOT_FOUND, "does not know 'giraffe'", lambda: World().ask(
        "pick up the red giraffe")),
    (Reason.TARGET_NOT_FOUND, "does not know 'sofa'", lambda: World().ask(
        "pick up the red cup behind the sofa")),
    (Reason.TARGET_AMBIGUOUS, "2 candidates for 'red cup'", lambda: World(
        [CUP, thing("red cup", 1.0)]).ask(GO)),
    (Reason.DESTINATION_NOT_FOUND, "'green plate'", lambda: World().ask(
        "put the red cup on the green plate")),
    (Reason.DESTINATION_NOT_FOUND, "does not know 'sofa'", lambda: World().ask(
        "put the red cup on the sofa")),
    (Reason.NO_POSITION, "check camera_info", lambda: World().ask(
        GO, camera=Missing("no camera_info"))),
    (Reason.NO_POSITION, "uncertain by 0.40 m", lambda: World(
        [thing("red cup", 2.0, spread=0.4)]).ask(GO)),
    (Reason.NO_POSITION, "I see 'blue plate', but not where", lambda: World(
        [CUP, thing("blue plate")]).ask(PUT)),
    (Reason.UNREACHABLE, "commands reach from -3 to 3", lambda: World([thing("red cup", 4.0)]).ask(
        "pick up the red cup")),
    (Reason.PATH_BLOCKED, "(0.80, 0.00)", lambda: World([thing("red cup", 2.0)]).ask(
        GO, obstacles=WALL)),
    (Reason.PRECONDITION, "must be empty", lambda: World().ask(PUT, gripper=gripper(True))),
    (Reason.LOW_CONFIDENCE, "no calibration.json", lambda: World(clip=WordClip(None)).ask(GO)),
    (Reason.STALE_SENSOR, "the image is 1.5 s old", lambda: World().ask(GO, age=1.5)),
    (Reason.STALE_SENSOR, "1.5 s ahead of the clock", lambda: World().ask(GO, age=-1.5)),
    (Reason.INTERNAL_ERROR, "RuntimeError: a fault", lambda: faulty().ask(GO)),
    (Reason.UNFAMILIAR, "1.5 times as far from them", lambda: unfamiliar().ask(GO)),
    (Reason.UNFAMILIAR, "1.5 times as far", lambda: unfamiliar().ask("is there a red cup?")),
    (Reason.UNFAMILIAR, "what may be 'red cup' is unlike", lambda: World(
        [replace(CUP, confirmed=False, second_look=True, unfamiliarity=1.5)]).ask(GO)),
    (Reason.PLAN_MISMATCH, "does not lead to 'red cup'", lambda: misled().ask(GO)),
    (Reason.ANSWERED, "yes, I see a red cup", lambda: World().ask("is there a red cup?")),
]  # fmt: skip


def faulty() -> World:
    world = World()
    world.perceiver.error = RuntimeError("a fault")
    return world


def misled() -> World:
    nudge = Nudge()
    nudge.space = policy().space
    return World([thing("red cup", 1.0, 2.5)], policy=nudge)


def unfamiliar() -> World:
    world = World()
    world.perceiver.unfamiliarity = 1.5
    return world


@pytest.mark.parametrize(
    ("reason", "message", "decide"), REFUSALS, ids=[f"{r.name}: {m}" for r, m, _ in REFUSALS]
)
def test_what_must_not_be_done_is_a_stop_with_its_reason(
    reason: Reason, message: str, decide: Callable[[], Decision]
) -> None:
    decision = decide()
    assert (decision.verdict.outcome, decision.verdict.reason) == (Outcome.HOLD, reason)
    assert message in decision.verdict.message
    assert is_stop(decision)
    assert decision.chunk.verdict is decision.verdict


def test_every_reason_is_tested_above() -> None:
    assert {reason for reason, _, _ in REFUSALS} == set(Reason) - {Reason.NONE}


def test_a_refusal_shows_what_was_seen_and_planned() -> None:
    decision = World([CUP]).ask(PUT)
    assert decision.scene.objects == (CUP,)
    assert decision.chunk.trace == (
        "go to red cup -> pick up red cup -> go to blue plate -> place on blue plate"
    )


@pytest.mark.parametrize(
    "doubtful",
    [replace(CUP, score=0.59), replace(CUP, second_look=False, margin=0.09)],
    ids=["second look", "mask alone"],
)
def test_what_is_not_confirmed_is_not_found(doubtful: SceneObject) -> None:
    assert World([doubtful]).ask(GO).verdict.reason is Reason.TARGET_NOT_FOUND


def test_a_fault_is_logged_with_its_traceback_and_the_next_image_works(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = faulty()
    with caplog.at_level(logging.ERROR):
        world.ask(PUT)
    assert "RuntimeError: a fault" in caplog.text
    assert "policy_world.py" in caplog.text
    world.perceiver.error = None
    assert world.ask(PUT, 0.1).verdict.outcome is Outcome.EXECUTE


# ---------------------------------------------------------------------------------- execution


def test_going_to_an_object_ends_before_it_and_is_encoded_with_its_timing() -> None:
    decision = World([thing("red cup", 1.08, 0.81, score=0.8)]).ask(GO)
    chunk = decision.chunk
    assert decision.verdict.outcome is Outcome.EXECUTE
    assert decision.verdict.message == "the path is not checked: no LiDAR"
    assert decision.verdict.confidence == pytest.approx(0.8)
    assert (chunk.stamp, chunk.start_offset, chunk.step) == (START, SECOND // 5, SECOND // 4)
    assert (chunk.frame_id, chunk.skill) == ("base_link", "go_to")
    assert chunk.trace == decision.plan.trace == "go to red cup (1.08, 0.81) [0.80]"
    assert chunk.request == InstructionRequest(GO, START, 1)
    last = poses(decision)[-1]
    standoff = settings().policy.standoff
    assert np.hypot(1.08 - last[1], 0.81 - last[2]) == pytest.approx(standoff, abs=0.02)
    assert np.isnan(last[3])


def test_the_confidence_is_that_of_the_weakest_part() -> None:
    assert World().ask(PUT).verdict.confidence == pytest.approx(0.93)
    assert World([thing("red cup", 2.0, score=0.7)]).ask(GO).verdict.confidence == 0.7


def test_masks_and_second_look_are_asked_for_all_nouns() -> None:
    """For references too: a relation to a wrong thing picks a wrong target."""
    world = World()
    world.ask("put the red cup left of the green box on the blue plate")
    nouns = ["red cup", "green box", "blue plate"]
    assert world.perceiver.asked == [(nouns, nouns)]


# ---------------------------------------------------------------------------------- stop


@pytest.mark.parametrize(
    "clip", [WordClip(), WordClip(None)], ids=["calibrated", "without calibration"]
)
def test_stop_needs_neither_camera_nor_fresh_image_nor_model(clip: WordClip) -> None:
    world = World(clip=clip)
    world.perceiver.error = RuntimeError("no eyes")
    decision = world.ask("stop", age=50.0, camera=Missing("no camera_info"))
    assert (decision.verdict.outcome, decision.verdict.confidence) == (Outcome.DONE, 1.0)
    assert decision.chunk.trace == "stop"
    assert is_stop(decision)
    assert world.perceiver.asked == []


def test_a_stop_in_other_words_is_understood_before_anything_is_looked_at() -> None:
    world = World()
    assert world.ask("do not move here").verdict.outcome is Outcome.DONE
    assert world.perceiver.asked == []


class Reluctant(WordClip):
    """To whom a phrase sounds most like going to something, and a little less like stopping."""

    def text_similarity(self, text: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        near = {"go to the object": 0.95, "stop": 0.9}
        return np.array([near.get(other, 0.0) for other in texts], np.float32)


def test_a_stop_that_is_chosen_because_nothing_likelier_fits_is_done_at_once() -> None:
    """Going needs a target, and none is named; see `UNFIT` in `policies.choose`."""
    world = World(clip=Reluctant())
    for seconds in (0.0, 0.5):
        decision = world.ask("move along", seconds)
        assert world.pipeline.task is not None
        assert world.pipeline.task.skill == "stop"
        assert (decision.verdict.outcome, decision.chunk.trace) == (Outcome.DONE, "stop")
        assert is_stop(decision)
    assert world.pipeline.progress == Progress()


# ---------------------------------------------------------------------------------- state


def test_a_new_instruction_cancels_the_old_plan_at_once() -> None:
    world = World()
    world.ask(PUT, 0.0)
    assert world.pipeline.progress.since == START
    turned = world.ask("turn to the red cup", 0.5, sequence=2)
    assert turned.chunk.skill == "turn_to"
    assert world.pipeline.progress.since == turned.chunk.stamp
    assert turned.chunk.request == InstructionRequest("turn to the red cup", START, 2)
    assert world.ask("stop", 0.6, sequence=3).verdict.outcome is Outcome.DONE
    assert world.pipeline.progress.since == 0


def test_the_same_words_again_are_a_new_instruction() -> None:
    world = World([thing("red cup", 0.4)])
    assert world.ask(GO, 0.0).verdict.outcome is Outcome.DONE
    world.perceiver.objects = [thing("red cup", 2.0)]
    assert world.ask(GO, 0.1).verdict.outcome is Outcome.DONE
    assert world.ask(GO, 0.2, sequence=2).verdict.outcome is Outcome.EXECUTE


class Undecided(WordClip):
    """To whom an image looks like objects (1) or like empty floor (-1)."""

    objects = 1.0

    def similarity(self, features: object, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        found = [-self.objects if text == "empty floor" else self.objects for text in texts]
        return np.array(found, np.float32)


LOOK = "look the red cup"
"""In words alone as near to facing it as to looking for it."""


def test_the_image_decides_between_skills_of_equal_words() -> None:
    chosen = {}
    for objects in (1.0, -1.0):
        world = World([thing("red cup", 1.0, 0.8)], clip=Undecided())
        world.clip.objects = objects  # type: ignore[attr-defined]
        world.ask(LOOK)
        assert world.pipeline.task is not None
        chosen[objects] = world.pipeline.task.skill
    assert chosen[-1.0] == "search"
    assert chosen[1.0] == "turn_to"


def test_the_skill_is_chosen_once_at_the_first_image_that_is_seen() -> None:
    clip = Undecided()
    world = World([thing("red cup", 1.0, 0.8, score=0.99)], clip=clip)
    first = world.ask(LOOK, 0.0)
    task = world.pipeline.task
    assert task is not None
    assert (first.verdict.outcome, first.chunk.skill) == (Outcome.EXECUTE, task.skill)
    compared = len(clip.compared)
    # From now on every image affords a search far more than anything else.
    clip.objects = -1.0
    later = world.ask(LOOK, 0.5)
    assert later.chunk.skill == task.skill != "search"
    assert world.pipeline.task is task
    assert later.verdict.confidence == first.verdict.confidence == pytest.approx(task.confidence)
    # What means stop is looked for in the words of each request, the skill no more.
    assert len(clip.compared) == compared + 1


def test_what_says_how_far_is_compared_with_no_sentence() -> None:
    world = World()
    assert world.ask("turn left 90 degrees", odometry=odometry()).chunk.skill == "turn"
    assert world.clip.compared == []


def test_an_equal_request_keeps_the_skill_and_a_new_one_chooses_again() -> None:
    clip = Undecided()
    world = World([thing("red cup", 1.0, 0.8)], clip=clip)
    world.ask(LOOK, 0.0)
    task = world.pipeline.task
    clip.objects = -1.0
    world.ask(LOOK, 0.5, sequence=1)
    assert world.pipeline.task is task
    again = world.ask(LOOK, 1.0, sequence=2)
    assert world.pipeline.task is not task
    assert (again.chunk.skill, again.plan.steps[0].skill) == ("search", "search")
    world.ask(None, 1.5)
    assert world.pipeline.task is None
    clip.objects = 1.0
    assert world.ask(LOOK, 2.0, sequence=2).chunk.skill != "search"


def test_the_skill_stays_though_its_first_image_moves_nothing() -> None:
    clip = Undecided()
    world = World([], clip=clip)
    assert world.ask(LOOK, 0.0).verdict.reason is Reason.TARGET_NOT_FOUND
    task = world.pipeline.task
    assert task is not None
    clip.objects = -1.0
    world.perceiver.objects = [thing("red cup", 1.0, 0.8)]
    assert world.ask(LOOK, 0.5).chunk.skill == task.skill


def test_what_is_done_keeps_its_skill() -> None:
    clip = Undecided()
    world = World([thing("red cup", 0.4)], clip=clip)
    assert world.ask(LOOK, 0.0).verdict.outcome is Outcome.DONE
    clip.objects = -1.0
    world.perceiver.objects = []
    assert world.ask(LOOK, 0.5).verdict.outcome is Outcome.DONE


def test_without_an_image_no_skill_is_chosen_yet() -> None:
    clip = Undecided()
    world = World([thing("red cup", 1.0, 0.8)], clip=clip)
    world.perceiver.error = RuntimeError("a fault")
    world.ask(LOOK, 0.0)
    assert world.pipeline.task is None
    world.perceiver.error, clip.objects = None, -1.0
    assert world.ask(LOOK, 0.5).chunk.skill == "search"


def test_no_instruction_and_reset_forget_the_plan() -> None:
    world = World()
    world.ask(PUT, 0.0)
    world.ask(None, 0.1)
    assert world.pipeline.progress == Progress()
    world.ask(PUT, 0.2)
    world.pipeline.reset()
    assert world.pipeline.progress == Progress()


def test_the_same_arguments_give_the_same_decisions() -> None:
    def run() -> list[str]:
        world = World()
        answers = []
        for frame in range(14):
            world.perceiver.objects = [CUP, PLATE] if frame % 5 else [PLATE]
            text = None if frame == 9 else PUT
            answers.append(world.ask(text, frame, gripper=gripper(frame > 4), sequence=frame // 9))
        return [json.dumps(chunk_to_dict(answer.chunk)) for answer in answers]

    first = run()
    assert run() == first
    assert len(set(first)) == 14


# ---------------------------------------------------------------------------------- models


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))
    # An open vocabulary and thresholds that an untrained model passes.
    replace(
        TINY_CALIBRATION,
        vocabulary=None,
        skill_threshold=-1.0,
        skill_temperature=1e4,
        crop_threshold=0.0,
        margin=0.0,
    ).save(folder)
    return folder


def noise() -> Observation:
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    return replace(observation(), image=image)


def test_real_models_are_loaded_warmed_up_and_asked(untrained: Path, tmp_path: Path) -> None:
    loaded = Settings.load(model__name_or_path=str(untrained), model__device="cpu")
    pipeline = Pipeline.from_settings(loaded)
    pipeline.warm_up()
    request = InstructionRequest("pick up the red cup", START, 1)
    first, second = (
        pipeline.step(noise(), request),
        Pipeline.from_settings(loaded).step(noise(), request),
    )
    assert first.verdict.reason not in (Reason.INTERNAL_ERROR, Reason.UNKNOWN_SKILL)
    assert dict(first.scene.seconds).keys() >= {"vision", "objects"}
    assert chunk_to_dict(first.chunk) == chunk_to_dict(second.chunk)

    clip = save_tiny_clip(tmp_path)
    TINY_CALIBRATION.save(clip)
    separate = Settings.load(
        model__name_or_path=str(untrained), model__device="cpu", model__clip=str(clip)
    )
    other = Pipeline.from_settings(separate)
    assert other.grounder.calibration is not None
    assert other.grounder.calibration.skill_threshold == TINY_CALIBRATION.skill_threshold
    assert other.step(noise(), request).verdict.reason is not Reason.INTERNAL_ERROR
