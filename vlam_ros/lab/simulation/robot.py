"""The MuJoCo model of the robot: a differential base with a mast and an arm with a suction cup.

The frame of the body "base" is `base_link`. The arm is a boom that pans about the mast, a carriage
that slides along it, and a rod that goes up and down through the carriage, the cup at its lower
end. The wheels roll on spheres, which touch floor and ramp in one point each. A sprung
caster behind them lets the base pitch; another one in front keeps it from tipping over.

Groups of geoms: the overview draws all but HIDDEN, which only collide. The LiDAR sees ROBOT and
ROD; UPPER are out of its way. The robot's own camera sees ROD when it is lowered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.types import JointState, Odometry, VelocityCommand

UPPER_GROUP, ROBOT_GROUP, ROD_GROUP, HIDDEN_GROUP = 2, 3, 4, 5

# Bits of contype and conaffinity: what may touch what.
GROUND, ROBOT, LOOSE, FIXED = 1, 2, 4, 8

WHEEL_RADIUS = 0.08
TRACK = 0.32
"""m between the wheels."""
WHEEL_TORQUE = 1.4
"""Nm of each motor: 35 N of thrust, 2.4 m/s² on the level."""

REAR_LOAD = 38.2
"""N that the caster behind the wheels carries while the robot stands."""

MAST_X = -0.15
"""m; where the axis of `arm_pan` stands in `base_link`."""
REACH = 0.30
"""m from that axis to the tool while `arm_extend` is 0."""
TOOL_HEIGHT = 0.95
"""m of the tip over the floor while `arm_lift` is 0."""
PRESS = 3.0
"""N with which the tool presses on what is below it."""
LIFT_FORCE = 40.0
"""N with which the arm lifts."""

_TOOL_MASS = 0.14
_WEIGHT = 9.81 * _TOOL_MASS


@dataclass(frozen=True)
class Joint:
    """One joint of the arm: limits in rad or m, top speed in their units per second."""

    name: str
    low: float
    high: float
    speed: float


ARM = (
    Joint("arm_pan", -2.6, 2.6, 1.5),
    Joint("arm_extend", 0.0, 0.70, 0.75),
    Joint("arm_lift", 0.0, 0.94, 1.0),
)
"""The arm's joints in order of commands and measurements."""

ROBOT_DEFAULTS = f"""
  <default class="body">
    <geom group="{ROBOT_GROUP}" contype="{ROBOT}" conaffinity="{GROUND | FIXED}" mass="0"
      rgba=".32 .36 .42 1" friction=".4 0 0" priority="1" condim="3"/>
  </default>
  <default class="seen"><geom group="{UPPER_GROUP}" contype="0" conaffinity="0" mass="0"/></default>
  <default class="rolling">
    <geom type="sphere" group="{HIDDEN_GROUP}" contype="0" conaffinity="{GROUND}" mass="0"
      priority="3" solref=".008 1"/>
  </default>
  <default class="arm"><joint type="slide" damping="1"/></default>"""


def _wheel(side: str, y: float) -> str:
    return f"""
    <body name="{side}_wheel" pos="0 {y} {WHEEL_RADIUS}">
      <inertial mass=".6" pos="0 0 0" diaginertia=".001 .002 .001"/>
      <joint name="{side}_wheel" axis="0 1 0" armature=".004" damping=".01"/>
      <geom class="rolling" name="{side}_wheel" size="{WHEEL_RADIUS}" condim="3" friction="1 0 0"/>
      <geom class="seen" type="cylinder" size="{WHEEL_RADIUS} .015" zaxis="0 1 0"
        rgba=".1 .1 .1 1"/>
      <geom class="seen" type="box" size=".05 .017 .012" rgba=".5 .5 .5 1"/>
    </body>"""


