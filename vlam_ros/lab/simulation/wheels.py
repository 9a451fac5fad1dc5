"""The base's two wheels: how they are told to turn, and the odometry that their encoders give."""

from __future__ import annotations

import math
from typing import Any

from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.robot_mjcf import TRACK, WHEEL_RADIUS
from vlam_ros.types import Odometry, VelocityCommand

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
