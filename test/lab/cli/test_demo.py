"""`vlam demo`: its scene and its judgement, the node's process, and the whole without a model."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from policy_world import CALIBRATION, ToldPerceiver, WordClip, gripper, pipeline, settings
from told_decisions import DONE, decision

from vlam_ros.actions import chunk_from_dict
from vlam_ros.cli.main import main
from vlam_ros.lab.demo import (
    CASES,
    INSTRUCTION,
    TOLERANCE,
    DemoCase,
    Timeline,
    errors,
    judge,
    pick_and_place,
)
from vlam_ros.lab.evaluation.episode_recorder import EpisodeRecord
from vlam_ros.lab.live.client import NodeDecision
from vlam_ros.lab.live.mission import DecisionEvent
from vlam_ros.lab.simulation.rooms import DEMO_SCENE
from vlam_ros.lab.simulation.scene import COLOURS, HELD_OUT_PAIRS, SHAPES
from vlam_ros.lab.simulation.world import World
from vlam_ros.types import (
    InstructionRequest,
    JointState,
    Observation,
    Obstacles,
    PositionSource,
    Reason,
    SceneObject,
)

PATIENCE = 240.0
STANDOFF = settings().policy.standoff


def test_the_scene_holds_trained_pairs_far_enough_apart_to_be_told_from_each_other() -> None:
    pairs = [(o.colour, o.shape) for o in DEMO_SCENE.objects]
    assert len(set(pairs)) == len(pairs) == 5
    assert not HELD_OUT_PAIRS & set(pairs)
    for one, other in itertools.combinations(DEMO_SCENE.objects, 2):
        assert math.dist(one.position[:2], other.position[:2]) > 2 * TOLERANCE


def test_the_camera_is_that_of_the_nodes_defaults() -> None:
    mount = settings().camera
    assert (DEMO_SCENE.camera.x, DEMO_SCENE.camera.height, DEMO_SCENE.camera.tilt) == (
        mount.x,
        mount.height,
        mount.tilt,
    )


# ------------------------------------------------------------------- judgement


@dataclass
class Sight:
    """Sees the scene as the simulator does, at the resolution of the embedded model's masks."""

    observation: Observation
    objects: list[SceneObject]

    def answer(self, instruction: str, objects: list[SceneObject] | None = None) -> NodeDecision:
        words = {*COLOURS, *SHAPES}
        clip = WordClip(replace(CALIBRATION, vocabulary=tuple(sorted(words))))
        fakes: Any = clip, ToldPerceiver(self.objects if objects is None else objects)
        decision = pipeline(*fakes).step(self.observation, InstructionRequest(instruction))
        return NodeDecision(decision.chunk, decision.scene, decision.plan, self.observation.image)


@pytest.fixture(scope="module")
def sight() -> Sight:
    with World() as world:
        world.load(DEMO_SCENE)
        rendering, camera = world.render(), world.camera
    objects = []
    for number, thing in enumerate(DEMO_SCENE.objects, start=1):
        whole = (rendering.labels == number).astype(np.float32)
        mask = cv2.resize(whole, (160, 160), interpolation=cv2.INTER_AREA) > 0.5
        rows, columns = np.nonzero(whole)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        for phrase in (thing.phrase, thing.shape):
            objects.append(
                SceneObject(
                    phrase=phrase,
                    box=tuple(map(int, box)),
                    mask=mask,
                    score=0.9,
                    mask_score=0.9,
                    margin=0.5,
                    second_look=True,
                    position=thing.position,
                    spread=0.01,
                    size=0.15,
                    source=PositionSource.DEPTH,
                )
            )
    x, y, z = DEMO_SCENE.objects[0].position
    cup = Obstacles(0, np.array([(x - 0.03, y, z), (x - 0.02, y - 0.02, z)], np.float32))
    body = {"gripper": gripper(False), "joints": JointState(0, ("lift",), (0.9,))}
    return Sight(Observation(0, 0, rendering.image, camera, obstacles=cup, **body), objects)


@pytest.mark.parametrize("task", CASES, ids=lambda t: t.instruction)
def test_who_sees_rightly_answers_rightly(sight: Sight, task: DemoCase) -> None:
    assert judge(task, sight.answer(task.instruction), STANDOFF) == []


