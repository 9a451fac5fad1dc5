"""What a robot is asked to do in the evaluation: a room, the objects that are meant, and the goal.

Everything is drawn from a random generator, so that a seed is a task. The words of the instruction
are not made here: a task says which objects are meant, and how one tells them from the others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.random import Generator

from vlam_ros.lab.simulation.room import RampSpec, RoomSpec
from vlam_ros.lab.simulation.scene import (
    COLOURS,
    FLOORS,
    HELD_OUT_PAIRS,
    SHAPES,
    ObjectSpec,
    SceneSpec,
    clipped_rgb,
    lit_at_random,
)
from vlam_ros.lab.simulation.task_objects import (
    GAP,
    GRASPABLE,
    STACKABLE,
    Crowded,
    Place,
    anywhere_in_view,
    anywhere_unseen,
    apart,
    carried,
    clearance,
    distractors,
    in_view,
    is_called,
    is_free,
    named,
    place,
    random_pair,
    stop_before,
)


class Kind(Enum):
    """What is asked for; from ABSENT on, what must be refused."""

    GO_TO = "go to"
    TURN_TO = "turn to"
    PICK_UP = "pick up"
    PUT_ON = "put on"
    PUT_NEXT_TO = "put next to"
    PUSH = "push"
    PUSH_TO = "push to"
    STOP = "stop"
    SEARCH = "search"
    ABSENT = "absent"
    AMBIGUOUS = "ambiguous"
    BLOCKED = "blocked"
    TOO_FAR = "too far"
    NONSENSE = "nonsense"


CONTROL = (Kind.ABSENT, Kind.AMBIGUOUS, Kind.BLOCKED, Kind.TOO_FAR, Kind.NONSENSE)
"""Kinds of the control set: the robot must not move."""

SHARES = {
    Kind.GO_TO: 0.22,
    Kind.TURN_TO: 0.10,
    Kind.PICK_UP: 0.18,
    Kind.PUT_ON: 0.12,
    Kind.PUT_NEXT_TO: 0.10,
    Kind.PUSH: 0.06,
    Kind.PUSH_TO: 0.06,
    Kind.STOP: 0.06,
    Kind.SEARCH: 0.10,
}
"""How often each kind is among the tasks that can be done."""

RELATIONAL = (Kind.GO_TO, Kind.TURN_TO, Kind.PICK_UP, Kind.PUT_ON, Kind.PUT_NEXT_TO)
RELATIONAL_SHARE = 0.3
"""How often a task of these kinds means one of two objects of the same name."""

CONTROL_SHARES = {
    Kind.ABSENT: 0.35,
    Kind.AMBIGUOUS: 0.25,
    Kind.BLOCKED: 0.15,
    Kind.TOO_FAR: 0.05,
    Kind.NONSENSE: 0.20,
}


@dataclass(frozen=True)
class TaskSpec:
    """A room and what is asked for in it.

    `target` and `destination` are indices of the scene's objects, None where the instruction names
    none; `noun` and `place` are what they are called, relation included.
    """

    kind: Kind
    room: RoomSpec
    target: int | None = None
    destination: int | None = None
    noun: str = ""
    place: str = ""
    relational: bool = False

    @property
    def held_out(self) -> bool:
        """Whether the target or the destination is of a colour-shape pair never trained."""
        objects = self.room.scene.objects
        named = [objects[i] for i in (self.target, self.destination) if i is not None]
        return any((o.colour, o.shape) in HELD_OUT_PAIRS for o in named)


def generator_of(seed: int, control: bool) -> Generator:
    """What the task with this seed is drawn from, of the control set if asked for."""
    return np.random.default_rng([seed, control])


def random_task(
    rng: Generator, control: bool = False, relational_share: float = RELATIONAL_SHARE
) -> TaskSpec:
    """Draw a task, of the control set if asked for; so many of those of RELATIONAL mean one of two
    objects of the same name.
    """
    shares = CONTROL_SHARES if control else SHARES
    kinds, weights = list(shares), np.array(list(shares.values()))
    kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    # Drawn once: a relation that does not come out clear is tried again, not given up.
    relational = kind in RELATIONAL and rng.random() < relational_share
    while True:
        try:
            return _MAKERS[kind](kind, rng, relational)
        except Crowded:
            continue


def _scene(rng: Generator, objects: Sequence[ObjectSpec]) -> SceneSpec:
    """A scene with these objects, and floor, walls and light at random."""
    grey = rng.uniform(0.4, 1.0)
    floor, wall = grey * rng.uniform(0.85, 1.0, 3), rng.uniform(0.3, 0.95, 3)
    spec = SceneSpec(
        objects=tuple(objects),
        floor=int(rng.integers(FLOORS)),
        floor_rgb=clipped_rgb(floor),
        wall_rgb=clipped_rgb(wall[0] * rng.uniform(0.85, 1.0, 3)),
        wall_distance=float(rng.uniform(4.0, 6.0)),
    )
    return lit_at_random(spec, rng)


def _room(rng: Generator, objects: Sequence[ObjectSpec], ways: Sequence[Place]) -> RoomSpec:
    """A room with these objects, sometimes with obstacles and a ramp, off the ways."""
    scene = _scene(rng, objects)
    obstacles: list[ObjectSpec] = []
    for _ in range(int(rng.integers(0, 3))):
        bearing = float(rng.choice([-1, 1]) * rng.uniform(0.9, 2.6))
        at = (1.9 * math.cos(bearing), 1.9 * math.sin(bearing))
        crate = place(_crate(rng), at)
        off = (is_free(start, end, [crate], 0.5) for start, end in itertools.pairwise(ways))
        if apart([*objects, *obstacles, crate], 0.4) and all(off):
            obstacles.append(crate)
    ramp = RampSpec(x=-1.2, y=0.0, yaw=math.pi, length=1.2) if rng.random() < 0.2 else None
    if ramp and any(math.dist(o.position[:2], (-1.8, 0.0)) < 1.2 for o in [*objects, *obstacles]):
        ramp = None
    return RoomSpec(scene=scene, obstacles=tuple(obstacles), ramp=ramp)


def _crate(rng: Generator) -> ObjectSpec:
    """A grey box that is taller and wider than any object with a name."""
    half = (float(rng.uniform(0.12, 0.2)), float(rng.uniform(0.12, 0.2)), 0.20)
    grey = float(rng.uniform(0.3, 0.6))
    return ObjectSpec("box", None, (grey,) * 3, half, (0.0, 0.0, half[2]), (1.0, 0.0, 0.0, 0.0))


# --------------------------------------------------------------------------------- tasks


def _fill(
    rng: Generator,
    objects: list[ObjectSpec],
    high: int = 3,
    gap: float = GAP,
    absent: Sequence[str] = (),
) -> list[ObjectSpec]:
    """The objects with up to `high` distractors in view, none of them called as what is `absent`.

    Crowded if they do not fit.
    """
    nouns = [*sorted({o.phrase for o in objects if o.colour}), *absent]
    others = distractors(rng, objects, nouns, high=high)
    everything = [*objects, *(place(d, anywhere_in_view(rng, far=2.4)) for d in others)]
    if not apart(everything, gap):
        raise Crowded
    return everything


def _approach(kind: Kind, rng: Generator, relational: bool) -> TaskSpec:
    objects, noun = named(rng, GRASPABLE if kind is Kind.PICK_UP else SHAPES, relational)
    everything = _fill(rng, objects)
    at = everything[0].position[:2]
    stop = stop_before(at)
    if kind is not Kind.TURN_TO and not is_free((0, 0), stop, everything[1:]):
        raise Crowded
    if kind is Kind.TURN_TO and abs(math.atan2(at[1], at[0])) < 0.2:
        raise Crowded  # it is looked at already
    return TaskSpec(kind, _room(rng, everything, [(0, 0), stop]), 0, None, noun, "", relational)


def _put(kind: Kind, rng: Generator, relational: bool) -> TaskSpec:
    shapes = STACKABLE if kind is Kind.PUT_ON else GRASPABLE
    objects, noun = named(rng, shapes, relational)
    goal = random_pair(rng, ("plate",) if kind is Kind.PUT_ON else SHAPES)
    if any(is_called(o.phrase, *goal) for o in objects):
        raise Crowded
    objects.append(in_view(rng, goal))
    where = len(objects) - 1
    everything = _fill(rng, objects, high=2)
    at, to = everything[0].position[:2], everything[where].position[:2]
    if kind is Kind.PUT_ON and everything[0].size[0] > 0.6 * everything[where].size[0]:
        raise Crowded  # it would lean over the edge
    if clearance(everything[0], everything[where]) < 0.35:
        raise Crowded  # it is next to it already
    stop = stop_before(at)
    end = stop_before(to, stop)
    others = [o for i, o in enumerate(everything) if i not in (0, where)]
    ways = [(0.0, 0.0), stop, end]
    if not is_free((0, 0), stop, everything[1:]) or not is_free(stop, end, others):
        raise Crowded
    return TaskSpec(kind, _room(rng, everything, ways), 0, where, noun, " ".join(goal), relational)


def _push(kind: Kind, rng: Generator, relational: bool) -> TaskSpec:
    pair = random_pair(rng, ("box", "cylinder", "cup", "plate"))
    meant = in_view(rng, pair, far=1.6)
    objects = [meant]
    where = None
    goal = random_pair(rng)
    if kind is Kind.PUSH_TO:
        if is_called(" ".join(pair), *goal):
            raise Crowded
        bearing, off = rng.uniform(-math.pi, math.pi), rng.uniform(0.25, 0.45)
        x, y, _ = meant.position
        to = (x + off * math.cos(bearing), y + off * math.sin(bearing))
        objects.append(place(carried(rng, goal), (float(to[0]), float(to[1]))))
        where = 1
        if not 0.10 <= clearance(meant, objects[1]) <= 0.22 or abs(math.atan2(to[1], to[0])) > 0.5:
            raise Crowded
        # Within the arm's reach when the robot stands before the target.
        stop = stop_before((x, y))
        behind = 0.12 + meant.size[0]
        start = (x - behind * math.cos(bearing), y - behind * math.sin(bearing))
        if max(math.dist(stop, start), math.dist(stop, to)) > 0.76:
            raise Crowded
    everything = _fill(rng, objects, high=2, gap=0.10)
    if not apart([everything[0], *everything[len(objects) :]], 0.35):
        raise Crowded
    stop = stop_before(everything[0].position[:2])
    if not is_free((0, 0), stop, everything[1:]):
        raise Crowded
    noun, to_noun = " ".join(pair), " ".join(goal) if where else ""
    return TaskSpec(kind, _room(rng, everything, [(0, 0), stop]), 0, where, noun, to_noun)


def _stop(kind: Kind, rng: Generator, relational: bool) -> TaskSpec:
    task = _approach(Kind.GO_TO, rng, relational)
    if math.hypot(*task.room.scene.objects[0].position[:2]) < 1.6:
        raise Crowded  # it would be there before it is stopped
    return replace(task, kind=kind)


def _single(kind: Kind, rng: Generator, relational: bool) -> TaskSpec:
    """An object to be searched for, or one in view when nothing sensible is said."""
    pair = random_pair(rng)
    meant = carried(rng, pair)
    at = anywhere_unseen(rng) if kind is Kind.SEARCH else anywhere_in_view(rng)
    everything = _fill(rng, [place(meant, at)])
    return TaskSpec(kind, _room(rng, everything, [(0, 0)]), target=0, noun=" ".join(pair))


# --------------------------------------------------------------------------------- control set


def _absent(kind: Kind, rng: Generator, relational: bool) -> TaskSpec:
    """Nothing in the room is called what is asked for; something mostly shares colour or shape."""
    pair = random_pair(rng)
    noun = " ".join(pair)
    like = [(pair[0], shape) for shape in SHAPES if shape != pair[1]]
    like += [(colour, pair[1]) for colour in COLOURS if colour != pair[0]]
    first = in_view(rng, like[int(rng.integers(len(like)))])
    everything = _fill(rng, [first], absent=[noun])
    return TaskSpec(kind, _room(rng, everything, [(0, 0)]), noun=noun)


def _ambiguous(kind: Kind, rng: Generator, relational: bool) -> TaskSpec:
    """Two of the same name, and nothing said that tells them apart."""
    pair = random_pair(rng)
    everything = _fill(rng, [in_view(rng, pair), in_view(rng, pair)], high=2)
    return TaskSpec(kind, _room(rng, everything, [(0, 0)]), noun=" ".join(pair))


def _blocked(kind: Kind, rng: Generator, relational: bool) -> TaskSpec:
    """Something stands where the robot would have to pass, too low to hide the target."""
    pair = random_pair(rng)
    meant = in_view(rng, pair, near=1.7)
    x, y, _ = meant.position
    share = 0.75 / math.hypot(x, y)
    noun = " ".join(pair)
    block = place(
        ObjectSpec("box", None, (0.4, 0.38, 0.36), (0.05, 0.3, 0.07), (0, 0, 0.07), (1, 0, 0, 0)),
        (share * x, share * y),
    )
    yaw = math.atan2(y, x) / 2
    block = replace(block, quaternion=(math.cos(yaw), 0.0, 0.0, math.sin(yaw)))
    objects = _fill(rng, [meant], high=2)
    if not apart([*objects, block], 0.1):
        raise Crowded
    room = _room(rng, objects, [(0, 0)])
    return TaskSpec(kind, replace(room, obstacles=(*room.obstacles, block)), target=0, noun=noun)


def _too_far(kind: Kind, rng: Generator, relational: bool) -> TaskSpec:
    """Beyond what one command can reach."""
    pair = random_pair(rng)
    bearing = rng.uniform(-0.3, 0.3)
    distance = rng.uniform(3.8, 4.6)
    at = (float(distance * math.cos(bearing)), float(distance * math.sin(bearing)))
    everything = _fill(rng, [place(carried(rng, pair), at)], high=2)
    room = _room(rng, everything, [(0, 0)])
    scene = replace(room.scene, wall_distance=6.0)
    return TaskSpec(kind, replace(room, scene=scene), target=0, noun=" ".join(pair))


_MAKERS: dict[Kind, Callable[[Kind, Generator, bool], TaskSpec]] = {
    Kind.GO_TO: _approach,
    Kind.TURN_TO: _approach,
    Kind.PICK_UP: _approach,
    Kind.PUT_ON: _put,
    Kind.PUT_NEXT_TO: _put,
    Kind.PUSH: _push,
    Kind.PUSH_TO: _push,
    Kind.STOP: _stop,
    Kind.SEARCH: _single,
    Kind.ABSENT: _absent,
    Kind.AMBIGUOUS: _ambiguous,
    Kind.BLOCKED: _blocked,
    Kind.TOO_FAR: _too_far,
    Kind.NONSENSE: _single,
}
