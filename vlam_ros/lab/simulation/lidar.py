"""A LiDAR whose rings spin: its columns fire one after another, each from where the base is then.

What it measures is skewed as a real sweep is, because the motion of the base is in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.motion import Motion
from vlam_ros.lab.simulation.world import World
from vlam_ros.types import FloatArray, LidarSweep


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

    @property
    def directions(self) -> npt.NDArray[np.float64]:
        """Unit vectors float64[columns,rings,3] of the rays in `base_link`, in order of time.

        A sweep starts behind the robot and turns anticlockwise; rings go from lowest to highest.
        """
        azimuth = -math.pi + math.tau * np.arange(self.columns)[:, None] / self.columns
        elevation = np.linspace(self.lowest, self.highest, self.rings)[None]
        flat = np.cos(elevation)
        up = np.broadcast_to(np.sin(elevation), (self.columns, self.rings))
        return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), up], axis=2)

    @property
    def offsets(self) -> npt.NDArray[np.float64]:
        """Seconds float64[columns] from the start of a sweep at which each column fires."""
        return np.arange(self.columns) / (self.columns * self.rate)


class SweepMaker:
    """Makes sweeps, with the errors of a LiDAR, of what a perfect one would measure."""

    def __init__(self, spec: LidarSpec, rng: Generator) -> None:
        self.spec = spec
        self.directions, self.offsets = spec.directions, spec.offsets
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
        points = spec.mount + self.directions[kept] * (ranges + noise)[kept, None]
        offsets = np.broadcast_to(self.offsets[:, None], ranges.shape)[kept]
        return LidarSweep(stamp, points.astype(np.float32), offsets)


class Lidar:
    """The LiDAR on the base of a world."""

    def __init__(self, world: World, spec: LidarSpec, rng: Generator) -> None:
        self.spec = spec
        self._world = world
        self._maker = SweepMaker(spec, rng)

    def sweep(self, motion: Motion, start: float) -> LidarSweep:
        """The sweep that starts at `start` seconds of the motion; its stamp is that time in ns.

        Misses, lost returns and hits beyond the limits of range are left out. The world's base is
        where it was before.
        """
        return self._maker.sweep(round(start * 1e9), self._ranges(motion, start))

    def _ranges(self, motion: Motion, start: float) -> npt.NDArray[np.float64]:
        """What a perfect LiDAR measures: float64[columns,rings] in m, infinite for a miss."""
        world, mount = self._world, np.array(self.spec.mount)
        before = world.pose
        directions = self._maker.directions
        ranges = np.empty(directions.shape[:2])
        for column, offset in enumerate(self._maker.offsets):
            world.move(motion.pose(start + float(offset)))
            ranges[column] = world.cast(mount, directions[column])
        world.move(before)
        return ranges
