"""Roll and pitch from an IMU: a complementary filter on the direction of gravity.

The gyroscope turns the upward direction with the robot, the accelerometer pulls it slowly towards
the specific force (Mahony et al. 2008, for a single direction: yaw is nobody's business here). At
rest the pull is stronger, and what the gyroscope still reads is its bias.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from vlam_ros.fusion.plausibility import GRAVITY, ImuPlausibility
from vlam_ros.types import ImuSample

Array = npt.NDArray[np.float64]

GAIN_MOVING, GAIN_AT_REST = 0.05, 3.0
"""1/s: how fast the filter follows the accelerometer. A robot that accelerates for a second leans
by no more than a twentieth of what its accelerometer says.
"""
NOT_GRAVITY = 1.5
"""m/s²: a specific force whose size is off by more is a shock, and no direction at all."""
REST_SECONDS = 0.5
REST_RATE, REST_RATE_SIGMA, REST_FORCE_SIGMA = 0.05, 0.01, 0.15
"""rad/s, rad/s, m/s²: mean rate and noise below which a window of readings counts as rest. A bias
is smaller than the rate, a motor is louder than the noise.
"""
REST_MARGIN = 2.0
"""Seconds of rest after a window before its bias is believed: a motion that begins slowly looks
like a bias until it is fast.
"""
GAP = 0.5
"""Seconds without a reading after which the filter starts anew: nobody knows how far it turned."""


class AttitudeFilter:
    """Feed it readings in the order of their stamps; `roll` and `pitch` are those of the last."""

    def __init__(self) -> None:
        self.bias: Array = np.zeros(3)
        self.reset()

    def reset(self) -> None:
        """Forget the attitude, but not the gyroscope's bias: it belongs to the sensor."""
        self._last: ImuSample | None = None
        self._since = 0.0
        self._up = np.array([0.0, 0.0, 1.0])
        self._recent: deque[ImuSample] = deque()
        self._means: deque[tuple[int, Array]] = deque()
        self.at_rest = False
        self.plausibility = ImuPlausibility()

    @property
    def tilt(self) -> tuple[float, float]:
        """Roll and pitch of `base_link` against gravity, rad."""
        return tilt_of(self._up)

    def update(self, sample: ImuSample, standing: bool = True) -> tuple[float, float]:
        """Take a reading and return (roll, pitch) at its stamp.

        Args:
            sample: newer than the one before.
            standing: False when odometry says that the robot moves, however still the IMU is: on a
                smooth turn it reads a constant rate.
        """
        self._watch_rest(sample, standing)
        force = np.array(sample.force)
        last, self._last = self._last, sample
        elapsed = (sample.stamp - last.stamp) / 1e9 if last else GAP
        if last is None or elapsed >= GAP:
            self._up, self._since = _direction(force), 0.0
        else:
            self._since += elapsed
            rate = (np.array(sample.rate) + last.rate) / 2 - self.bias
            self._up = rotation_from_vector(-rate[None] * elapsed)[0] @ self._up
            if abs(np.linalg.norm(force) - GRAVITY) < NOT_GRAVITY:
                # A plain average at first: one reading is all that is known of the start.
                gain = GAIN_AT_REST if self.at_rest else max(GAIN_MOVING, 1 / (self._since + 1))
                pulled = self._up + min(1.0, gain * elapsed) * (_direction(force) - self._up)
                self._up = pulled / np.linalg.norm(pulled)
        if sample.tilt is not None:
            self._up = up_vector(*sample.tilt)
        if not self.plausibility.check(sample, self._up, min(elapsed, GAP) if last else 0.0):
            self._since = 0.0  # what it was led to is forgotten once it makes sense again
        return self.tilt

    def _watch_rest(self, sample: ImuSample, standing: bool) -> None:
        recent = self._recent
        recent.append(sample)
        while sample.stamp - recent[0].stamp > REST_SECONDS * 1e9:
            recent.popleft()
        self.at_rest = self._rests(sample, standing)
        if not self.at_rest:
            self._means.clear()
            return
        self._means.append((sample.stamp, np.mean([s.rate for s in recent], axis=0)))
        while sample.stamp - self._means[0][0] > REST_MARGIN * 1e9:
            self.bias = self._means.popleft()[1]

    def _rests(self, sample: ImuSample, standing: bool) -> bool:
        recent = self._recent
        covered = sample.stamp - recent[0].stamp > 0.8 * REST_SECONDS * 1e9
        if not standing or not covered or len(recent) < 10:
            return False
        rates, forces = np.array([s.rate for s in recent]), np.array([s.force for s in recent])
        return bool(
            np.abs(rates.mean(axis=0)).max() < REST_RATE
            and rates.std(axis=0).max() < REST_RATE_SIGMA
            and forces.std(axis=0).max() < REST_FORCE_SIGMA
        )


def _direction(force: Array) -> Array:
    length = float(np.linalg.norm(force))
    return force / length if length > 0 else np.array([0.0, 0.0, 1.0])


def rotation_from_vector(vectors: Array) -> Array:
    """Rotation matrices [N,3,3] of rotation vectors [N,3] in rad (Rodrigues' formula)."""
    angle = np.linalg.norm(vectors, axis=-1)[:, None, None]
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)
    # sinc(x) is sin(πx) / πx: exact down to an angle of zero.
    sine = np.sinc(angle / np.pi)
    cosine = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.asarray(np.eye(3) + sine * cross + cosine * (cross @ cross), np.float64)


def up_vector(roll: float, pitch: float) -> Array:
    """The unit vector [3] that points up, in a base turned by R_y(pitch) R_x(roll)."""
    cr, sr, cp, sp = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch)
    return np.array([-sp, cp * sr, cp * cr])


def tilt_of(up: Array) -> tuple[float, float]:
    """Roll and pitch in rad of a base that sees the upward direction along `up` [3]."""
    x, y, z = up / np.linalg.norm(up)
    return float(np.arctan2(y, z)), float(np.arcsin(np.clip(-x, -1, 1)))
