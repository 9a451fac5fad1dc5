"""A robot in a small simulated room, for the tests of the simulator."""

import math

from vlam_ros.lab.simulation.room import RampSpec, RoomSpec
from vlam_ros.lab.simulation.scene import ObjectSpec, SceneSpec
from vlam_ros.lab.simulation.sensors import Arrival
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.types import VelocityCommand

SECOND = 1_000_000_000
TICK = SECOND // 20
SIZE = (64, 48)


def thing(shape: str, x: float, y: float, z: float, *size: float) -> ObjectSpec:
    """A red upright object, its centre at (x, y, z)."""
    a, b, c = (*size, 0.0, 0.0)[:3]
    return ObjectSpec(shape, "red", (0.8, 0.07, 0.07), (a, b, c), (x, y, z), (1.0, 0.0, 0.0, 0.0))


def simulator(
    *objects: ObjectSpec, ramp: RampSpec | None = None, **room: tuple[ObjectSpec, ...]
) -> Simulator:
    """A simulator of a room of 6 m with these objects, and small images."""
    return Simulator(RoomSpec(SceneSpec(objects, wall_distance=3.0), ramp=ramp, **room), *SIZE)


def drive(sim: Simulator, linear: float, angular: float, seconds: float) -> list[Arrival]:
    """Tell the base the same 20 times a second; what was measured."""
    arrivals: list[Arrival] = []
    for _ in range(round(seconds * SECOND / TICK)):
        sim.drive(VelocityCommand(linear, angular))
        arrivals += sim.advance(sim.now + TICK)
    return arrivals


def rest(sim: Simulator, seconds: float) -> list[Arrival]:
    """Tell it to stand, and let time pass."""
    sim.drive(VelocityCommand())
    return sim.advance(sim.now + round(seconds * SECOND))


def joints(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Of the arm, with the tool at this place in `base_link`."""
    return math.atan2(y, x + 0.15), math.hypot(x + 0.15, y) - 0.30, 0.95 - z


def reach(sim: Simulator, x: float, y: float, z: float, seconds: float = 1.5) -> None:
    """Put the tool there."""
    sim.reach(joints(x, y, z))
    sim.advance(sim.now + round(seconds * SECOND))
