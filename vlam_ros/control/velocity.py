"""Velocities that take a differential base along waypoints, to an angle, or round at a rate, and
that change no faster than a drive and its load can bear.

Waypoints: pure pursuit (Coulter 1992), slowed down by curvature and by the remaining way as in
regulated pure pursuit (Macenski et al. 2023); in place where the way lies aside or behind, and at
the end, to the angle of the last waypoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vlam_ros.configuration import ControlSettings
from vlam_ros.types import VelocityCommand
from vlam_ros.types.observation import Places

TURN_FIRST, TURNED = 0.6, 0.05
"""rad: a way that lies this far aside is turned to in place, until it is so far aside only."""
LEFT_AGAIN = 3.0
"""Goal tolerances: a base that has arrived stays while waypoints of newer images scatter."""
BEHIND = 2.6
"""rad; between here and π a turn keeps to the side that it began on."""
OVERRUN = 0.5
"""s; a base that is told to rest where it was that long ago does not turn back to there."""
SHORTEST_LOOKAHEAD = 0.1
"""m; a nearer goal is not steered at any harder."""
SWEEP_GAIN = 1.0
"""1/s; how fast the lag behind a turn at a rate is made up for."""
_BRAKING = 0.8  # of the acceleration allowed: what is left lets the limits follow
LONGEST_TICK = 0.1
"""Seconds; a longer pause between two commands does not let the velocity change by more."""


class BaseTracker:
    """Tells the velocity wanted now, before limits; it knows whether it is turning or there."""

    def __init__(self, settings: ControlSettings) -> None:
        self._settings = settings
        s = settings
        self._lag = s.acceleration / s.jerk + 1 / s.rate
        self._turn_lag = s.turn_acceleration / s.turn_jerk + 1 / s.rate
        self._overrun = s.max_speed * OVERRUN + s.max_speed**2 / (2 * s.acceleration)
        self.reset()

    def reset(self) -> None:
        """Begin with another motion."""
        self._turning = self._arrived = self._turned = self._driven = False
        self._side = 0.0

    def path(
        self, waypoints: Places, angle: float | None, backward: bool = False
    ) -> VelocityCommand:
        """Along waypoints [N,2] in `base_link` to the last one, and there to an angle (rad);
        `backward`: the rear goes first.
        """
        if backward:
            # A base whose rear is its front has all places on the other side, and turns alike.
            wanted = self.path(-waypoints, angle)
            return VelocityCommand(0.0 - wanted.linear, wanted.angular)
        s = self._settings
        steer_at, remaining = self._ahead(waypoints)
        goal = math.hypot(*waypoints[-1])
        passed = waypoints[-1][0] < 0 and (self._driven or self._arrived)
        near = s.goal_tolerance * (LEFT_AGAIN if self._arrived else 1)
        self._arrived = goal < near or (passed and remaining < self._overrun)
        if self._arrived:
            return self.turn(angle) if angle is not None else VelocityCommand()
        distance, heading = math.hypot(*steer_at), math.atan2(steer_at[1], steer_at[0])
        self._turning = abs(heading) > (TURNED if self._turning else TURN_FIRST)
        if self._turning:
            return self.turn(heading)
        curvature = 2 * math.sin(heading) / max(distance, SHORTEST_LOOKAHEAD)
        # Planned to end inside the tolerance, not on its edge.
        way = max(0.0, remaining - s.goal_tolerance / 2)
        speed = min(
            s.max_speed,
            stopping_speed(way, _BRAKING * s.acceleration, self._lag),
            s.max_turn / max(abs(curvature), 1e-9),
        )
        self._driven = True
        return VelocityCommand(speed, speed * curvature)

    def turn(self, angle: float) -> VelocityCommand:
        """In place to an angle (rad) from here, on the shorter way."""
        s = self._settings
        angle = math.remainder(angle, math.tau)
        if abs(angle) > BEHIND and angle * self._side < 0:
            angle += math.copysign(math.tau, self._side)
        self._side = math.copysign(1.0, angle)
        self._turned = abs(angle) < s.angle_tolerance * (1.0 if self._turned else 0.5)
        if self._turned:
            return VelocityCommand()
        speed = stopping_speed(abs(angle), _BRAKING * s.turn_acceleration, self._turn_lag)
        return VelocityCommand(0.0, math.copysign(min(s.max_turn, speed), angle))

    def sweep(self, angle: float, rate: float) -> VelocityCommand:
        """In place at a rate (rad/s), with an angle (rad) to be made up for."""
        limit = self._settings.max_turn
        wanted = rate + SWEEP_GAIN * math.remainder(angle, math.tau)
        return VelocityCommand(0.0, max(-limit, min(limit, wanted)))

    def _ahead(self, waypoints: Places) -> tuple[Places, float]:
        """The point to steer at, `lookahead` further along the path than where it is nearest to
        the base, and the way (m) to the path's end over that point.
        """
        start, further = _nearest(waypoints)
        rest = np.vstack([start, waypoints[further:]])
        lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(rest, axis=0).T))])
        ahead = min(self._settings.lookahead, float(lengths[-1]))
        point = np.array([np.interp(ahead, lengths, column) for column in rest.T])
        return point, math.hypot(*point) + float(lengths[-1]) - ahead


def _nearest(waypoints: Places) -> tuple[Places, int]:
    """The point of a polyline that is nearest to the origin, and the waypoint that comes next."""
    if len(waypoints) == 1:
        return waypoints[0], 0
    starts, steps = waypoints[:-1], np.diff(waypoints, axis=0)
    squares = np.maximum((steps**2).sum(axis=1), 1e-12)
    shares = np.clip(-(starts * steps).sum(axis=1) / squares, 0, 1)
    points = starts + shares[:, None] * steps
    segment = int(np.hypot(*points.T).argmin())
    return points[segment], segment + 1


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
