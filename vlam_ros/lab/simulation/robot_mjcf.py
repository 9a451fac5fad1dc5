"""The MuJoCo model of the robot: a differential base with a mast and an arm with a suction cup.

The frame of the body "base" is `base_link`. The arm is a boom that pans about the mast, a carriage
that slides along it, and a rod that goes up and down through the carriage, the cup at its lower
end. The wheels roll on spheres, which touch floor and ramp in one point each. A sprung
caster behind them lets the base pitch; another one in front keeps it from tipping over.

Groups of geoms: the overview draws all but HIDDEN, which only collide. The LiDAR sees ROBOT and
ROD; UPPER are out of its way. The robot's own camera sees ROD when it is lowered.
"""

from __future__ import annotations

from dataclasses import dataclass

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
