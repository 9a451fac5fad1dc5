"""A world for policy and pipeline that is told, not seen: objects, a CLIP of word counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from vlam_ros.actions import ActionTokenizer
from vlam_ros.configuration import PerceptionSettings, Settings
from vlam_ros.perception.clipseg import Calibration
from vlam_ros.pipeline import Pipeline, robot_lexicon
from vlam_ros.policies import Policy, Skill, load_skills
from vlam_ros.policies.skills.planner import SkillPlanner
from vlam_ros.types import (
    ActionSpace,
    Camera,
    Decision,
    GripperState,
    InstructionRequest,
    JointState,
    Missing,
    Observation,
    Odometry,
    Plan,
    PositionSource,
    Progress,
    Proposal,
    Scene,
    SceneObject,
    SkillStep,
    Task,
)

SECOND = 1_000_000_000
START = 100 * SECOND

CALIBRATION = Calibration(
    mask_threshold=0.5,
    tolerance=0.0,
    crop_threshold=0.6,
    crop_rejection=0.0,
    margin=0.1,
    crop_size=64,
    crop_temperature=20.0,
    skill_threshold=0.75,
    skill_temperature=20.0,
    vocabulary=tuple("red blue green cup plate box ball".split()),
    made_with="by hand",
)

CAMERA = Camera(
    width=64,
    height=48,
    fx=50.0,
    fy=50.0,
    cx=31.5,
    cy=23.5,
    rotation=np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    position=np.array([0.1, 0.0, 0.6]),
)


@cache
def settings() -> Settings:
    return Settings.load()


@cache
def skills() -> dict[str, Skill]:
    return {skill.name: skill for skill in load_skills("skills.yaml")}


def policy(**changes: Any) -> SkillPlanner:
    """The planner of the shipped skills, with changes of the policy or action settings."""
    names = settings().policy.__dataclass_fields__
    of_policy = {name: value for name, value in changes.items() if name in names}
    of_action = {name: value for name, value in changes.items() if name not in names}
    return SkillPlanner(
        tuple(skills().values()),
        replace(settings().policy, **of_policy),
        replace(settings().action, **of_action),
    )


def thing(
    phrase: str,
    x: float | None = None,
    y: float = 0.0,
    z: float = 0.0,
    *,
    score: float = 0.9,
    size: float = 0.1,
    spread: float = 0.02,
    margin: float = 0.5,
) -> SceneObject:
    """A confirmed object; without x its position is unknown. Its box is where a camera that looks
    ahead would see it, so that boxes overlap only if places do."""
    if x is None:
        position, column, row = None, 0, 0
    else:
        position = (x, y, z)
        column, row = round(1000 * (3 - y)), round(1000 * (5 - x))
    return SceneObject(
        phrase=phrase,
        box=(column, row, column + 50, row + 50),
        mask=np.ones((1, 1), np.bool_),
        score=score,
        mask_score=score,
        margin=margin,
        second_look=True,
        position=position,
        spread=spread if position else math.nan,
        size=size if position else math.nan,
        source=PositionSource.GROUND_PLANE if position else PositionSource.NONE,
    )


def observation(seconds: float = 0.0, age: float = 0.1, **sensors: Any) -> Observation:
    """A black image taken `seconds` after START and decided on `age` seconds later, of a robot with
    an arm and an empty gripper.
    """
    stamp = START + round(seconds * SECOND)
    sensors = {"gripper": gripper(False), "joints": JointState(stamp, ("lift",), (0.9,)), **sensors}
    image = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    sensors.setdefault("camera", CAMERA)
    return Observation(stamp=stamp, now=stamp + round(age * SECOND), image=image, **sensors)


def gripper(holding: bool) -> GripperState:
    return GripperState(START, holding)


def odometry(
    x: float = 0.0,
    y: float = 0.0,
    yaw: float = 0.0,
    speed: float = 0.0,
    yaw_rate: float = 0.0,
    seconds: float = 0.0,
) -> Odometry:
    """Where the base is `seconds` after START; it stands, unless a speed is given."""
    return Odometry(START + round(seconds * SECOND), x, y, yaw, speed, yaw_rate)


def seen_from(base: Odometry, placed: SceneObject) -> SceneObject:
    """An object whose position is in the odometry frame, as the robot at `base` sees it."""
    assert placed.position is not None
    dx, dy = placed.position[0] - base.x, placed.position[1] - base.y
    c, s = math.cos(base.yaw), math.sin(base.yaw)
    x, y = c * dx + s * dy, c * dy - s * dx
    return thing(placed.phrase, x, y, placed.position[2], score=placed.score, size=placed.size)


class WordClip:
    """A CLIP whose text embedding is the count of words; to images all texts are the same."""

    notes: tuple[str, ...] = ()
    name = "words"

    def __init__(self, calibration: Calibration | None = CALIBRATION) -> None:
        self.calibration = calibration
        self.compared: list[str] = []

    def text_similarity(self, text: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.compared.append(text)
        return np.array([_cosine(text, other) for other in texts], np.float32)

    def similarity(self, features: object, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.zeros(len(texts), np.float32)

    def second_look(
        self, crops: Sequence[object], texts: Sequence[str], phrases: Sequence[str]
    ) -> npt.NDArray[np.float32]:
        return np.zeros((len(crops), len(texts)), np.float32)


@dataclass
class ToldPerceiver:
    """Sees what it is told to, where there is a camera; notes what it is asked."""

    objects: list[SceneObject] = field(default_factory=list)
    asked: list[tuple[list[str], list[str]]] = field(default_factory=list)
    error: Exception | None = None
    unfamiliarity: float = 0.0
    settings: PerceptionSettings = field(default_factory=lambda: settings().perception)

    def perceive(
        self,
        observation: Observation,
        phrases: Sequence[str],
        looked: Sequence[str] = (),
        crops: int | None = None,
    ) -> tuple[Scene, object]:
        self.asked.append((list(phrases), list(looked)))
        if self.error is not None:
            raise self.error
        found = [o for o in self.objects if o.phrase in phrases]
        if isinstance(observation.camera, Missing):
            found = [replace(o, position=None, spread=math.nan, size=math.nan) for o in found]
        scene = Scene(observation.stamp, tuple(found), unfamiliarity=self.unfamiliarity)
        return scene, SimpleNamespace()


class Nudge:
    """A policy of somebody else: the base goes ahead, whatever is seen."""

    name = "nudge"
    space = ActionSpace.of(("stop", "nudge"), (-2, -2, -1, -3), (2, 2, 1, 3), bins=401)
    resets, ahead = 0, 0.5

    def reset(self) -> None:
        self.resets += 1

    def infer(
        self, observation: Observation, task: Task, scene: Scene, progress: Progress
    ) -> Proposal:
        plan = Plan((SkillStep(task.skill, scene.objects[0]),), trace=f"nudge for {task.skill}")
        rows = np.array([[1, self.ahead, 0, np.nan, 0]])
        return Proposal(plan, Progress(plan, progress.since or scene.stamp), rows, task.confidence)


def pipeline(
    clip: Any, perceiver: Any, of: Policy | None = None, verify: str = "enforce"
) -> Pipeline:
    """A pipeline with the shipped skills and settings; of the planner, unless of another policy."""
    shipped = settings()
    listed = tuple(skills().values())
    lexicon = robot_lexicon(clip.calibration, shipped.perception, listed)
    return Pipeline(
        clip,
        perceiver,
        listed,
        of or policy(),
        replace(shipped.policy, verify=verify),
        shipped.action,
        shipped.perception.nouns,
        lexicon,
    )


CUP, PLATE = thing("red cup", 0.6, 0.1, score=0.97), thing("blue plate", 0.5, -0.3, score=0.93)


@dataclass
class World:
    """A pipeline whose perception is told what it sees."""

    objects: list[SceneObject] = field(default_factory=lambda: [CUP, PLATE])
    clip: WordClip = field(default_factory=WordClip)
    policy: Policy | None = None
    verify: str = "enforce"

    def __post_init__(self) -> None:
        self.perceiver = ToldPerceiver(self.objects)
        self.pipeline = pipeline(self.clip, self.perceiver, self.policy, self.verify)

    def ask(
        self,
        text: str | None,
        seconds: float = 0.0,
        sequence: int = 1,
        age: float = 0.1,
        **sensors: Any,
    ) -> Decision:
        request = None if text is None else InstructionRequest(text, START, sequence)
        return self.pipeline.step(observation(seconds, age, **sensors), request)


def poses(decision: Decision) -> npt.NDArray[np.float64]:
    """The rows (cmd, x, y, z, θ) of a decision's chunk."""
    return ActionTokenizer(decision.chunk.space).decode(decision.chunk.tokens)


def is_stop(decision: Decision) -> bool:
    chunk = decision.chunk
    return chunk.tokens.tolist() == [[0, 255, 255, 255, 255]] and chunk.skill == "stop"


def _cosine(one: str, other: str) -> float:
    first, second = Counter(one.split()), Counter(other.split())
    product = sum(first[word] * second[word] for word in first)
    return product / math.sqrt(
        sum(n * n for n in first.values()) * sum(n * n for n in second.values())
    )
