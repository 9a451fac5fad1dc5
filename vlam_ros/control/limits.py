"""Velocities that change no faster than a drive and its load can bear."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vlam_ros.configuration import ControlSettings
from vlam_ros.types import VelocityCommand

LONGEST_TICK = 0.1
"""Seconds; a longer pause between two commands does not let the velocity change by more."""


def stopping_speed(distance: float, deceleration: float, lag: float) -> float:
    """The fastest speed from which one stops within a distance (m, or rad for turns).

    The speed is kept for `lag` seconds and falls with `deceleration` then: v lag + v²/2a = d, which
    is below √(2 a d). Near the end it is proportional to the distance, so nothing overshoots.
    """
    if distance <= 0:
        return 0.0
    slowed = deceleration * lag
    return math.sqrt(slowed * slowed + 2 * deceleration * distance) - slowed


@dataclass
class Limiter:
    """One velocity. It reaches a constant target exactly and from one side, as the acceleration is
    never larger than what falls back to zero, with the jerk allowed, before the target is reached.
    """

    velocity: float
    acceleration: float
    jerk: float
    value: float = 0.0
    slope: float = 0.0

    def step(self, target: float, seconds: float) -> float:
        """The velocity after one tick on the way to the target."""
        if seconds <= 0:
            return self.value
        target = max(-self.velocity, min(self.velocity, target))
        missing = target - self.value
        change = self.jerk * seconds
        # Per tick the slope may fall by `change`: with slopes s, s - change, … down to zero the
        # velocity goes on by (n + 1)(s - change n/2) ticks, n the whole changes in s.
        ticks = abs(missing) / seconds
        n = math.floor((math.sqrt(1 + 8 * ticks / change) - 1) / 2)
        slope = min(ticks / (n + 1) + change * n / 2, self.acceleration)
        slope = math.copysign(slope, missing)
        arrives = n == 0 and abs(self.slope - slope) <= change
        self.slope = max(self.slope - change, min(self.slope + change, slope))
        reached = self.value + self.slope * seconds
        self.value = target if arrives or abs(reached - target) < 1e-9 else reached
        return self.value

    def stop(self) -> None:
        """Zero at once, whatever the limits."""
        self.value = self.slope = 0.0


class VelocityLimits:
    """Limits speed and turn of the base; what was told last is where the next change starts."""

    def __init__(self, settings: ControlSettings) -> None:
        s = settings
        self._linear = Limiter(s.max_speed, s.acceleration, s.jerk)
        self._angular = Limiter(s.max_turn, s.turn_acceleration, s.turn_jerk)

    def step(self, wanted: VelocityCommand, seconds: float) -> VelocityCommand:
        """The next command on the way to the wanted one, `seconds` after the last."""
        seconds = min(seconds, LONGEST_TICK)
        return VelocityCommand(
            self._linear.step(wanted.linear, seconds), self._angular.step(wanted.angular, seconds)
        )

    def stop(self) -> None:
        """Both are exactly zero at once."""
        self._linear.stop()
        self._angular.stop()
