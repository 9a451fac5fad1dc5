"""The LiDAR of the simulator: it turns while time passes, and casts what is due in every step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.lidar import LidarSpec, SweepMaker
from vlam_ros.lab.simulation.rays import cast_rays
from vlam_ros.lab.simulation.robot_mjcf import HIDDEN_GROUP, UPPER_GROUP
from vlam_ros.types import LidarSweep

ROBOT_LIDAR = LidarSpec(columns=360, lowest=math.radians(-52))
"""A dome LiDAR that sees the floor from 0.4 m around the robot."""

_SEEN = np.ones(6, np.uint8)
_SEEN[[UPPER_GROUP, HIDDEN_GROUP]] = 0


class SpinningLidar:
    """A LiDAR on a moving base, whose sweeps follow one another without gaps."""

    def __init__(self, model: Any, spec: LidarSpec, timestep: float, rng: Generator) -> None:
        steps = 1 / (spec.rate * timestep)
        self._steps = round(steps)
        if self._steps < 1 or abs(steps - self._steps) > 1e-6:
            raise SimulationError(
                f"a sweep must take a whole number of steps of {timestep} s, "
                f"got {spec.rate} sweeps a second"
            )
        self._model, self._base = model, model.body("base").id
        self._maker = SweepMaker(spec, rng)
        directions, offsets = self._maker.directions, self._maker.offsets
        # Two steps are cast at once, when the middle of them has come.
        self._batch = 2 if self._steps % 2 == 0 else 1
        ends = timestep * np.arange(0, self._steps + 1, self._batch)
        self._edges = np.searchsorted(offsets, ends - 1e-9).tolist()
        self._directions = directions.reshape(-1, 3)
        batch = np.searchsorted(ends, offsets + 1e-9, side="right") - 1
        # Seconds from the time of its casting at which each ray is cast.
        away = offsets - ends[batch] - timestep * (self._batch - 1)
        self._turned = np.repeat(away, spec.rings)[:, None] * self._directions
        self._mount = np.array(spec.mount)
        self._rings = spec.rings
        self._ranges = np.empty(directions.shape[:2])
        self._hit = np.empty(len(self._directions), np.int32)

    def cast(self, data: Any, step: int) -> bool:
        """Cast the columns that are due; True if they were the last ones of a sweep.

        Args:
            data: positions as they were at the start of the step, velocities of any time near it.
            step: counted from the start.
        """
        step %= self._steps
        batch, rest = divmod(step, self._batch)
        if rest != self._batch - 1:
            return False
        first, last = self._edges[batch], self._edges[batch + 1]
        count = (last - first) * self._rings
        if count:
            rays = slice(first * self._rings, last * self._rings)
            turn = data.xmat[self._base].reshape(3, 3)
            x, y, z = data.qvel[3:6].tolist()
            turning = turn @ ((0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0))
            directions = self._directions[rays] @ turn.T + self._turned[rays] @ turning.T
            # All rays cast at once start from one point: at 0.4 m/s it is off by a millimetre.
            start = data.xpos[self._base] + turn @ self._mount
            distances, hit = self._ranges[first:last].reshape(-1), self._hit[:count]
            farthest = self._maker.spec.max_range + 1.0
            cast_rays(self._model, data, start, directions, distances, hit, _SEEN, farthest)
        return step == self._steps - 1

    def sweep(self, stamp: int) -> LidarSweep:
        """The sweep that was just finished, and began at `stamp` ns."""
        return self._maker.sweep(stamp, self._ranges)

    @property
    def steps(self) -> int:
        """Steps that a sweep takes."""
        return self._steps
