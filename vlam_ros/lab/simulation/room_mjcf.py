"""The MuJoCo model of a room: what stands fixed in it, what lies loose, and the robot."""

from __future__ import annotations

import math

from vlam_ros.lab.simulation.mjcf import LIGHT, assets_xml, floor_xml, visual_xml, wall_xml
from vlam_ros.lab.simulation.robot_mjcf import (
    FIXED,
    GROUND,
    LOOSE,
    ROBOT,
    ROBOT_DEFAULTS,
    robot_actuators,
    robot_xml,
)
from vlam_ros.lab.simulation.room import RampSpec, RoomSpec
from vlam_ros.lab.simulation.scene import ObjectSpec

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


def room_xml(room: RoomSpec, width: int, height: int, timestep: float) -> str:
    """The model of a room, for images of up to this size in pixels and steps in s."""
    fixed = [
        f'<geom name="{name}" {_pose(thing)} {_shape(thing)} {_FIXED}/>'
        for name, thing in room.fixed.items()
    ]
    loose = [_loose(i, thing) for i, thing in enumerate(room.scene.objects)]
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
  {visual_xml(width, height)}
  <default>{ROBOT_DEFAULTS}</default>
  {assets_xml()}
  <worldbody>
    {LIGHT}
    {_overview(room)}
    {floor_xml(ground)}
    {"".join(walls)}{"".join(fixed)}{_ramp(room.ramp, ground)}
    {robot_xml()}
    {"".join(loose)}
  </worldbody>
  <equality>{"".join(welds)}</equality>
  {robot_actuators()}
</mujoco>"""


def _loose(i: int, thing: ObjectSpec) -> str:
    return f"""
    <body name="object{i}" {_pose(thing)} sleep="init">
      <freejoint/>
      <geom name="object{i}" {_shape(thing)} mass="{mass(thing)}" {_LOOSE}/>
    </body>"""


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
    a, b = ramp.yaw / 2, -ramp.angle / 2  # the nose up is a negative turn about y
    turn = (
        math.cos(a) * math.cos(b),
        -math.sin(a) * math.sin(b),
        math.cos(a) * math.sin(b),
        math.sin(a) * math.cos(b),
    )
    return (
        f'<geom name="ramp" type="box" size="{along} {ramp.width / 2} {depth}" '
        f'pos="{x} {y} {z}" quat="{_numbers(turn)}" rgba=".55 .55 .52 1" {ground}/>'
    )


def _overview(room: RoomSpec) -> str:
    """A camera to the right behind the robot's start that looks at the floor ahead of it."""
    start = room.start
    c, s = math.cos(start.yaw), math.sin(start.yaw)

    def place(x: float, y: float) -> tuple[float, float]:
        return start.x + c * x - s * y, start.y + s * x + c * y

    # Inside the room: from behind the back wall nothing is seen.
    inside = room.scene.wall_distance - 0.1
    x, y = (max(-inside, min(inside, v)) for v in place(-0.9, -2.0))
    aim_x, aim_y = place(0.7, 0.1)
    z, aim_z = 2.0, 0.25
    forward = (aim_x - x, aim_y - y, aim_z - z)
    right = (forward[1], -forward[0], 0.0)
    up = (
        right[1] * forward[2] - right[2] * forward[1],
        right[2] * forward[0] - right[0] * forward[2],
        right[0] * forward[1] - right[1] * forward[0],
    )
    return (
        f'<camera name="overview" pos="{x} {y} {z}" fovy="50" '
        f'xyaxes="{_numbers(right)} {_numbers(up)}"/>'
    )


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(repr(float(v)) for v in values)
