"""A room that cannot be is refused before anything is built."""

from dataclasses import replace

import numpy as np
import pytest
from simulated import thing

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.room import RampSpec, RoomSpec, check_room
from vlam_ros.lab.simulation.scene import ObjectSpec, SceneSpec, random_scene

BALL = thing("ball", 1.0, 0.0, 0.1, 0.1)


def room(*objects: ObjectSpec, **more: object) -> RoomSpec:
    return RoomSpec(SceneSpec(objects, wall_distance=3.0), **more)  # type: ignore[arg-type]


def test_random_scenes_are_rooms() -> None:
    for seed in range(20):
        scene = random_scene(np.random.default_rng(seed))
        check_room(RoomSpec(replace(scene, wall_distance=5.0)))


def test_things_that_overlap_are_refused() -> None:
    check_room(room(BALL, thing("ball", 1.0, 0.21, 0.1, 0.1)))
    with pytest.raises(SimulationError, match=r"object0 \(red ball\) and object1 .* overlap"):
        check_room(room(BALL, thing("ball", 1.0, 0.19, 0.1, 0.1)))
    with pytest.raises(SimulationError, match=r"object0 .* and obstacle0 overlap"):
        check_room(room(BALL, obstacles=(thing("box", 1.2, 0.0, 0.3, 0.15, 0.15, 0.3),)))


def test_a_turned_box_leaves_room_beside_its_corners() -> None:
    turned = replace(thing("box", 1.3, 0.0, 0.1, 0.2, 0.02, 0.1), quaternion=(0.9239, 0, 0, 0.3827))
    check_room(room(BALL, replace(turned, position=(1.19, 0.0, 0.1))))
    with pytest.raises(SimulationError, match="overlap"):
        check_room(room(BALL, replace(turned, position=(1.08, 0.0, 0.1))))


def test_things_may_stand_on_each_other() -> None:
    low = thing("box", 1.0, 0.0, 0.05, 0.2, 0.3, 0.05)
    check_room(room(thing("ball", 1.0, 0.0, 0.2, 0.1), obstacles=(low,)))
    with pytest.raises(SimulationError, match="overlap"):
        check_room(room(BALL, obstacles=(low,)))


def test_the_robot_needs_room_to_start() -> None:
    with pytest.raises(SimulationError, match="where the robot starts"):
        check_room(room(BALL, start=BasePose(x=1.25)))
    with pytest.raises(SimulationError, match="the robot starts in a wall"):
        check_room(room(start=BasePose(y=2.9)))


def test_nothing_reaches_through_a_wall() -> None:
    with pytest.raises(SimulationError, match=r"object0 .* reaches through the wall"):
        check_room(room(thing("ball", 0.0, -2.95, 0.1, 0.1)))


def test_too_many_objects_are_refused() -> None:
    many = tuple(thing("ball", 1.0, 0.1 * i, 0.04, 0.04) for i in range(13))
    with pytest.raises(SimulationError, match="at most 12 objects a room, got 13"):
        check_room(room(*many))


def test_a_ramp_has_a_slope() -> None:
    with pytest.raises(SimulationError, match="a ramp needs"):
        RampSpec(1.0, 0.0, angle=0.0)
