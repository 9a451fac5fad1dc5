"""The robot of `robot.xml`: its wheels, its arm and its suction cup.

Groups of geoms: the overview draws all but HIDDEN, which only collide. The LiDAR sees ROBOT and
ROD; UPPER are out of its way. The robot's own camera sees ROD when it is lowered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.types import JointState, Odometry, VelocityCommand

UPPER_GROUP, ROBOT_GROUP, ROD_GROUP, HIDDEN_GROUP = 2, 3, 4, 5

# Bits of contype and conaffinity: what may touch what.
GROUND, ROBOT, LOOSE, FIXED = 1, 2, 4, 8

ARM = {"arm_pan": 1.5, "arm_extend": 0.75, "arm_lift": 1.0}
"""The arm's joints in order of commands and measurements, with their top speeds in rad/s or m/s."""

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
        self._radius = float(model.geom("left_wheel").size[0])
        self._track = 2 * float(model.body("left_wheel").pos[1])
        self._believed = self._radius * (1 + rng.normal(0, RADIUS_ERROR, 2))
        self._target = [0.0, 0.0]
        self._trim = [0.0, 0.0]
        self._counted = data.qpos[self._angle]
        self._x = self._y = self._yaw = 0.0

    def command(self, velocity: VelocityCommand) -> None:
        """Turn the wheels so that the base would move like that, did they not slip."""
        if not (math.isfinite(velocity.linear) and math.isfinite(velocity.angular)):
            raise SimulationError(f"a velocity must be finite, got {velocity}")
        for i, side in enumerate((-1, 1)):
            rim = velocity.linear + side * velocity.angular * self._track / 2
            self._target[i] = max(-TOP_SPEED, min(TOP_SPEED, rim)) / self._radius

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
        angles = self._data.qpos[self._angle]
        left, right = (self._believed * (angles - self._counted)).tolist()
        self._counted = angles
        way, turn = (left + right) / 2, (right - left) / self._track
        self._x += way * math.cos(self._yaw + turn / 2)
        self._y += way * math.sin(self._yaw + turn / 2)
        self._yaw = math.remainder(self._yaw + turn, math.tau)
        rates = (self._believed * self._data.qvel[self._speed]).tolist()
        return Odometry(
            stamp,
            x=self._x,
            y=self._y,
            yaw=self._yaw,
            speed=(rates[0] + rates[1]) / 2,
            yaw_rate=(rates[1] - rates[0]) / self._track,
        )


class ArmServos:
    """Moves the arm's joints to their targets, no faster than each can."""

    def __init__(self, model: Any, data: Any, timestep: float) -> None:
        self._data = data
        joints = [model.joint(name) for name in ARM]
        self._low, self._high = np.array([joint.range for joint in joints]).T
        self._position = [int(joint.qposadr[0]) for joint in joints]
        self._control = [model.actuator(name).id for name in ARM]
        self._steps = [timestep * speed for speed in ARM.values()]
        self._setpoint = [0.0] * len(ARM)
        self._target = [0.0] * len(ARM)

    def reach(self, joints: Sequence[float]) -> None:
        """New targets in order of ARM (rad, m), clipped to the joints' limits."""
        if len(joints) != len(ARM) or not all(map(math.isfinite, joints)):
            raise SimulationError(f"the arm needs {len(ARM)} finite positions, got {list(joints)}")
        self._target = np.clip(joints, self._low, self._high).tolist()

    def control(self) -> None:
        """Move the servos' set points on by one step."""
        if self._setpoint == self._target:
            return
        # The end is the target itself, so that a target reached costs nothing.
        self._setpoint = [
            min(max(target, point - step), point + step)
            for target, point, step in zip(self._target, self._setpoint, self._steps, strict=True)
        ]
        self._data.ctrl[self._control] = self._setpoint

    def state(self, stamp: int) -> JointState:
        """Where the joints are."""
        qpos = self._data.qpos
        return JointState(stamp, tuple(ARM), tuple(float(qpos[i]) for i in self._position))


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

    def take(self) -> None:
        """Take hold of the object that touches the cup deepest, if one does and it is free."""
        if not self.closed or self.held is not None:
            return
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