def _caster(name: str, x: float, clearance: float, spring: str) -> str:
    """A ball that slides on the floor, so far above it (m) when the robot stands level."""
    radius = 0.03
    return f"""
    <body name="{name}_caster" pos="{x} 0 {radius + clearance}">
      <inertial mass=".1" pos="0 0 0" diaginertia="4e-5 4e-5 4e-5"/>
      <joint name="{name}_caster" type="slide" axis="0 0 1" armature="2" {spring}/>
      <geom class="rolling" name="{name}_caster" size="{radius}" condim="1"/>
    </body>"""


def robot_xml(camera: str = '<camera name="camera" pos="0 0 1"/>') -> str:
    """The robot's body, to stand in a world with ROBOT_DEFAULTS."""
    pan, extend, lift = (f'name="{j.name}" range="{j.low} {j.high}"' for j in ARM)
    boom_z = 1.05
    rear = f'stiffness="20000" springref="{-REAR_LOAD / 20000}" damping="500"'
    return f"""
    <body name="base">
      <freejoint name="base"/>
      <inertial mass="12.6" pos="-.0416 0 .08" diaginertia=".22 .22 .20"/>
      {camera}
      <site name="imu" group="5"/>
      <geom class="body" name="chassis" type="cylinder" size=".18 .11" pos="0 0 .14"
        rgba=".85 .85 .88 1"/>
      <geom class="body" name="mast" type="cylinder" size=".012 .415" pos="{MAST_X} 0 .665"/>
      <geom class="seen" type="box" size=".02 .03 .02" pos=".07 0 .62" rgba=".1 .1 .1 1"/>
      <geom class="seen" type="box" size=".11 .008 .008" pos="-.04 0 .64"/>
      {_wheel("left", TRACK / 2)}{_wheel("right", -TRACK / 2)}
      {_caster("rear", -0.13, 0.0, rear)}
      {_caster("front", 0.13, 0.006, 'stiffness="1500" damping="150"')}
      <body name="boom" pos="{MAST_X} 0 {boom_z}">
        <inertial mass=".2" pos=".12 0 0" diaginertia=".0005 .003 .003"/>
        <joint {pan} axis="0 0 1" armature=".1" damping=".5"/>
        <geom class="body" group="{UPPER_GROUP}" name="boom" type="box" size=".16 .02 .02"
          pos=".13 0 0"/>
        <body name="carriage" pos="{REACH} 0 0">
          <inertial mass=".2" pos="-.15 0 0" diaginertia=".0002 .006 .006"/>
          <joint class="arm" {extend} axis="1 0 0" armature=".5"/>
          <geom class="body" group="{UPPER_GROUP}" name="beam" type="box" size=".36 .012 .012"
            pos="-.33 0 0" rgba=".6 .62 .66 1"/>
          <body name="tool" pos="0 0 {TOOL_HEIGHT - boom_z}">
            <inertial mass="{_TOOL_MASS}" pos="0 0 .3" diaginertia=".01 .01 .0001"/>
            <joint class="arm" {lift} axis="0 0 -1" armature=".05"/>
            <geom class="body" group="{ROD_GROUP}" name="rod" type="cylinder" size=".012 .5"
              pos="0 0 .52" rgba=".25 .25 .28 1"/>
            <geom class="body" group="{ROD_GROUP}" name="cup" type="cylinder" size=".02 .01"
              pos="0 0 .01" rgba=".12 .12 .12 1" friction="2 .01 .001" condim="4" priority="2"/>
            <site name="tip" group="5"/>
          </body>
        </body>
      </body>
    </body>"""


