"""A thousand meshes, each a function of its number, and what people would call them.

None is a ring, a star, a cross, a wedge or an arch, nor like one: those are the test for shapes
never trained (`simulation.extra_objects`). So no making is of their kind, outlines have at most two
spikes, nothing bends by more than `solids.BEND`, and no prism stands on a triangle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator

from vlam_ros.lab.generators.generator import NONE, UNDECIDED
from vlam_ros.lab.generators.procedural import named_solids as named
from vlam_ros.lab.generators.procedural import nameless_solids as nameless
from vlam_ros.lab.generators.procedural.solids import Solid
from vlam_ros.lab.simulation.scene import SHAPES

MESHES = 1000
TRAINED = 900
"""Meshes from this number on are not shown in training."""
SIZES = (0.06, 0.35)
"""Largest extent of a mesh, m."""


@dataclass(frozen=True)
class Mesh:
    """A solid in m, the middle of its extents at the origin, its foot down, and its noun."""

    noun: str
    solid: Solid


@cache
def mesh(number: int) -> Mesh:
    """The mesh of a number below MESHES."""
    rng = np.random.default_rng([number, 7])
    making = MAKINGS[number % len(MAKINGS)]
    solid = making.make(rng)
    low, high = solid.vertices.min(axis=0), solid.vertices.max(axis=0)
    size = math.exp(rng.uniform(*np.log(SIZES)))
    centred = solid.moved(*-(low + high) / 2)
    return Mesh(making.noun, centred.scaled(size / float((high - low).max())))


@cache
def numbers(noun: str, trained: bool) -> tuple[int, ...]:
    """The numbers of the meshes of a noun, NONE and UNDECIDED too, that are trained or not."""
    among = range(TRAINED) if trained else range(TRAINED, MESHES)
    return tuple(n for n in among if MAKINGS[n % len(MAKINGS)].noun == noun)


@dataclass(frozen=True)
class Making:
    """A way to make meshes, and the noun that is true of all of them."""

    name: str
    noun: str
    make: Callable[[Generator], Solid]


def _named(name: str, make: Callable[[Generator], Solid]) -> Making:
    return Making(name, name, make)


NAMED = (
    *[_named("cup", named.cup)] * 5,
    *[_named("cone", named.cone)] * 3,
    _named("plate", named.plate),
    _named("pyramid", named.pyramid),
    _named("bottle", named.bottle),
    _named("bowl", named.bowl),
    _named("vase", named.vase),
    _named("tube", named.tube),
    _named("bucket", named.bucket),
    _named("goblet", named.goblet),
    _named("stool", named.stool),
    _named("chair", named.chair),
    _named("hammer", named.hammer),
    _named("dumbbell", named.dumbbell),
    _named("mushroom", named.mushroom),
    _named("lamp", named.lamp),
    _named("pan", named.pan),
)
NAMELESS = (
    *[Making("slab", NONE, nameless.slab)] * 2,
    Making("spindle", NONE, nameless.spindle),
    Making("blob", NONE, nameless.blob),
    Making("twisted", NONE, nameless.twisted),
    Making("letter", NONE, nameless.letter),
    Making("cluster", NONE, nameless.cluster),
    Making("slotted", NONE, nameless.slotted),
    Making("horn", NONE, nameless.horn),
    Making("wave", NONE, nameless.wave),
    Making("stack", NONE, nameless.stack),
    Making("polygon", UNDECIDED, nameless.polygon),
    Making("frustum", UNDECIDED, nameless.frustum),
    Making("rounded box", UNDECIDED, nameless.rounded_box),
    Making("rod", UNDECIDED, nameless.rod),
)
MAKINGS = (*NAMED, *NAMELESS)
"""They take turns: the same number modulo their count is the same making."""
FURTHER_NOUNS = tuple(dict.fromkeys(m.noun for m in NAMED if m.noun not in SHAPES))
"""Nouns of meshes that are none of the seven shapes."""
