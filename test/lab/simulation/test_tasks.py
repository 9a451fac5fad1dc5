"""Tasks drawn at random are clear, can be done or must be refused, and say so truly."""

import math
from collections import Counter

import numpy as np
import pytest

from vlam_ros.lab.simulation.room import check_room
from vlam_ros.lab.simulation.scene import ObjectSpec
from vlam_ros.lab.simulation.task_objects import (
    GRASPABLE,
    clearance,
    distance_to_way,
    is_called,
    is_free,
    place,
    stop_before,
    width,
)
from vlam_ros.lab.simulation.tasks import (
    CONTROL,
    CONTROL_SHARES,
    SHARES,
    Kind,
    TaskSpec,
    random_task,
)

FEASIBLE = [random_task(np.random.default_rng([8, i])) for i in range(150)]
REFUSED = [random_task(np.random.default_rng([8, i]), control=True) for i in range(150)]


def named(task: TaskSpec, noun: str) -> list[ObjectSpec]:
    return [o for o in task.room.scene.objects if is_called(noun, o.colour or "", o.shape)]


def test_a_seed_is_a_task() -> None:
    assert random_task(np.random.default_rng([8, 3])) == FEASIBLE[3]


def test_every_kind_occurs_about_as_often_as_it_should() -> None:
    for tasks, shares in ((FEASIBLE, SHARES), (REFUSED, CONTROL_SHARES)):
        counts = Counter(task.kind for task in tasks)
        for kind, share in shares.items():
            assert abs(counts[kind] - 150 * share) <= 4 * math.sqrt(150 * share)
    assert {task.kind for task in REFUSED} <= set(CONTROL)
    assert 0.1 < np.mean([task.relational for task in FEASIBLE]) < 0.4


@pytest.mark.parametrize("task", [*FEASIBLE, *REFUSED], ids=lambda t: t.kind.value)
def test_the_room_can_be_and_the_words_are_true(task: TaskSpec) -> None:
    check_room(task.room)
    objects = task.room.scene.objects
    if task.target is not None and not task.relational:
        assert named(task, task.noun) == [objects[task.target]]
    if task.relational:
        assert objects[task.target or 0].phrase in task.noun
        assert len(named(task, objects[task.target or 0].phrase)) == 2
    if task.destination is not None:
        assert named(task, task.place) == [objects[task.destination]]
    if task.kind is Kind.ABSENT:
        assert named(task, task.noun) == []
    if task.kind is Kind.AMBIGUOUS:
        assert len(named(task, task.noun)) == 2
    if task.kind in (Kind.PICK_UP, Kind.PUT_ON, Kind.PUT_NEXT_TO):
        assert objects[task.target or 0].shape in GRASPABLE


@pytest.mark.parametrize("task", FEASIBLE, ids=lambda t: t.kind.value)
def test_the_way_to_the_target_is_free(task: TaskSpec) -> None:
    if task.kind in (Kind.TURN_TO, Kind.SEARCH):
        return
    assert task.target == 0
    others = [*task.room.scene.objects[1:], *task.room.obstacles]
    assert is_free((0.0, 0.0), stop_before(task.room.scene.objects[0].position[:2]), others)


def test_what_is_searched_for_is_out_of_view_and_what_is_blocked_is_behind_something() -> None:
    for task in [*FEASIBLE, *REFUSED]:
        if task.kind is Kind.SEARCH:
            x, y, _ = task.room.scene.objects[0].position
            assert abs(math.atan2(y, x)) >= 1.0
        if task.kind is Kind.BLOCKED:
            stop = stop_before(task.room.scene.objects[0].position[:2])
            assert not is_free((0.0, 0.0), stop, task.room.obstacles)


def relation_holds(task: TaskSpec) -> bool:
    """Whether the words of a relation tell the target from its twin."""
    meant, twin, *others = task.room.scene.objects
    (mx, my, _), (tx, ty, _) = meant.position, twin.position
    words = task.noun
    if "left of" in words or "right of" in words:
        y = others[0].position[1]
        return (ty < y < my) if "left of" in words else (my < y < ty)
    if "in front of" in words or "behind" in words:
        far = math.hypot(*others[0].position[:2])
        inner, outer = (mx, my), (tx, ty)
        inner, outer = (inner, outer) if "in front" in words else (outer, inner)
        return math.hypot(*inner) < far < math.hypot(*outer)
    if "closest to" in words:
        at = others[0].position[:2]
        return math.dist(at, (mx, my)) < math.dist(at, (tx, ty))
    if "nearest" in words or "farthest" in words:
        return (math.hypot(mx, my) < math.hypot(tx, ty)) == ("nearest" in words)
    if "leftmost" in words or "rightmost" in words:
        return (my > ty) == ("leftmost" in words)
    return (width(meant) > width(twin)) == ("largest" in words)


def test_relations_are_true_of_the_target_and_not_of_its_twin() -> None:
    relational = [task for task in FEASIBLE if task.relational]
    assert len(relational) > 15
    assert [task.noun for task in relational if not relation_holds(task)] == []


def test_gaps_and_ways_are_measured_on_the_floor() -> None:
    ball = ObjectSpec("ball", "red", (1, 0, 0), (0.1, 0.1, 0.1), (1, 0, 0.1), (1, 0, 0, 0))
    assert clearance(ball, place(ball, (1.5, 0.0))) == pytest.approx(0.3)
    assert distance_to_way((0.5, 0.2), (0, 0), (1, 0)) == pytest.approx(0.2)
    assert distance_to_way((2.0, 0.0), (0, 0), (1, 0)) == pytest.approx(1.0)
    assert stop_before((2.0, 0.0)) == pytest.approx((1.35, 0.0))
    assert stop_before((0.0, 0.0)) == (0.0, 0.0)
