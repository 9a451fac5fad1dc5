"""The robot's arm and its suction cup: position servos with a top speed, and what the cup holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.robot_mjcf import ARM
from vlam_ros.types import JointState


class Arm:
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
