"""What the sensors of a simulated robot measure on a drive, in the order in which it arrives."""

from __future__ import annotations

from collections.abc import Iterator

from numpy.random import Generator

from vlam_ros.fusion import SensorFusion
from vlam_ros.lab.simulation.motion import Drift, Motion, odometry
from vlam_ros.lab.simulation.sensors import Arrival, Imu, ImuSpec, Lidar, LidarSpec
from vlam_ros.lab.simulation.world import World
from vlam_ros.types import ImuSample, LidarSweep, Odometry

ODOMETRY_EVERY = 4
"""Readings of the IMU for one of odometry: 50 Hz."""


class SensedDrive:
    """The sensors of a robot that moves through a world, with the errors of real ones."""

    def __init__(
        self, world: World, motion: Motion, rng: Generator, lidar: LidarSpec | None = None
    ) -> None:
        self.motion = motion
        self._lidar = Lidar(world, lidar or LidarSpec(), rng)
        self._world, self._imu = world, Imu(ImuSpec(), rng)
        self._drift = Drift.random(rng)

    def arrivals(
        self, start: float, end: float, first_sweep: float | None = None
    ) -> Iterator[Arrival]:
        """What arrives from `start` to `end` (s), by time; the LiDAR begins at `first_sweep`."""
        rate = self._imu.spec.rate
        sweeping = start if first_sweep is None else first_sweep
        for k in range(round(start * rate), round(end * rate)):
            t = k / rate
            while sweeping + 1 / self._lidar.spec.rate <= t:
                sweep = self._lidar.sweep(self.motion, sweeping)
                sweeping += 1 / self._lidar.spec.rate
                yield Arrival(round(sweeping * 1e9), sweep)
            stamp = round(t * 1e9)
            yield Arrival(stamp, self._imu.reading(stamp, *self._world.inertial(self.motion, t)))
            if k % ODOMETRY_EVERY == 0:
                yield Arrival(stamp, odometry(self.motion, t, stamp, self._drift))


def feed(fusion: SensorFusion, arrival: Arrival) -> None:
    """Give fusion what arrived, if it is of its sensors; SensorError if it does not want it."""
    measured = arrival.measured
    if isinstance(measured, ImuSample):
        fusion.add_imu(measured, arrival.now)
    elif isinstance(measured, LidarSweep):
        fusion.add_cloud(measured, arrival.now)
    elif isinstance(measured, Odometry):
        fusion.add_odometry(measured, arrival.now)
