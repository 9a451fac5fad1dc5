"""What a room holds in which the simulated robot drives and works, and where it starts.

A room is closed: `scene.wall_distance` from the origin there is a wall on every side. The scene's
objects are loose, its clutter is fixed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.mjcf import floor_xml, meshes_xml, wall_xml
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.robot import FIXED, GROUND, LOOSE, ROBOT
from vlam_ros.lab.simulation.scene import MAX_OBJECTS, ObjectSpec, SceneSpec, footprint_radius

ROBOT_RADIUS = 0.20
"""m around the origin of `base_link` that must be free where the robot starts."""


@dataclass(frozen=True)
class RampSpec:
    """A wedge on the floor, up which one drives along `yaw`.

    `x`, `y` is the middle of its foot, `length` is measured along the slope, in m; angles in rad.
    Over 9 degrees the chassis hits it before the wheels do.
    """

    x: float
    y: float
    yaw: float = 0.0
    length: float = 2.0
    width: float = 1.2
    angle: float = math.radians(6)

    def __post_init__(self) -> None:
        if self.length <= 0 or self.width <= 0 or not 0 < self.angle < math.radians(45):
            raise SimulationError(f"a ramp needs a length, a width and a slope, got {self}")

    @property
    def height(self) -> float:
        """Of its top over the floor, m."""
        return self.length * math.sin(self.angle)


@dataclass(frozen=True)
class RoomSpec:
    """A scene and what stands in it besides.

    `obstacles` are fixed objects, tall enough for the LiDAR to see.
    """

    scene: SceneSpec
    obstacles: tuple[ObjectSpec, ...] = ()
    ramp: RampSpec | None = None
    start: BasePose = field(default_factory=BasePose)

    @property
    def fixed(self) -> dict[str, ObjectSpec]:
        """All that cannot be moved, by name: "obstacle0", "clutter0", …."""
        groups = {"obstacle": self.obstacles, "clutter": self.scene.clutter}
        return {
            f"{kind}{i}": thing for kind, things in groups.items() for i, thing in enumerate(things)
        }


def check_room(room: RoomSpec) -> None:
    """SimulationError where a room cannot be: too full, things in each other or in a wall."""
    scene = room.scene
    count = len(scene.objects) + len(scene.clutter)
    if count > MAX_OBJECTS:
        raise SimulationError(f"at most {MAX_OBJECTS} objects a room, got {count}")
    things = {f"object{i} ({o.phrase})": o for i, o in enumerate(scene.objects)} | room.fixed
    names = list(things)
    robot = (np.array([(room.start.x, room.start.y)]), ROBOT_RADIUS)
    for i, name in enumerate(names):
        thing = things[name]
        if max(map(abs, thing.position[:2])) + footprint_radius(thing) > scene.wall_distance:
            raise SimulationError(f"{name} reaches through the wall of the room")
        for other in names[i + 1 :]:
            if _overlap(thing, things[other]):
                raise SimulationError(f"{name} and {other} overlap")
        if _meet(_outline(thing), robot, 0.0):
            raise SimulationError(f"{name} is where the robot starts, {room.start}")
    if max(abs(room.start.x), abs(room.start.y)) + ROBOT_RADIUS > scene.wall_distance:
        raise SimulationError(f"the robot starts in a wall, at {room.start}")


def half_height(thing: ObjectSpec) -> float:
    """How far in m the object reaches above its centre, as it is turned."""
    w, x, y, z = thing.quaternion
    # What the world's vertical is in the axes of the object.
    up = np.abs((2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)))
    a, b, c = thing.size
    flat = math.hypot(up[0], up[1])
    if thing.shape == "box":
        return float(up @ (a, b, c))
    if thing.shape == "ball":
        return a
    if thing.shape == "capsule":
        return a + b * float(up[2])
    half = b / 2 if thing.shape in ("cup", "cone") else b
    return a * flat + half * float(up[2])


def _overlap(one: ObjectSpec, other: ObjectSpec) -> bool:
    """Whether two things overlap: their extents in height, and their outlines on the floor."""
    gap = abs(one.position[2] - other.position[2]) - half_height(one) - half_height(other)
    if gap > -1e-3:
        return False  # one stands on the other, or above it
    return _meet(_outline(one), _outline(other), 1e-3)


Outline = tuple[np.ndarray, float]
"""Corners [N,2] on the floor, and a radius in m around their hull."""


def _outline(thing: ObjectSpec) -> Outline:
    centre = np.array(thing.position[:2])
    if thing.shape != "box":
        return centre[None], footprint_radius(thing)
    w, x, y, z = thing.quaternion
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    along = np.array([math.cos(yaw), math.sin(yaw)])
    across = np.array([-along[1], along[0]])
    a, b, _ = thing.size
    return centre + np.array([s * a * along + t * b * across for s, t in _CORNERS]), 0.0


_CORNERS = ((1, 1), (-1, 1), (-1, -1), (1, -1))


def _meet(a: Outline, b: Outline, depth: float) -> bool:
    """Whether two outlines overlap by more than a depth in m."""
    return all(_gap(a, b, axis) < -depth for axis in _axes(a, b))


def _axes(a: Outline, b: Outline) -> list[np.ndarray]:
    """Directions of which one separates two outlines, if they are apart."""
    axes = [edge for points, _ in (a, b) for edge in np.roll(points, 1, axis=0) - points]
    normals = [np.array([-e[1], e[0]]) for e in axes if np.linalg.norm(e) > 0]
    # Between round things, and from a corner to a round thing: along the line between them.
    between = [p - q for p in a[0] for q in b[0]]
    return [n / np.linalg.norm(n) for n in (*normals, *between) if np.linalg.norm(n) > 1e-12]


def _gap(a: Outline, b: Outline, axis: np.ndarray) -> float:
    """How far apart in m two outlines are along an axis; negative where they overlap."""
    first, second = a[0] @ axis, b[0] @ axis
    apart = max(second.min() - first.max(), first.min() - second.max())
    return float(apart) - a[1] - b[1]


DENSITY = 200.0
"""kg/m³ of loose objects."""
LIGHTEST, HEAVIEST = 0.03, 0.4
"""kg within which they are all the same."""

_TYPES = {"ball": "sphere", "plate": "cylinder"}
_FIXED = f'contype="{FIXED}" conaffinity="0" friction=".6 0 0" condim="3"'
_LOOSE = (
    f'contype="{LOOSE}" conaffinity="{GROUND | ROBOT | LOOSE | FIXED}" '
    # Rolling friction lets a ball come to rest.
    'friction=".7 .01 .002" condim="6" priority="1"'
)


def room_xml(room: RoomSpec, timestep: float) -> str:
    """The model of a room with the robot in it, for steps in s."""
    fixed = [
        f'<geom name="{name}" {_pose(thing)} {_shape(thing)} {_FIXED}/>'
        for name, thing in room.fixed.items()
    ]
    loose = [
        f"""
    <body name="object{i}" {_pose(thing)} sleep="init">
      <freejoint/>
      <geom name="object{i}" {_shape(thing)} mass="{mass(thing)}" {_LOOSE}/>
    </body>"""
        for i, thing in enumerate(room.scene.objects)
    ]
    welds = [
        f'<weld name="grip{i}" body1="tool" body2="object{i}" active="false" '
        'solref=".006 1" solimp=".95 .99 .001"/>'
        for i in range(len(room.scene.objects))
    ]
    ground = f'contype="{GROUND}" conaffinity="0" condim="3"'
    walls = [wall_xml(i, room.scene.wall_distance, _FIXED) for i in range(4)]
    return f"""
