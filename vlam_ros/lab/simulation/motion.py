"""What moves the base: its pose as a function of time, and what odometry makes of that.

Time is in seconds, from the start of the motion. Velocities and accelerations are not described
but differentiated, so that camera, LiDAR, IMU and odometry cannot disagree about the motion.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from vlam_ros.errors import SimulationError
from vlam_ros.ros.rotations import rotation_from_angles
from vlam_ros.types import FloatArray, Odometry


@dataclass(frozen=True)
class BasePose:
    """Pose of `base_link` in the scene: m and rad, rotation R_z(yaw) R_y(pitch) R_x(roll).

    At the origin `base_link` is the frame in which a SceneSpec is written.
    """

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, astuple(self))):
            raise SimulationError(f"the pose of a base must be finite, got {self}")

    @property
    def position(self) -> npt.NDArray[np.float64]:
        """Origin of `base_link` in the scene, m."""
        return np.array([self.x, self.y, self.z])

    @property
    def rotation(self) -> npt.NDArray[np.float64]:
        """Turns vectors of `base_link` into the scene: float64[3,3]."""
        return np.asarray(rotation_from_angles(self.roll, self.pitch, self.yaw))

    @property
    def quaternion(self) -> tuple[float, float, float, float]:
        """The rotation as (w, x, y, z)."""
        cr, sr = math.cos(self.roll / 2), math.sin(self.roll / 2)
        cp, sp = math.cos(self.pitch / 2), math.sin(self.pitch / 2)
        cy, sy = math.cos(self.yaw / 2), math.sin(self.yaw / 2)
        return (
            cr * cp * cy + sr * sp * sy,
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
        )

    def to_base(self, points: FloatArray) -> npt.NDArray[np.float64]:
        """Points [N,3] of the scene in `base_link`."""
        return np.asarray((points - self.position) @ self.rotation)

    def to_world(self, points: FloatArray) -> npt.NDArray[np.float64]:
        """Points [N,3] of `base_link` in the scene."""
        return np.asarray(points @ self.rotation.T + self.position)


STEP = 1e-3
"""Seconds between the poses of a central difference."""
RAMP = 2.0
"""Seconds in which a drive comes up to speed."""
PITCHING, ROLLING = math.radians(5.0), math.radians(10.0)
"""rad per m/s²: how far the suspension gives way to acceleration along x and along y."""
LEG = 0.1
"""Seconds of driving that one Gauss-Legendre rule integrates, exact to rounding."""
_NODES, _WEIGHTS = (values.tolist() for values in np.polynomial.legendre.leggauss(5))


class Motion(Protocol):
    """A pose for every time, twice differentiable; before 0 and at rest it stands still."""

    def pose(self, t: float) -> BasePose:
        """Where `base_link` is at `t` seconds."""
        ...


@dataclass(frozen=True)
class BaseState:
    """Pose of the base and its derivatives.

    Those of its origin are in the scene, the angular ones in its own axes: float64[3], SI units.
    """

    pose: BasePose
    velocity: npt.NDArray[np.float64]
    acceleration: npt.NDArray[np.float64]
    rate: npt.NDArray[np.float64]
    angular_acceleration: npt.NDArray[np.float64]


def state_at(motion: Motion, t: float) -> BaseState:
    """The state of the base at `t` seconds, by central differences of the motion."""
    before, now, after = (motion.pose(t + dt) for dt in (-STEP, 0.0, STEP))
    p0, p1, p2 = before.position, now.position, after.position
    r0, r1, r2 = before.rotation, now.rotation, after.rotation
    return BaseState(
        now,
        velocity=(p2 - p0) / (2 * STEP),
        acceleration=(p2 - 2 * p1 + p0) / STEP**2,
        # R' = R Ω and R'' = R (Ω' + Ω²), of which Ω² is symmetric.
        rate=_skew_part(r1.T @ (r2 - r0) / (2 * STEP)),
        angular_acceleration=_skew_part(r1.T @ (r2 - 2 * r1 + r0) / STEP**2),
    )


@dataclass(frozen=True)
class Standing:
    """A base that stays where it is."""

    at: BasePose = field(default_factory=BasePose)

    def pose(self, t: float) -> BasePose:
        """The same pose at any time."""
        return self.at


@dataclass(frozen=True)
class Waves:
    """A sum of sines, a sin(w t + p), of `terms` (a, w, p) with w in rad/s."""

    terms: tuple[tuple[float, float, float], ...]

    @staticmethod
    def random(rng: Generator, bound: float) -> Waves:
        """Slow waves, the periods between 5 and 16 s, whose sum never exceeds `bound`."""
        bands = ((0.4, 0.6), (0.6, 0.9), (0.9, 1.25))
        shares = rng.uniform(0.5, 1.0, len(bands))
        frequencies = [float(rng.uniform(*band)) for band in bands]
        phases = rng.uniform(-math.pi, math.pi, len(bands)).tolist()
        amplitudes = (bound * shares / shares.sum()).tolist()
        return Waves(tuple(zip(amplitudes, frequencies, phases, strict=True)))

    def value(self, t: float) -> float:
        """The sum at `t`."""
        return sum(a * math.sin(w * t + p) for a, w, p in self.terms)

    def slope(self, t: float) -> float:
        """Its derivative at `t`."""
        return sum(a * w * math.cos(w * t + p) for a, w, p in self.terms)

    def integral(self, t: float) -> float:
        """Its integral from 0 to `t`."""
        return sum(a / w * (math.cos(p) - math.cos(w * t + p)) for a, w, p in self.terms)


@dataclass(frozen=True)
class Drive:
    """A drive from the origin that starts from rest, to and fro on wheels that do not slip.

    `speed` (m/s, along x of the base, backwards if negative) and `turning` (rad/s) are what the
    drive has come to after `rest` seconds of standing and the ramp. The base leans against its
    acceleration: the nose rises when it speeds up, and it rolls out of a curve.
    """

    speed: Waves
    turning: Waves
    rest: float = 2.0
    _starts: list[tuple[float, float]] = field(
        default_factory=lambda: [(0.0, 0.0)], init=False, repr=False, compare=False
    )

    @staticmethod
    def random(rng: Generator, rest: float = 2.0) -> Drive:
        """A drive within 0.4 m/s and 0.5 rad/s."""
        return Drive(Waves.random(rng, 0.4), Waves.random(rng, 0.5), rest)

    def pose(self, t: float) -> BasePose:
        """Where `base_link` is at `t` seconds."""
        driven, pace, gain = _ramp(t - self.rest)
        speed = self.speed.value(driven)
        forward = gain * speed + pace**2 * self.speed.slope(driven)
        left = pace**2 * speed * self.turning.value(driven)
        x, y = self._place(driven)
        return BasePose(
            x=x,
            y=y,
            roll=ROLLING * left,
            pitch=-PITCHING * forward,
            yaw=self.turning.integral(driven),
        )

    def _place(self, driven: float) -> tuple[float, float]:
        """Integral of the velocity over `driven` seconds at full pace."""
        legs = int(driven / LEG)
        starts = self._starts  # where each leg begins: they are integrated once
        while len(starts) <= legs:
            starts.append(self._leg(len(starts) - 1, LEG))
        return self._leg(legs, driven - legs * LEG)

    def _leg(self, leg: int, length: float) -> tuple[float, float]:
        x, y = self._starts[leg]
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            at = leg * LEG + length * (node + 1) / 2
            way, yaw = weight * length / 2 * self.speed.value(at), self.turning.integral(at)
            x, y = x + way * math.cos(yaw), y + way * math.sin(yaw)
        return x, y


@dataclass(frozen=True)
class Drift:
    """How wheel odometry errs: relative error of distances, and rad/s by which the yaw runs off."""

    scale: float = 0.0
    yaw_rate: float = 0.0

    @staticmethod
    def random(rng: Generator) -> Drift:
        """The drift of ordinary wheels: about 1 % and 0.1 degrees a second."""
        return Drift(float(rng.normal(0, 0.01)), float(rng.normal(0, math.radians(0.1))))


def odometry(motion: Motion, t: float, stamp: int, drift: Drift) -> Odometry:
    """What wheels tell of the motion at `t` seconds; the odometry frame is the scene's."""
    before, now, after = (motion.pose(t + dt) for dt in (-STEP, 0.0, STEP))
    along = (after.x - before.x) * math.cos(now.yaw) + (after.y - before.y) * math.sin(now.yaw)
    turn = math.remainder(after.yaw - before.yaw, math.tau)
    off, scale = drift.yaw_rate * t, 1 + drift.scale
    return Odometry(
        stamp,
        x=scale * (now.x * math.cos(off) - now.y * math.sin(off)),
        y=scale * (now.x * math.sin(off) + now.y * math.cos(off)),
        yaw=math.remainder(now.yaw + off, math.tau),
        speed=scale * along / (2 * STEP),
        yaw_rate=turn / (2 * STEP) + drift.yaw_rate,
    )


def _ramp(t: float) -> tuple[float, float, float]:
    """Time driven at full pace, the pace (0 to 1) and its derivative, `t` seconds after the start.

    The pace is the smoothstep of degree 7: the leaning of the base, which follows the acceleration,
    is twice differentiable too.
    """
    u = t / RAMP
    if u <= 0:
        return 0.0, 0.0, 0.0
    if u >= 1:
        return t - RAMP / 2, 1.0, 0.0
    driven = RAMP * u**5 * (7 - 14 * u + 10 * u**2 - 2.5 * u**3)
    return driven, u**4 * (35 - 84 * u + 70 * u**2 - 20 * u**3), 140 * (u * (1 - u)) ** 3 / RAMP


def _skew_part(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The vector w of the skew part of a matrix, [w]× = (M - Mᵀ) / 2."""
    m = matrix
    return np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]]) / 2