def robot_actuators() -> str:
    """The two wheels' velocity servos, then the arm's position servos, in order of ARM."""
    wheels = "".join(
        f'<velocity name="{side}" joint="{side}_wheel" kv="10" '
        f'forcerange="-{WHEEL_TORQUE} {WHEEL_TORQUE}"/>'
        for side in ("left", "right")
    )
    # The lift balances its own weight, so that its force is what presses or lifts.
    return f"""<actuator>{wheels}
    <general name="arm_pan" joint="arm_pan" biastype="affine" gainprm="800" biasprm="0 -800 -26"
      forcerange="-40 40"/>
    <general name="arm_extend" joint="arm_extend" biastype="affine" gainprm="3000"
      biasprm="0 -3000 -100" forcerange="-60 60"/>
    <general name="arm_lift" joint="arm_lift" biastype="affine" gainprm="2500"
      biasprm="-{_WEIGHT} -2500 -50" forcerange="-{LIFT_FORCE} {PRESS - _WEIGHT}"/>
  </actuator>
  <sensor>
    <gyro name="gyro" site="imu"/><accelerometer name="accelerometer" site="imu"/>
  </sensor>"""


TOP_SPEED = 1.2
"""m/s of the rim, at which the motors turn no faster."""
RADIUS_ERROR = 0.005
"""Standard deviation of the relative error with which each wheel's radius is known."""

_TRIM_GAIN, _TRIM_LIMIT, _TRIM_NEAR = 8.0, 0.3, 1.0
_SIDES = ("left", "right")


class Wheels:
    """Drives a model's wheels, and counts their turns."""

    def __init__(self, model: Any, data: Any, rng: Generator) -> None:
        self._data = data
        self._control = [model.actuator(side).id for side in _SIDES]
        joints = [model.joint(f"{side}_wheel") for side in _SIDES]
        self._angle = [int(joint.qposadr[0]) for joint in joints]
        self._speed = [int(joint.dofadr[0]) for joint in joints]
        self._believed = (WHEEL_RADIUS * (1 + rng.normal(0, RADIUS_ERROR, 2))).tolist()
        self._target = [0.0, 0.0]
        self._trim = [0.0, 0.0]
        self._counted = self._angles()
        self._x = self._y = self._yaw = 0.0

    def command(self, velocity: VelocityCommand) -> None:
        """Turn the wheels so that the base would move like that, did they not slip."""
        if not (math.isfinite(velocity.linear) and math.isfinite(velocity.angular)):
            raise SimulationError(f"a velocity must be finite, got {velocity}")
        for i, side in enumerate((-1, 1)):
            rim = velocity.linear + side * velocity.angular * TRACK / 2
            self._target[i] = max(-TOP_SPEED, min(TOP_SPEED, rim)) / WHEEL_RADIUS

    def control(self, elapsed: float) -> None:
        """Set the motors; `elapsed` seconds after the time before."""
        data = self._data
        for i in range(2):
            error = self._target[i] - data.qvel[self._speed[i]]
            # The integral part holds the robot on a slope; it waits while the motor gives its all.
            if abs(error) < _TRIM_NEAR:
                trim = self._trim[i] + _TRIM_GAIN * elapsed * error
                self._trim[i] = max(-_TRIM_LIMIT, min(_TRIM_LIMIT, trim))
            data.ctrl[self._control[i]] = self._target[i] + self._trim[i]

    def odometry(self, stamp: int) -> Odometry:
        """Where the turns of the wheels say the base is, from (0, 0, 0) at the start."""
        angles = self._angles()
        left, right = (
            radius * (now - before)
            for radius, now, before in zip(self._believed, angles, self._counted, strict=True)
        )
        self._counted = angles
        way, turn = (left + right) / 2, (right - left) / TRACK
        self._x += way * math.cos(self._yaw + turn / 2)
        self._y += way * math.sin(self._yaw + turn / 2)
        self._yaw = math.remainder(self._yaw + turn, math.tau)
        rates = [self._believed[i] * float(self._data.qvel[self._speed[i]]) for i in range(2)]
        return Odometry(
            stamp,
            x=self._x,
            y=self._y,
            yaw=self._yaw,
            speed=(rates[0] + rates[1]) / 2,
            yaw_rate=(rates[1] - rates[0]) / TRACK,
        )

    def _angles(self) -> list[float]:
        return [float(self._data.qpos[adr]) for adr in self._angle]


