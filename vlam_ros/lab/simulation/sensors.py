"""What the simulated IMU and LiDAR measure, with the errors of real ones.

The columns of a LiDAR fire one after another, each from where the base is then: what it measures
is skewed as a real sweep is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.motion import Motion
from vlam_ros.lab.simulation.robot import HIDDEN_GROUP, UPPER_GROUP
from vlam_ros.lab.simulation.scene import triple
from vlam_ros.types import (
    FloatArray,
    GripperState,
    ImuSample,
    JointState,
    LidarSweep,
    Odometry,
    Uint8Array,
)

if TYPE_CHECKING:
    from vlam_ros.lab.simulation.world import World


@dataclass(frozen=True)
class LidarSpec:
    """A spinning LiDAR that stands level on the base.

    `rate` is in sweeps per second, `lowest` and `highest` are the elevations of the outer rings in
    rad. Ranges and `noise` (standard deviation along the ray) are in m, `dropout` is the share of
    returns that get lost, `mount` is the sensor's place in `base_link`.
    """

    rings: int = 32
    columns: int = 720
    rate: float = 10.0
    lowest: float = math.radians(-30)
    highest: float = math.radians(5)
    min_range: float = 0.1
    max_range: float = 30.0
    noise: float = 0.01
    dropout: float = 0.02
    mount: tuple[float, float, float] = (0.0, 0.0, 0.45)

    def __post_init__(self) -> None:
        if self.rings < 1 or self.columns < 1 or self.rate <= 0:
            raise SimulationError(f"a LiDAR needs rings, columns and a rate, got {self}")
        if not -math.pi / 2 < self.lowest <= self.highest < math.pi / 2:
            raise SimulationError(f"elevations must go up from lowest to highest, got {self}")
        if not 0 <= self.min_range < self.max_range or self.noise < 0 or not 0 <= self.dropout <= 1:
            raise SimulationError(f"a LiDAR's ranges, noise or dropout make no sense: {self}")

    @cached_property
    def directions(self) -> npt.NDArray[np.float64]:
        """Unit vectors float64[columns,rings,3] of the rays in `base_link`, in order of time.

        A sweep starts behind the robot and turns anticlockwise; rings go from lowest to highest.
        """
        azimuth = -math.pi + math.tau * np.arange(self.columns)[:, None] / self.columns
        elevation = np.linspace(self.lowest, self.highest, self.rings)[None]
        flat = np.cos(elevation)
        up = np.broadcast_to(np.sin(elevation), (self.columns, self.rings))
        return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), up], axis=2)

    @cached_property
    def offsets(self) -> npt.NDArray[np.float64]:
        """Seconds float64[columns] from the start of a sweep at which each column fires."""
        return np.arange(self.columns) / (self.columns * self.rate)


class SweepMaker:
    """Makes sweeps, with the errors of a LiDAR, of what a perfect one would measure."""

    def __init__(self, spec: LidarSpec, rng: Generator) -> None:
        self.spec = spec
        self._rng = rng

    def sweep(self, stamp: int, ranges: FloatArray) -> LidarSweep:
        """The sweep of true ranges float64[columns,rings] in m, infinite for a miss.

        Misses, lost returns and hits beyond the limits of range are left out.
        """
        spec, rng = self.spec, self._rng
        # Drawn for every ray, so that one sweep's random numbers do not hang on what was hit.
        kept = rng.random(ranges.shape) >= spec.dropout
        noise = rng.normal(0.0, spec.noise, ranges.shape)
        kept &= (ranges >= spec.min_range) & (ranges <= spec.max_range)
        points = spec.mount + spec.directions[kept] * (ranges + noise)[kept, None]
        offsets = np.broadcast_to(spec.offsets[:, None], ranges.shape)[kept]
        return LidarSweep(stamp, points.astype(np.float32), offsets)


class Lidar:
    """The LiDAR on the base of a world."""

    def __init__(self, world: World, spec: LidarSpec, rng: Generator) -> None:
        self.spec = spec
        self._world = world
        self._maker = SweepMaker(spec, rng)

    def sweep(self, motion: Motion, start: float) -> LidarSweep:
        """The sweep that starts at `start` seconds of the motion; its stamp is that time in ns.

        The world's base is where it was before.
        """
        world, mount = self._world, np.array(self.spec.mount)
        before = world.pose
        directions = self.spec.directions
        ranges = np.empty(directions.shape[:2])
        for column, offset in enumerate(self.spec.offsets):
            world.move(motion.pose(start + float(offset)))
            ranges[column] = world.cast(mount, directions[column])
        world.move(before)
        return self._maker.sweep(round(start * 1e9), ranges)


Measurement = ImuSample | LidarSweep | Odometry | JointState | GripperState


@dataclass(frozen=True)
class Arrival:
    """A measurement, and the time in ns at which it is there."""

    now: int
    measured: Measurement


def cast_rays(
    model: Any,
    data: Any,
    start: FloatArray,
    directions: FloatArray,
    distances: npt.NDArray[np.float64],
    hit: npt.NDArray[np.int32],
    groups: Uint8Array | None = None,
    farthest: float = mujoco.mjMAXVAL,
) -> None:
    """Fill `distances` float64[N] with metres to the nearest surface, infinite for none.

    Rays go from `start` float[3] along unit vectors float[N,3], both in the world. `groups`
    uint8[6] says which groups of geoms are in the way (None: all); surfaces beyond `farthest` (m)
    need not be found. MuJoCo writes in `hit` int32[N].
    """
    mujoco.mj_multiRay(
        model,
        data,
        start,
        directions.ravel(),
        groups,
        1,  # the static scene, too
        -1,  # no body is transparent
        hit,
        distances,
        None,
        len(directions),
        farthest,
    )
    distances[hit < 0] = np.inf


@dataclass(frozen=True)
class ImuSpec:
    """The errors of an IMU.

    `rate` is in samples per second. Noise is the standard deviation of a sample, a bias the most
    that an axis is off for good: rad/s of the gyroscope, m/s² of the accelerometer. A bias of
    0.03 m/s² tilts what the accelerometer takes for level by 0.17 degrees.
    """

    rate: float = 200.0
    gyro_noise: float = 0.002
    gyro_bias: float = 0.01
    force_noise: float = 0.03
    force_bias: float = 0.03

    def __post_init__(self) -> None:
        errors = (self.gyro_noise, self.gyro_bias, self.force_noise, self.force_bias)
        if self.rate <= 0 or min(errors) < 0:
            raise SimulationError(f"an IMU needs a rate and no negative errors, got {self}")


class Imu:
    """What an IMU makes of the truth; its biases are drawn once."""

    def __init__(self, spec: ImuSpec, rng: Generator) -> None:
        self.spec = spec
        self.gyro_bias = rng.uniform(-spec.gyro_bias, spec.gyro_bias, 3)
        self.force_bias = rng.uniform(-spec.force_bias, spec.force_bias, 3)
        self._rng = rng

    def reading(self, stamp: int, rate: FloatArray, force: FloatArray) -> ImuSample:
        """The reading (REP-145) of a true rate (rad/s) and specific force (m/s²), float64[3]."""
        spec, rng = self.spec, self._rng
        rate = rate + self.gyro_bias + rng.normal(0.0, spec.gyro_noise, 3)
        force = force + self.force_bias + rng.normal(0.0, spec.force_noise, 3)
        return ImuSample(stamp, triple(rate), triple(force))


def steps_between(rate: float, timestep: float) -> int:
    """The steps of `timestep` s from one to the next of `rate` measurements a second.

    SimulationError unless they are a whole number.
    """
    steps = 1 / (rate * timestep)
    if round(steps) < 1 or abs(steps - round(steps)) > 1e-6:
        raise SimulationError(
            f"{rate} measurements a second are no whole number of steps of {timestep} s"
        )
    return round(steps)


ROBOT_LIDAR = LidarSpec(columns=360, lowest=math.radians(-52))
"""A dome LiDAR that sees the floor from 0.4 m around the robot."""

_SEEN = np.ones(6, np.uint8)
_SEEN[[UPPER_GROUP, HIDDEN_GROUP]] = 0


class SpinningLidar:
    """A LiDAR on a moving base, whose sweeps of so many `steps` follow one another without gaps.

    It turns while time passes, and casts what is due in every step.
    """

    def __init__(self, model: Any, spec: LidarSpec, timestep: float, rng: Generator) -> None:
        self.steps = steps_between(spec.rate, timestep)
        self._model, self._base = model, model.body("base").id
        self._maker = SweepMaker(spec, rng)
        directions, offsets = spec.directions, spec.offsets
        # Two steps are cast at once, when the middle of them has come.
        self._batch = 2 if self.steps % 2 == 0 else 1
        ends = timestep * np.arange(0, self.steps + 1, self._batch)
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

        `data` has positions of the start of the step (counted from the start), and velocities of
        any time near it.
        """
        step %= self.steps
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
        return step == self.steps - 1

    def sweep(self, stamp: int) -> LidarSweep:
        """The sweep that was just finished, and began at `stamp` ns."""
        return self._maker.sweep(stamp, self._ranges)
