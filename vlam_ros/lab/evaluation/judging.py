"""Whether a task was done, judged by the simulator's truth and not by what the robot believes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.room import half_height
from vlam_ros.lab.simulation.scene import ObjectSpec, footprint_radius
from vlam_ros.lab.simulation.task_objects import place
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
class Moment:
    """The truth at one time: where the base is and how fast, where the objects are, what is held.

    `objects` are centres in the room, `visible` the pixels of each in the image.
    """

    seconds: float
    base: BasePose
    speed: float
    objects: tuple[tuple[float, float, float], ...]
    held: int | None
    visible: tuple[int, ...]


def moment_of(truth: Truth, start: int = 0) -> Moment:
    """What a simulation tells, seconds counted from `start` (ns)."""
    return Moment(
        (truth.stamp - start) / 1e9,
        truth.pose,
        truth.speed,
        tuple(thing.position for thing in truth.objects),
        truth.held,
        truth.visible or (),
    )


@dataclass(frozen=True)
class Judgement:
    """Whether the task was done, and whether another object than the one meant was acted on."""

    success: bool
    wrong_object: bool
    why: str = ""


def judge(task: TaskSpec, moments: Sequence[Moment]) -> Judgement:
    first, last = moments[0], moments[-1]
    if task.kind in CONTROL:
        return _refused(moments)
    acted_on = _acted_on(task, first, last)
    meant = {task.target, task.destination}
    wrong = acted_on is not None and acted_on not in meant
    why = _failure(task, moments)
    if wrong:
        why = why or f"acted on object {acted_on}"
    return Judgement(not why and not wrong, wrong, why)


def _refused(moments: Sequence[Moment]) -> Judgement:
    start = moments[0].base
    far = max(math.dist(m.base.position[:2], start.position[:2]) for m in moments)
    turned = max(abs(math.remainder(m.base.yaw - start.yaw, math.tau)) for m in moments)
    if far > UNMOVED[0] or turned > UNMOVED[1]:
        return Judgement(False, False, f"moved {far:.2f} m, {turned:.2f} rad")
    if any(m.held is not None for m in moments):
        return Judgement(False, False, "took something")
    return Judgement(True, False)


def _failure(task: TaskSpec, moments: Sequence[Moment]) -> str:
    if moments[-1].speed > STILL:
        return "still moves"
    return _FAILURES[task.kind](task, moments)


def _not_turned(task: TaskSpec, moments: Sequence[Moment]) -> str:
    off = abs(_bearing(moments[-1], _index(task.target)))
    return f"looks {off:.2f} rad past it" if off > FACED else ""


def _not_stopped(task: TaskSpec, moments: Sequence[Moment]) -> str:
    watched = [m for m in moments if m.seconds >= moments[-1].seconds - STOP_WATCH]
    return "moves after the stop" if any(m.speed > STILL for m in watched) else ""


def _not_found(task: TaskSpec, moments: Sequence[Moment]) -> str:
    return "" if moments[-1].visible[_index(task.target)] > SEEN_PIXELS else "does not see it"


def _not_picked_up(task: TaskSpec, moments: Sequence[Moment]) -> str:
    first, last, target = moments[0], moments[-1], _index(task.target)
    if last.held != target:
        return "does not hold it"
    lifted = last.objects[target][2] - first.objects[target][2]
    return "" if lifted > LIFTED else "did not lift it"


def _not_at(moment: Moment, index: int) -> str:
    gap, off = _distance(moment, index), abs(_bearing(moment, index))
    if not CLOSE[0] <= gap <= CLOSE[1]:
        return f"stands {gap:.2f} m from it"
    return f"looks {off:.2f} rad past it" if off > FACING else ""


def _not_pushed(task: TaskSpec, moments: Sequence[Moment]) -> str:
    first, last, target = moments[0], moments[-1], _index(task.target)
    before, after = first.objects[target], last.objects[target]
    if task.destination is None:
        far = math.dist(before[:2], after[:2])
        return "" if far >= PUSHED else f"pushed it {far:.2f} m"
    gap = _gap(task, last)
    if gap > REACHED or gap > _gap(task, first) - 0.02:
        return f"pushed it to {gap:.2f} m from the destination"
    return ""


def _not_put(task: TaskSpec, moments: Sequence[Moment]) -> str:
    last, target, destination = moments[-1], _index(task.target), _index(task.destination)
    if last.held is not None:
        return "still holds something"
    if task.kind is Kind.PUT_NEXT_TO:
        gap = _gap(task, last)
        return "" if gap <= BESIDE else f"put it {gap:.2f} m from the destination"
    objects = task.room.scene.objects
    thing, plate = objects[target], objects[destination]
    at, on = last.objects[target], last.objects[destination]
    beside = math.dist(at[:2], on[:2])
    if beside > plate.size[0]:
        return f"put it {beside:.2f} m beside the middle of the destination"
    height = on[2] + half_height(plate) + half_height(thing)
    lying = on[2] + half_height(plate) + min(thing.size[0], half_height(thing))
    if not lying - TOUCH <= at[2] <= height + TOUCH:
        return "it does not lie on the destination"
    return ""


def _acted_on(task: TaskSpec, first: Moment, last: Moment) -> int | None:
    """The object that was taken, moved or gone to, if it was not the one that is meant."""
    objects = range(len(first.objects))
    if last.held is not None:
        return last.held
    moved = [i for i in objects if math.dist(first.objects[i][:2], last.objects[i][:2]) > DISPLACED]
    strangers = [i for i in moved if i not in (task.target, task.destination)]
    if strangers:
        return strangers[0]
    if moved or math.dist(first.base.position[:2], last.base.position[:2]) < 0.2:
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


def _gap(task: TaskSpec, moment: Moment) -> float:
    things: list[ObjectSpec] = []
    for index in (_index(task.target), _index(task.destination)):
        x, y, _ = moment.objects[index]
        things.append(place(task.room.scene.objects[index], (x, y)))
    one, other = things
    return math.dist(one.position[:2], other.position[:2]) - sum(map(footprint_radius, things))


def _in_base(moment: Moment, index: int) -> tuple[float, float]:
    """Where an object is in `base_link`, whose leaning does not count."""
    base = PlanarPose(moment.base.x, moment.base.y, moment.base.yaw)
    x, y = base.into(np.array([moment.objects[index][:2]]))[0]
    return float(x), float(y)


def _distance(moment: Moment, index: int) -> float:
    return math.hypot(*_in_base(moment, index))


def _bearing(moment: Moment, index: int) -> float:
    x, y = _in_base(moment, index)
    return math.atan2(y, x)


_FAILURES: dict[Kind, Callable[[TaskSpec, Sequence[Moment]], str]] = {
    Kind.GO_TO: lambda task, moments: _not_at(moments[-1], _index(task.target)),
    Kind.TURN_TO: _not_turned,
    Kind.STOP: _not_stopped,
    Kind.SEARCH: _not_found,
    Kind.PICK_UP: _not_picked_up,
    Kind.PUSH: _not_pushed,
    Kind.PUSH_TO: _not_pushed,
    Kind.PUT_ON: _not_put,
    Kind.PUT_NEXT_TO: _not_put,
}