class ArmServos:
    """Moves the arm's joints to their targets, no faster than each can."""

    def __init__(self, model: Any, data: Any, timestep: float) -> None:
        self._data = data
        joints = [model.joint(joint.name) for joint in ARM]
        self._position = [int(joint.qposadr[0]) for joint in joints]
        self._control = [model.actuator(joint.name).id for joint in ARM]
        self._steps = [timestep * joint.speed for joint in ARM]
        self._setpoint = [0.0] * len(ARM)
        self._target = [0.0] * len(ARM)
        self._names = tuple(joint.name for joint in ARM)

    def reach(self, joints: Sequence[float]) -> None:
        """New targets in order of ARM (rad, m), clipped to the joints' limits."""
        if len(joints) != len(ARM) or not all(map(math.isfinite, joints)):
            raise SimulationError(f"the arm needs {len(ARM)} finite positions, got {list(joints)}")
        self._target = [
            max(joint.low, min(joint.high, float(value)))
            for joint, value in zip(ARM, joints, strict=True)
        ]

    def control(self) -> None:
        """Move the servos' set points on by one step."""
        if self._setpoint == self._target:
            return
        for i, step in enumerate(self._steps):
            away = self._target[i] - self._setpoint[i]
            # The end is the target itself, so that a target reached costs nothing.
            point = self._target[i] if abs(away) <= step else self._setpoint[i] + step * _sign(away)
            self._setpoint[i] = point
            self._data.ctrl[self._control[i]] = point

    def state(self, stamp: int) -> JointState:
        """Where the joints are."""
        qpos = self._data.qpos
        return JointState(stamp, self._names, tuple(float(qpos[i]) for i in self._position))


class Suction:
    """A cup that holds the first loose object that touches it while there is vacuum."""

    def __init__(self, model: Any, data: Any, objects: int) -> None:
        self._model, self._data = model, data
        self._tool = model.body("tool").id
        self._cup = model.geom("cup").id
        self._bodies = [model.body(f"object{i}").id for i in range(objects)]
        self._welds = [model.equality(f"grip{i}").id for i in range(objects)]
        self._index = {model.geom(f"object{i}").id: i for i in range(objects)}
        self.closed = False
        self.held: int | None = None

    def command(self, closed: bool) -> None:
        """Vacuum on or off; off drops what is held."""
        self.closed = closed
        if not closed and self.held is not None:
            self._data.eq_active[self._welds[self.held]] = 0
            self.held = None

    @property
    def seeks(self) -> bool:
        """Whether it would take hold of what touches it."""
        return self.closed and self.held is None

    def take(self) -> None:
        """Take hold of the object that touches the cup deepest, if one does."""
        deepest, taken = 0.0, None
        for contact in self._data.contact[: self._data.ncon]:
            one, other = contact.geom.tolist()
            if self._cup in (one, other):
                i = self._index.get(other if one == self._cup else one)
                if i is not None and contact.dist <= deepest:
                    deepest, taken = contact.dist, i
        if taken is not None:
            self._weld(taken)

    def _weld(self, i: int) -> None:
        """Hold object `i` as it is to the cup now."""
        data, body, tool = self._data, self._bodies[i], self._tool
        back = data.xmat[tool].reshape(3, 3).T
        inverse, turn = np.empty(4), np.empty(4)
        mujoco.mju_negQuat(inverse, data.xquat[tool])
        mujoco.mju_mulQuat(turn, inverse, data.xquat[body])
        place = back @ (data.xpos[body] - data.xpos[tool])
        # Anchor at the object's origin, where it is in the tool's frame, how it is turned there,
        # and how much a turn counts against a shift (m).
        self._model.eq_data[self._welds[i], :11] = (0.0, 0.0, 0.0, *place, *turn, 1.0)
        data.eq_active[self._welds[i]] = 1
        self.held = i


def _sign(value: float) -> float:
    return math.copysign(1.0, value)
