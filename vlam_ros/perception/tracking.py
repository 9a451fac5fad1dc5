"""Which of the objects in view is the one that the plan is about, and where it is while unseen.

What was chosen once is followed by its place, not chosen again: while the robot drives, "the
nearest box" and "the cup left of the plate" become other things, and it is the first one that was
meant. Odometry tells where to look for it. What is found there need not be confirmed again: close
by, or half hidden, the same thing may look less like itself. But one that is nearer to where
another like it was seen is that other one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vlam_ros.perception.referring import apart_from, is_same, located, select
from vlam_ros.types import (
    NOT_FOUND,
    Camera,
    Instruction,
    Missing,
    Noun,
    Observation,
    Odometry,
    Progress,
    Relation,
    SceneObject,
    Sighting,
)

GATE = 0.25
"""Metres, besides its spread, from where an object is expected to where it may be found."""
NARROWEST = 0.10
"""The same where another like it is near: the parts of one thing are not told apart."""
PATIENCE = 1.5
"""Seconds for which an object that should be in the image may be missed in it."""
DISTANCE_ERROR, TURN_ERROR = 0.03, 0.02
"""Standard deviation of odometry: m per m driven, rad per rad turned."""
EDGE = 0.05
"""Share of the image along its edges in which an object may be cut off and not be known."""


def referent(
    noun: Noun,
    instruction: Instruction,
    observation: Observation,
    seen: Sequence[SceneObject],
    progress: Progress,
    ambiguity: float,
    moved: SceneObject | None = None,
) -> SceneObject:
    """The object that a noun of the instruction means: the one that was sighted before, or where
    there is none, or it is lost, the one that fits, as `select` has it.

    A destination is another thing than `moved`: nothing is put on itself.

    Raises:
        Refusal: as for `select`.
    """
    sighting = progress.sightings.get(noun)
    followed = track(sighting, observation, seen) if sighting else None
    if followed is not None:
        return followed
    phrase = instruction.named[noun]
    # "put the cup next to the red cup"
    others = [o for o in seen if moved is None or not is_same(o, moved)]
    candidates = others if noun is Noun.DESTINATION else seen
    if phrase.relation is Relation.OTHER and progress.other_than:
        candidates = apart_from(progress.other_than, candidates)
    return select(phrase, candidates, ambiguity, NOT_FOUND[noun], instruction.said_with)


def expected(sighting: Sighting, base: Odometry) -> SceneObject:
    """The object as it is expected in `base_link` where the base is now; less sure the farther the
    base has moved. Its box and mask are those of the image in which it was seen.
    """
    thing, then = sighting.thing, sighting.base
    if thing.position is None:
        return thing
    x, y, z = thing.position
    ahead, aside = base.pose.into(then.pose.out(np.array([[x, y]])))[0].tolist()
    driven = math.hypot(base.x - then.x, base.y - then.y)
    turned = abs(math.remainder(base.yaw - then.yaw, math.tau))
    off = math.hypot(DISTANCE_ERROR * driven, TURN_ERROR * turned * math.hypot(x, y))
    return replace(thing, position=(ahead, aside, z), spread=math.hypot(thing.spread, off))


def track(
    sighting: Sighting, observation: Observation, seen: Sequence[SceneObject]
) -> SceneObject | None:
    """The object that was sighted before: as it is seen now, or else where it must be.

    Returns:
        None if it is lost: the image should show it and has not for PATIENCE seconds, or nobody
        can tell how the base has moved.
    """
    base = observation.odometry
    if isinstance(base, Missing):
        return None
    guess = expected(sighting, base)
    place = guess.position
    gate = min(GATE + guess.spread, max(sighting.apart / 2, NARROWEST))
    alike = [o for o in seen if o.phrase == guess.phrase and o.position is not None]
    if place is None or not math.isfinite(gate):
        return None
    found = min(alike, key=lambda o: _gap(o, guess), default=None)
    if found is not None and _gap(found, guess) <= gate:
        return found
    unseen = (observation.stamp - sighting.stamp) * 1e-9
    if unseen <= PATIENCE or not _in_view(place, observation.camera):
        return guess
    return None


def sight(thing: SceneObject, seen: Sequence[SceneObject], stamp: int, base: Odometry) -> Sighting:
    """What is remembered of an object that is among those `seen` in the image of `stamp`."""
    others = [
        o
        for o in seen
        if o.phrase == thing.phrase and o.confirmed and o.position and not is_same(o, thing)
    ]
    gaps = [_gap(o, thing) for o in others] if thing.position else []
    return Sighting(thing, stamp, base, min(gaps, default=math.inf))


def _gap(one: SceneObject, other: SceneObject) -> float:
    return math.dist(located(one)[:2], located(other)[:2])


def _in_view(place: tuple[float, float, float], camera: Camera | Missing) -> bool:
    """Whether the image should show what is at a place in `base_link`."""
    if isinstance(camera, Missing):
        return True
    pixels, depth = camera.project([place])
    u, v = pixels[0]
    width, height = EDGE * camera.width, EDGE * camera.height
    return bool(
        depth[0] > 0
        and width <= u <= camera.width - width
        and height <= v <= camera.height - height
    )
