"""What `vlam demo` shows and asks, and how answers are judged by what the simulator knows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vlam_ros.actions import ActionTokenizer
from vlam_ros.simulation import COLOURS, ObjectSpec, SceneSpec
from vlam_ros.simulation.scene import CUP_SIZES
from vlam_ros.types import ActionChunk, Outcome, PositionSource, Reason

if TYPE_CHECKING:
    from vlam_ros.ros.client import Answer

TOLERANCE = 0.08
"""Metres that a position may be off; a bin of the commands is 0.024 m wide."""


def _object(
    phrase: str, size: tuple[float, ...], place: tuple[float, float], height: float, turn: float = 0
) -> ObjectSpec:
    """An upright object at a place (x, y), its centre at `height`; metres and radians."""
    colour, shape = phrase.split()
    a, b, c = (*size, 0.0, 0.0)[:3]
    quaternion = (math.cos(turn / 2), 0.0, 0.0, math.sin(turn / 2))
    return ObjectSpec(shape, colour, COLOURS[colour], (a, b, c), (*place, height), quaternion)


SCENE = SceneSpec(
    objects=(
        # Cup and plate are within the arm's reach.
        _object("red cup", CUP_SIZES[0], (0.66, 0.17), CUP_SIZES[0][1] / 2),
        _object("blue plate", (0.11, 0.007), (0.70, -0.15), 0.007),
        _object("green box", (0.075, 0.06, 0.06), (1.15, 0.38), 0.06, turn=0.5),
        _object("yellow box", (0.08, 0.08, 0.08), (1.75, 0.03), 0.08, turn=-0.3),
        _object("orange ball", (0.085,) * 3, (1.25, -0.45), 0.085),
    ),
    floor=5,
    floor_rgb=(0.74, 0.73, 0.71),
    wall_rgb=(0.80, 0.83, 0.86),
    wall_distance=4.0,
    light_position=(0.2, 1.2, 2.6),
    light=0.7,
    ambient=0.4,
)
"""Five objects of colour-shape pairs that the embedded model was trained on, seen by the camera
that the nodes' default parameters describe.
"""


@dataclass(frozen=True)
class Task:
    """An instruction, and what the answer must be: objects by what they are called in SCENE.

    The results go into the folder `name`, those of the task without a name above it.
    """

    name: str
    instruction: str
    skill: str = "stop"
    target: str = ""
    destination: str = ""
    reason: Reason = Reason.NONE


TASKS = (
    Task("", "go to the ball right of the red cup", "go_to", "orange ball"),
    Task(
        "put",
        "pick up the red cup and put it on the blue plate",
        "pick_up",
        "red cup",
        "blue plate",
    ),
    # The red cup stands where the robot would pass.
    Task("blocked", "go to the green box", reason=Reason.PATH_BLOCKED),
    Task("refused", "pick up the purple cone", reason=Reason.TARGET_NOT_FOUND),
    Task("unknown", "go to the giraffe", reason=Reason.TARGET_NOT_FOUND),
)


def judge(task: Task, answer: Answer, standoff: float) -> list[str]:
    """What is wrong with an answer; nothing if it is as it must be.

    Args:
        task: what was asked.
        answer: what vlam_node decided.
        standoff: distance (m) that the base keeps from an object it goes to.
    """
    chunk = answer.chunk
    verdict = chunk.verdict
    outcome = Outcome.HOLD if task.reason else Outcome.EXECUTE
    if (verdict.outcome, verdict.reason, chunk.skill) != (outcome, task.reason, task.skill):
        return [f"expected {outcome.name} {task.reason.name if task.reason else task.skill}"]
    wrong = []
    if task.target:
        target = answer.plan.target
        if target is None or target.source is not PositionSource.DEPTH:
            wrong.append(f"does not place the {task.target} by measured depth")
        x, y = _acted_on(chunk, standoff)
        if (off := math.dist((x, y), _place(task.target))) > TOLERANCE:
            wrong.append(f"acts on ({x:.2f}, {y:.2f}), {off:.2f} m beside the {task.target}")
    if task.destination:
        seen = answer.scene.of(task.destination)
        if not seen or seen[0].position is None:
            wrong.append(f"does not know where the {task.destination} is")
        elif (off := math.dist(seen[0].position[:2], _place(task.destination))) > TOLERANCE:
            wrong.append(f"places the {task.destination} {off:.2f} m beside itself")
    return wrong


def _place(phrase: str) -> tuple[float, float]:
    """Where an object of SCENE stands."""
    x, y, _ = next(o for o in SCENE.objects if o.phrase == phrase).position
    return x, y


def _acted_on(chunk: ActionChunk, standoff: float) -> tuple[float, float]:
    """Where the object is that the chunk's last waypoint is for."""
    rows = ActionTokenizer(chunk.space).decode(chunk.tokens)
    _, x, y, _, theta = map(float, rows[~np.isnan(rows[:, 1])][-1])
    if chunk.skill != "go_to":
        return x, y
    # The base stops short of it, and looks at it.
    return x + standoff * math.cos(theta), y + standoff * math.sin(theta)
