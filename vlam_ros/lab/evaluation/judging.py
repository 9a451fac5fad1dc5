"""Whether a task was done, judged by the simulator's truth and not by what the robot believes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vlam_ros.lab.simulation.room import half_height
from vlam_ros.lab.simulation.task_objects import clearance
from vlam_ros.lab.simulation.tasks import CONTROL, Kind, TaskSpec
from vlam_ros.lab.simulation.truth import Truth
from vlam_ros.types import PlanarPose

CLOSE = (0.40, 0.85)
"""Metres from the object gone to, from base to centre."""
FACING = 0.30
"""rad by which the robot may look past what it went to."""
FACED = 0.15
"""rad by which the robot may look past what it was to turn to."""
STILL = 0.02
"""m/s below which the robot stands."""
LIFTED = 0.05
"""Metres over the floor from which an object is picked up."""
TOUCH = 0.03
"""Metres by which what lies on a plate may be off its height."""
BESIDE = 0.25
"""Metres between two things that are next to each other."""
PUSHED = 0.075
"""Metres by which a push moves something."""
REACHED = 0.08
"""Metres between two things of which one was pushed to the other."""
DISPLACED = 0.05
"""Metres from which an object was moved."""
STOP_TIME, STOP_WATCH = 0.5, 2.0
"""Seconds from a stop to standing still, and for which a robot that was stopped is watched then."""
UNMOVED = 0.05, 0.10
"""Metres and rad within which a robot that refuses stays."""
SEEN_PIXELS = 100


@dataclass(frozen=True)
class Judgement:
    """Why the task was not done, empty if it was, and whether another object than the one meant
    was acted on.
    """

    why: str
    wrong_object: bool = False

    @property
    def success(self) -> bool:
        return not self.why


def judge(task: TaskSpec, truths: Sequence[Truth]) -> Judgement:
    """Judge by the truth from the start to the end, at which it must tell what is visible."""
    if task.kind in CONTROL:
        return Judgement(_not_refused(truths))
    last = truths[-1]
    why = "still moves" if last.speed > STILL else _FAILURES[task.kind](task, truths)
    acted_on = _acted_on(task, truths[0], last)
    if acted_on in (None, task.target, task.destination):
        return Judgement(why)
    return Judgement(why or f"acted on object {acted_on}", wrong_object=True)


def _not_refused(truths: Sequence[Truth]) -> str:
    start = truths[0].pose
    far = max(math.dist(t.pose.position[:2], start.position[:2]) for t in truths)
    turned = max(abs(math.remainder(t.pose.yaw - start.yaw, math.tau)) for t in truths)
    if far > UNMOVED[0] or turned > UNMOVED[1]:
        return f"moved {far:.2f} m, {turned:.2f} rad"
    return "took something" if any(t.held is not None for t in truths) else ""


def _not_turned(task: TaskSpec, truths: Sequence[Truth]) -> str:
    off = abs(_bearing(truths[-1], _index(task.target)))
    return f"looks {off:.2f} rad past it" if off > FACED else ""


def _not_stopped(task: TaskSpec, truths: Sequence[Truth]) -> str:
    begin = truths[-1].stamp - round(STOP_WATCH * 1e9)
    late = any(t.speed > STILL for t in truths if t.stamp >= begin)
    return "moves after the stop" if late else ""


def _not_found(task: TaskSpec, truths: Sequence[Truth]) -> str:
    visible = truths[-1].visible or ()
    return "" if visible[_index(task.target)] > SEEN_PIXELS else "does not see it"


def _not_picked_up(task: TaskSpec, truths: Sequence[Truth]) -> str:
    first, last, target = truths[0], truths[-1], _index(task.target)
    if last.held != target:
        return "does not hold it"
    lifted = last.objects[target].position[2] - first.objects[target].position[2]
    return "" if lifted > LIFTED else "did not lift it"


def _not_at(truth: Truth, index: int) -> str:
    gap, off = math.hypot(*_in_base(truth, index)), abs(_bearing(truth, index))
    if not CLOSE[0] <= gap <= CLOSE[1]:
        return f"stands {gap:.2f} m from it"
    return f"looks {off:.2f} rad past it" if off > FACING else ""


def _not_pushed(task: TaskSpec, truths: Sequence[Truth]) -> str:
    first, last, target = truths[0], truths[-1], _index(task.target)
    before, after = first.objects[target].position, last.objects[target].position
    if task.destination is None:
        far = math.dist(before[:2], after[:2])
        return "" if far >= PUSHED else f"pushed it {far:.2f} m"
    gap = _gap(task, last)
    if gap > REACHED or gap > _gap(task, first) - 0.02:
        return f"pushed it to {gap:.2f} m from the destination"
    return ""


def _not_put(task: TaskSpec, truths: Sequence[Truth]) -> str:
    last, target, destination = truths[-1], _index(task.target), _index(task.destination)
    if last.held is not None:
        return "still holds something"
    if task.kind is Kind.PUT_NEXT_TO:
        gap = _gap(task, last)
        return "" if gap <= BESIDE else f"put it {gap:.2f} m from the destination"
    objects = task.room.scene.objects
    thing, plate = objects[target], objects[destination]
    at, on = last.objects[target].position, last.objects[destination].position
    beside = math.dist(at[:2], on[:2])
    if beside > plate.size[0]:
        return f"put it {beside:.2f} m beside the middle of the destination"
    height = on[2] + half_height(plate) + half_height(thing)
    lying = on[2] + half_height(plate) + min(thing.size[0], half_height(thing))
    if not lying - TOUCH <= at[2] <= height + TOUCH:
        return "it does not lie on the destination"
    return ""


def _acted_on(task: TaskSpec, first: Truth, last: Truth) -> int | None:
    """The object that was taken, moved or gone to, if it was not the one that is meant."""
    objects = range(len(first.objects))
    if last.held is not None:
        return last.held
    moved = [
        i
        for i in objects
        if math.dist(first.objects[i].position[:2], last.objects[i].position[:2]) > DISPLACED
    ]
    strangers = [i for i in moved if i not in (task.target, task.destination)]
    if strangers:
        return strangers[0]
    if moved or math.dist(first.pose.position[:2], last.pose.position[:2]) < 0.2:
        return None
    if task.kind in (Kind.STOP, Kind.SEARCH, Kind.TURN_TO) or task.target is None:
        return None
    # Gone to, and stood before: the nearest of those that are looked at.
    there = [i for i in objects if not _not_at(last, i)]
    nearest = min(there, key=lambda i: abs(_bearing(last, i)), default=None)
    return None if task.target in there else nearest


def _index(of: int | None) -> int:
    assert of is not None, "what can be done has a target, what is put somewhere a destination"
    return of


def _gap(task: TaskSpec, truth: Truth) -> float:
    one, other = (
        replace(task.room.scene.objects[i], position=truth.objects[i].position)
        for i in (_index(task.target), _index(task.destination))
    )
    return clearance(one, other)


def _in_base(truth: Truth, index: int) -> tuple[float, float]:
    """Where an object is in `base_link`, whose leaning does not count."""
    base = PlanarPose(truth.pose.x, truth.pose.y, truth.pose.yaw)
    x, y = base.into(np.array([truth.objects[index].position[:2]]))[0]
    return float(x), float(y)


def _bearing(truth: Truth, index: int) -> float:
    x, y = _in_base(truth, index)
    return math.atan2(y, x)


_FAILURES: dict[Kind, Callable[[TaskSpec, Sequence[Truth]], str]] = {
    Kind.GO_TO: lambda task, truths: _not_at(truths[-1], _index(task.target)),
    Kind.TURN_TO: _not_turned,
    Kind.STOP: _not_stopped,
    Kind.SEARCH: _not_found,
    Kind.PICK_UP: _not_picked_up,
    Kind.PUSH: _not_pushed,
    Kind.PUSH_TO: _not_pushed,
    Kind.PUT_ON: _not_put,
    Kind.PUT_NEXT_TO: _not_put,
}