def test_there_is_each_kind_of_task() -> None:
    assert CASES[0].name == ""
    assert {t.skill for t in CASES} == {"go_to", "pick_up", "stop"}
    refused = {t.name for t in CASES if t.reason is Reason.TARGET_NOT_FOUND}
    assert refused == {"refused", "unknown"}


@pytest.mark.parametrize("task", [t for t in CASES if t.target], ids=lambda t: t.instruction)
def test_acting_on_any_other_object_is_wrong(sight: Sight, task: DemoCase) -> None:
    others = {o.phrase for o in DEMO_SCENE.objects} - {task.target}
    errors = [
        judge(replace(task, target=other), sight.answer(task.instruction), STANDOFF)
        for other in others
    ]
    assert all(len(c) == 1 and c[0].startswith("acts on (") for c in errors)
    assert len(errors) == 4


def test_a_target_that_is_placed_by_the_floor_is_wrong(sight: Sight) -> None:
    guessed = [replace(o, source=PositionSource.GROUND_PLANE) for o in sight.objects]
    for task in (t for t in CASES if t.target):
        errors = judge(task, sight.answer(task.instruction, guessed), STANDOFF)
        assert errors == [f"does not place the {task.target} by measured depth"]


def test_a_destination_that_is_not_seen_or_elsewhere_is_wrong(sight: Sight) -> None:
    put = next(t for t in CASES if t.destination)
    answer = sight.answer(put.instruction)
    unseen = replace(answer, scene=replace(answer.scene, objects=()))
    assert judge(put, unseen, STANDOFF) == ["does not know where the blue plate is"]
    (plate,) = answer.scene.objects[-1:]
    assert plate.phrase == "blue plate"
    assert plate.position is not None
    x, y, z = plate.position
    away = replace(plate, position=(x, y - 0.3, z))
    elsewhere = replace(answer, scene=replace(answer.scene, objects=(away,)))
    (wrong,) = judge(put, elsewhere, STANDOFF)
    assert wrong.startswith("places the blue plate 0.")


def test_doing_what_must_be_refused_is_wrong_and_so_is_the_reverse(sight: Sight) -> None:
    refused = next(t for t in CASES if t.name == "refused")
    done = sight.answer("pick up the red cup")
    assert judge(refused, done, STANDOFF) == ["expected HOLD TARGET_NOT_FOUND"]
    for task in (t for t in CASES if t.target):
        blind = sight.answer(task.instruction, objects=[])
        assert judge(task, blind, STANDOFF) == [f"expected EXECUTE {task.skill}"]


def test_refusing_for_another_reason_is_wrong(sight: Sight) -> None:
    refused = next(t for t in CASES if t.name == "refused")
    assert judge(refused, sight.answer("juggle the red cup"), STANDOFF)


# ------------------------------------------------------------------- the task

FINE = EpisodeRecord(
    "task-0", 0, "put next to", False, (), False, False, False, True, False, "", "DONE", "NONE", "",
    seconds=20.0, path=1.3, straight=1.2,
)  # fmt: skip


def test_a_task_is_wrong_if_it_is_not_done_or_not_in_truth_or_hits_something() -> None:
    assert errors(FINE) == []
    held = replace(FINE, outcome="HOLD", reason="TARGET_NOT_FOUND", message="I do not see it")
    assert errors(held) == ["ended in HOLD TARGET_NOT_FOUND: I do not see it"]
    beside = replace(FINE, success=False, why="still holds something")
    assert errors(beside) == ["the truth: still holds something"]
    hit = replace(FINE, collisions=("chassis object0 0.31 m/s",))
    assert errors(hit) == ["hit something: chassis object0 0.31 m/s"]


def test_the_task_means_two_objects_that_are_too_far_apart_to_be_done() -> None:
    task = pick_and_place().task
    ball, box = (task.room.scene.objects[i or 0] for i in (task.target, task.destination))
    assert (ball.phrase, box.phrase) == ("orange ball", "yellow box")
    for phrase in (ball.phrase, box.phrase):
        assert phrase in INSTRUCTION
    assert math.dist(ball.position[:2], box.position[:2]) > 0.5


