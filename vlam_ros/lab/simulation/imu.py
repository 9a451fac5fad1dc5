"""An IMU at the origin of `base_link`: MuJoCo's gyroscope and accelerometer, noise and bias."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.motion import Motion, state_at
from vlam_ros.lab.simulation.world import World
from vlam_ros.types import FloatArray, ImuSample


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


class ImuErrors:
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
        return ImuSample(stamp, _vector(rate), _vector(force))


class Imu(ImuErrors):
    """The IMU on the base of a world."""

    def __init__(self, world: World, spec: ImuSpec, rng: Generator) -> None:
        super().__init__(spec, rng)
        self._world = world

    def sample(self, motion: Motion, t: float) -> ImuSample:
        """The reading at `t` seconds of the motion; its stamp is that time in ns (REP-145)."""
        rate, force = self._world.inertial(state_at(motion, t))
        return self.reading(round(t * 1e9), rate, force)


def _vector(values: FloatArray) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return (x, y, z)
