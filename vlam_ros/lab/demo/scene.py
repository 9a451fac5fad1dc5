"""What `vlam demo` shows and asks, and how answers are judged by what the simulator knows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vlam_ros.actions import ActionTokenizer
from vlam_ros.lab.simulation.rooms import DEMO_SCENE
from vlam_ros.types import ActionChunk, Outcome, PositionSource, Reason

if TYPE_CHECKING:
    from vlam_ros.lab.live.client import NodeDecision

SCENE = DEMO_SCENE

TOLERANCE = 0.08
"""Metres that a position may be off; a bin of the commands is 0.024 m wide."""


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


def judge(task: Task, answer: NodeDecision, standoff: float) -> list[str]:
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
