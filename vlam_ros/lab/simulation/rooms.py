"""Rooms that have a name: those of the demo, and random ones by their seeds."""

from __future__ import annotations

import math
import re

import numpy as np

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.room import RoomSpec
from vlam_ros.lab.simulation.scene import COLOURS, CUP_SIZES, ObjectSpec, SceneSpec
from vlam_ros.lab.simulation.tasks import generator_of, random_task


def _object(
    phrase: str, size: tuple[float, ...], place: tuple[float, float], height: float, turn: float = 0
) -> ObjectSpec:
    """An upright object at a place (x, y), its centre at `height`; metres and radians."""
    colour, shape = phrase.split()
    a, b, c = (*size, 0.0, 0.0)[:3]
    quaternion = (math.cos(turn / 2), 0.0, 0.0, math.sin(turn / 2))
    return ObjectSpec(shape, colour, COLOURS[colour], (a, b, c), (*place, height), quaternion)


DEMO_SCENE = SceneSpec(
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


PICK_AND_PLACE_START = BasePose(0.0, -1.0, yaw=0.45)
"""Where the robot of the demo's task starts: from there it has a free way to the orange ball, and
from that to the yellow box.
"""


def named_room(name: str) -> RoomSpec:
    """A room by its name; SimulationError if there is none.

    "demo", or "pick_and_place" for the same objects with another start of the robot; "task:N" or
    "control:N" for the room of the evaluation's task with seed N, of the set that can be done or
    must be refused; "random:N" for any other.
    """
    if name == "demo":
        return RoomSpec(DEMO_SCENE)
    if name == "pick_and_place":
        return RoomSpec(DEMO_SCENE, start=PICK_AND_PLACE_START)
    if match := re.fullmatch(r"random:(\d+)", name):
        return random_task(np.random.default_rng(int(match[1]))).room
    if match := re.fullmatch(r"(task|control):(\d+)", name):
        control = match[1] == "control"
        return random_task(generator_of(int(match[2]), control), control).room
    raise SimulationError(
        f'there is no room {name!r}: say "demo", "pick_and_place", or '
        '"random:7", "task:7" or "control:7" for seed 7'
    )