<mujoco model="room">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{timestep}" integrator="implicitfast" cone="elliptic" impratio="3">
    <flag sleep="enable"/>
  </option>
  <asset>{meshes_xml()}</asset>
  <include file="scenery.xml"/>
  <worldbody>
    {_overview(room)}
    {floor_xml(ground)}
    {"".join(walls)}{"".join(fixed)}{_ramp(room.ramp, ground)}
  </worldbody>
  <include file="robot.xml"/>
  <worldbody>{"".join(loose)}</worldbody>
  <equality>{"".join(welds)}</equality>
</mujoco>"""


def mass(thing: ObjectSpec) -> float:
    """Kg of a loose object."""
    a, b, c = thing.size
    volume = {
        "box": 8 * a * b * c,
        "ball": 4 / 3 * math.pi * a**3,
        "cylinder": 2 * math.pi * a * a * b,
        "plate": 2 * math.pi * a * a * b,
        "capsule": 2 * math.pi * a * a * b + 4 / 3 * math.pi * a**3,
        "cup": 0.4 * math.pi * a * a * b,
        "cone": math.pi * a * a * b / 3,
    }[thing.shape]
    return min(max(DENSITY * volume, LIGHTEST), HEAVIEST)


def _pose(thing: ObjectSpec) -> str:
    return f'pos="{_numbers(thing.position)}" quat="{_numbers(thing.quaternion)}"'


def _shape(thing: ObjectSpec) -> str:
    colour = f'rgba="{_numbers(thing.rgb)} 1"'
    if thing.shape in ("cup", "cone"):
        return f'type="mesh" mesh="{thing.shape}{thing.variant}" {colour}'
    kind = _TYPES.get(thing.shape, thing.shape)
    return f'type="{kind}" size="{_numbers(thing.size)}" {colour}'


def _ramp(ramp: RampSpec | None, ground: str) -> str:
    """A box, so tilted that its top is the slope; it goes on below the floor."""
    if ramp is None:
        return ""
    depth = ramp.height / math.cos(ramp.angle) / 2
    # From the foot along the slope, then from the slope inwards.
    along, up = ramp.length / 2, -depth
    forward = along * math.cos(ramp.angle) - up * math.sin(ramp.angle)
    z = along * math.sin(ramp.angle) + up * math.cos(ramp.angle)
    x, y = ramp.x + forward * math.cos(ramp.yaw), ramp.y + forward * math.sin(ramp.yaw)
    # The nose up is a negative turn about y.
    turn = BasePose(pitch=-ramp.angle, yaw=ramp.yaw).quaternion
    return (
        f'<geom name="ramp" type="box" size="{along} {ramp.width / 2} {depth}" '
        f'pos="{x} {y} {z}" quat="{_numbers(turn)}" rgba=".55 .55 .52 1" {ground}/>'
    )


def _overview(room: RoomSpec) -> str:
    """A camera to the right behind the robot's start that looks at the floor ahead of it."""
    level = replace(room.start, z=0.0, roll=0.0, pitch=0.0)
    at, aim = level.to_world(np.array([(-0.9, -2.0, 2.0), (0.7, 0.1, 0.25)]))
    # Inside the room: from behind the back wall nothing is seen.
    inside = room.scene.wall_distance - 0.1
    at[:2] = np.clip(at[:2], -inside, inside)
    forward = aim - at
    right = np.cross(forward, (0.0, 0.0, 1.0))
    up = np.cross(right, forward)
    return (
        f'<camera name="overview" pos="{_numbers(at)}" fovy="50" '
        f'xyaxes="{_numbers(right)} {_numbers(up)}"/>'
    )


def _numbers(values: Iterable[float]) -> str:
    return " ".join(repr(float(v)) for v in values)
