"""Velocities that take a differential base along waypoints, to an angle, or round at a rate.

Waypoints: pure pursuit (Coulter 1992), slowed down by curvature and by the remaining way as in
regulated pure pursuit (Macenski et al. 2023); in place where the way lies aside or behind, and at
the end, to the angle of the last waypoint.
"""

from __future__ import annotations

import math

import numpy as np

from vlam_ros.configuration import ControlSettings
from vlam_ros.control.frames import turned
from vlam_ros.control.limits import stopping_speed
from vlam_ros.types import VelocityCommand
from vlam_ros.types.planar import Places

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

    def path(self, waypoints: Places, angle: float | None) -> VelocityCommand:
        """Along waypoints [N,2] in `base_link` to the last one, and there to an angle (rad)."""
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
        angle = turned(angle)
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
        return VelocityCommand(0.0, max(-limit, min(limit, rate + SWEEP_GAIN * turned(angle))))

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
