"""Whether an IMU can be believed: on average it must feel gravity, and agree with itself.

A robot on wheels goes no faster after two seconds than before, by and large, so that its mean
specific force is gravity, however rough the floor is. An IMU in other units, upside down, or
without gravity is off by far more than bumps and curves are.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vlam_ros.types import ImuSample

Array = npt.NDArray[np.float64]

GRAVITY = 9.80665
MEMORY = 2.0
"""Seconds over which readings are averaged: longer than shocks, shorter than a ramp."""
SETTLING = 1.0
"""Seconds from the first reading on in which the limits narrow down from three times as wide."""
SHOCK = 3 * GRAVITY
"""m/s²; of what is more only so much counts, as of an accelerometer at its limit."""
FORCE_OFF = 2.5
"""m/s² by which the mean specific force may differ from gravity: cheap sensors, hard braking."""
STEEPEST = math.radians(30)
"""rad of a mean specific force from upright: a ramp, and a curve on it."""
APART = math.radians(25)
"""rad of the attitude from the mean specific force, which lags on a ramp and leans in a curve."""
FASTEST = 7.0
"""rad/s; nothing that has wheels turns on average faster."""
SLIP = 1.5
"""rad/s by which odometry may be off on average, beside as much as it says: wheels slip, and
people turn a robot by hand.
"""
DISTRUST = 5.0
"""Seconds that all must be well before an IMU is believed again."""


class _Mean:
    """An average over MEMORY, plain at first."""

    def __init__(self) -> None:
        self.value: Array = np.zeros(3)
        self.seconds = 0.0
        self._count = 0

    def add(self, value: Array, elapsed: float) -> None:
        self._count += 1
        self.seconds += elapsed
        self.value = self.value + max(min(1.0, elapsed / MEMORY), 1 / self._count) * (
            value - self.value
        )


class ImuPlausibility:
    """Feed it the readings that an AttitudeFilter takes; `doubt` says why they are not believed."""

    def __init__(self) -> None:
        self._force, self._rate, self._wheels = _Mean(), _Mean(), _Mean()
        self._doubted: int | None = None
        self.doubt = ""

    def odometry(self, yaw_rate: float, elapsed: float) -> None:
        """How fast (rad/s) the wheels turned the robot in the last `elapsed` seconds."""
        self._wheels.add(np.array([0.0, 0.0, yaw_rate]), elapsed)

    def odometry_lost(self) -> None:
        """Nobody knows any more how fast the wheels turn it."""
        self._wheels = _Mean()

    @property
    def settled(self) -> bool:
        """Whether it was listened to for SETTLING; before, one reading can spoil the average."""
        return self._force.seconds > SETTLING

    def check(self, sample: ImuSample, up: Array, elapsed: float) -> bool:
        """Whether a reading `elapsed` seconds after the last, and the upward direction [3] that the
        filter made of all, make sense; `doubt` remains for a while where they do not.
        """
        force = np.array(sample.force)
        self._force.add(force * (SHOCK / max(SHOCK, float(np.linalg.norm(force)))), elapsed)
        self._rate.add(np.array(sample.rate), elapsed)
        why = self._why(up, sample.tilt is not None)
        if why and self.settled:
            self._doubted = sample.stamp
        if why or self._doubted is None or sample.stamp - self._doubted > DISTRUST * 1e9:
            self.doubt = why
        return not (why and self.settled)

    def _why(self, up: Array, has_orientation: bool) -> str:
        loose = 1 + 2 * max(0.0, 1 - self._force.seconds / SETTLING)
        force, (*_, turn), (*_, wheels) = self._force.value, self._rate.value, self._wheels.value
        size, rate = float(np.linalg.norm(force)), float(np.linalg.norm(self._rate.value))
        if abs(size - GRAVITY) > loose * FORCE_OFF:
            return (
                f"it feels {size:.2f} m/s² where gravity is {GRAVITY:.2f}: the specific force with "
                "gravity is expected, in m/s², not in g (REP-145)"
            )
        if (off := math.acos(np.clip(force[2] / size, -1, 1))) > loose * STEEPEST:
            return (
                f"it feels gravity {math.degrees(off):.0f}° off: a level robot at rest must feel "
                "+9.81 m/s² along z (REP-145); is it upside down, is its sign that of gravity, do "
                "imu.* or tf fit?"
            )
        if rate > FASTEST:
            return f"it turns by {rate:.1f} rad/s: is that in deg/s?"
        settled = self._wheels.seconds > SETTLING and self._rate.seconds > SETTLING
        if settled and abs(turn - wheels) > SLIP + abs(wheels):
            return f"it turns by {turn:.1f} rad/s, odometry by {wheels:.1f}: is it in deg/s?"
        if (apart := math.acos(np.clip(up @ force / size, -1, 1))) > loose * APART:
            what = "orientation is" if has_orientation else "rates lead"
            return (
                f"its {what} {math.degrees(apart):.0f}° off the gravity that it feels: orientation "
                "must be that of REP-103 (x forward, y left, z up), rates in rad/s"
            )
        return ""