def test_the_timeline_has_a_line_for_each_change() -> None:
    lines: list[str] = []
    timeline = Timeline(lambda text: lines.append(text.plain.rstrip()))
    for seconds, made in enumerate(
        [decision("go_to"), decision("go_to"), decision("pick_up"), decision("stop", DONE)]
    ):
        timeline.add(float(seconds), DecisionEvent(0, made, None, None, None))
    assert lines == [
        " 0.0 s  EXECUTE  step 1 of 2: go to red cup",
        " 2.0 s  EXECUTE  step 2 of 2: pick up red cup",
        " 3.0 s  DONE",
    ]


# ------------------------------------------------------------------- the whole


@dataclass(frozen=True)
class Demo:
    """A run of `vlam demo`: its process, which has ended, and what it left."""

    process: subprocess.Popen[str]
    shown: str
    errors: str
    out: Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    out = tmp_path_factory.mktemp("demo") / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "vlam_ros.cli.main", "demo", "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        shown, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return Demo(process, shown, errors, out)


@pytest.mark.real_time
@pytest.mark.timeout(1.2 * PATIENCE)
def test_the_embedded_model_answers_all_as_it_must(demo: Demo) -> None:
    assert (demo.process.returncode, demo.errors) == (0, ""), demo.shown
    assert f"{len(CASES)} of {len(CASES)} answers are as they must be" in demo.shown
    shown = [line.split() for line in demo.shown.splitlines()]
    steps = [line[4] for line in shown if line[2:4] == ["EXECUTE", "step"]]
    assert sorted(set(steps)) == ["1", "2", "3", "4"]
    assert any("it holds the orange ball" in line for line in demo.shown.splitlines())
    assert "the robot did what it was told" in demo.shown


@pytest.mark.real_time
def test_what_was_asked_answered_and_done_can_be_looked_at(demo: Demo) -> None:
    for task in CASES:
        assert f"“{task.instruction}”" in demo.shown
        folder = demo.out / task.name
        chunk = chunk_from_dict(json.loads((folder / "chunk.json").read_text(encoding="utf-8")))
        assert chunk.request.text == task.instruction
        for name in ("overlay", "depth"):
            image = cv2.imread(str(folder / f"{name}.png"))
            assert image.shape[1] >= 640
            assert image.shape[0] > 480
        assert cv2.imread(str(folder / "top.png")) is not None
    with Image.open(demo.out / "film.gif") as film:
        assert (film.format, film.width) == ("GIF", 480)
        assert film.n_frames > 50
    assert (demo.out / "film.gif").stat().st_size < 4_000_000
    assert cv2.imread(str(demo.out / "film_strip.jpg")).shape[1] == 4 * 480


@pytest.mark.real_time
def test_the_nodes_are_gone_and_have_not_failed(demo: Demo) -> None:
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.process.pid, 0)  # the nodes were of the same process group
    asked = [demo.out / f"{node}.log" for node in ("fusion_node", "vlam_node")]
    driving = ("fusion_node", "vlam_node", "controller_node", "simulator_node")
    for log in [*asked, *(demo.out / "pick_and_place" / f"{node}.log" for node in driving)]:
        assert "Traceback" not in log.read_text(encoding="utf-8")


def test_wrong_answers_are_shown_and_counted(
    sight: Sight,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By a robot that sees nothing, and then does not do what it is told."""

    class Blind:
        camera, image = sight.observation.camera, sight.observation.image
        client = property(lambda self: self)

        def wait_for_node(self, *_: object) -> None:
            """It is there."""

        def ask(self, image: object, camera: object, instruction: str, **_: object) -> NodeDecision:
            answer = sight.answer(instruction, objects=[])
            return replace(answer, overlay=sight.observation.image)

    robot = "vlam_ros.lab.demo.simulated_robot"
    monkeypatch.setattr(robot, lambda *_: nullcontext(Blind()))
    monkeypatch.setattr("vlam_ros.lab.demo.run_pick_and_place", lambda *_: ["it fell"])
    monkeypatch.setattr("vlam_ros.lab.demo.run_learned", lambda *_: [])
    monkeypatch.setattr("vlam_ros.lab.live.node_process.private_domain", lambda _: {})
    assert main(["demo", "--out", str(tmp_path)]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    right = sum(task.reason is Reason.TARGET_NOT_FOUND for task in CASES)
    assert f"{right} of {len(CASES)} answers are as they must be" in shown
    assert "wrong expected EXECUTE pick_up" in shown
    assert "the robot did not do what it was told" in shown
