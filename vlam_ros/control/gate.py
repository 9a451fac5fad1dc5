"""The last word on every command: limits that always hold, and the stops that need no chunk.

LiDAR returns are taken as they are, neither deskewed nor cleared of a fitted floor: this check is
the last one, and must not depend on what other nodes make of a sweep. A round base that turns in
place comes nearer to nothing, and one that stands near an object may leave it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from vlam_ros.configuration import ControllerSettings, SafetySettings
from vlam_ros.control.velocity import VelocityLimits, stopping_speed
from vlam_ros.interface import POINTS
from vlam_ros.types import Command, Halt, PlanarPose, VelocityCommand
from vlam_ros.types.history import OdometryHistory
from vlam_ros.types.observation import check_sight, on_robot

Points = npt.NDArray[np.floating]

_STEP = 0.02  # m along the arc, at most
_NEARER = 1e-6  # m; less is the noise of arithmetic


class SafetyGate:
    """Knows what stops the robot whatever the chunk says. Times are passed in, ns."""

    def __init__(self, settings: ControllerSettings) -> None:
        self._safety = settings.safety
        self._control = settings.control
        self._robot_box = settings.fusion.robot_box
        self._limits = VelocityLimits(settings.control)
        # Longer than the stop itself takes: what comes from the limits follows this smoothly.
        self._lag = self._safety.reaction + self._control.acceleration / self._control.jerk
        self.estop = False
        self.unheard = False
        self.publisher_lost = False
        self.reset()

    def reset(self) -> None:
        """Time jumped back: no sweep is of this time. A pressed emergency stop remains."""
        self._limits.stop()
        # The stamp and the points of the last sweep of each LiDAR; None: nothing usable ever came.
        self._sweeps: dict[str, tuple[int, Points] | None] = {}
        self._last: int | None = None
        self._ticked: tuple[int, int] | None = None  # when the clock moved last: its time, steady

    def cloud(self, points: Points, stamp: int, source: str = POINTS) -> None:
        """A sweep of one of the LiDARs: points [N,3] in `base_link` at its stamp.

        Raises:
            SensorError: it sees nothing but the robot; the sweep is unusable then.
        """
        last = self._sweeps.setdefault(source, None)
        check_sight(points, self._robot_box)
        if last is None or stamp > last[0]:
            standing = standing_points(points, self._safety, self._robot_box)
            self._sweeps[source] = stamp, standing

    def unusable_cloud(self, source: str = POINTS) -> None:
        """There is such a LiDAR, and what it says cannot be used."""
        self._sweeps.setdefault(source, None)

    def no_cloud(self, source: str) -> None:
        """Nothing is to be expected of a source any more."""
        self._sweeps.pop(source, None)

    @property
    def swept(self) -> dict[str, int]:
        """Stamps of the last sweeps of those LiDARs that had one."""
        return {source: sweep[0] for source, sweep in self._sweeps.items() if sweep}

    # --------------------------------------------------------------------------- stops

    def before_chunk(self, now: int, steady: int | None) -> Halt:
        """What stops the robot before a chunk is looked at. `steady` is a clock that cannot stand
        still; without it nobody knows whether the other one does.
        """
        if self.estop:
            return Halt.ESTOP
        if self.unheard:
            return Halt.UNHEARD
        if steady is not None:
            if self._ticked is None or self._ticked[0] != now:
                self._ticked = now, steady
            elif steady - self._ticked[1] > self._safety.clock_patience * 1e9:
                return Halt.CLOCK_FROZEN
        return Halt.PUBLISHER_LOST if self.publisher_lost else Halt.NONE

    def after_chunk(self, now: int, history: OdometryHistory) -> Halt:
        """What stops a robot that has a chunk to follow."""
        odometry = history.newest
        if odometry is None or self._old(now, odometry.stamp, self._safety.max_odometry_age):
            return Halt.NO_ODOMETRY
        limit = self._safety.max_scan_age
        if any(s is None or self._old(now, s[0], limit) for s in self._sweeps.values()):
            return Halt.NO_SCAN
        return Halt.NONE

    @staticmethod
    def _old(now: int, stamp: int, limit: float) -> bool:
        """As far ahead of the clock is as bad: two clocks disagree."""
        return abs(now - stamp) > limit * 1e9

    # --------------------------------------------------------------------------- velocity

    def stop(self, now: int) -> None:
        """Zero now, at once; the next motion starts from rest."""
        self._limits.stop()
        self._last = now

    def limited(self, command: Command, now: int, history: OdometryHistory) -> Command:
        """The command with a velocity within the limits, or the halt before an obstacle."""
        seconds = 0.0 if self._last is None else (now - self._last) / 1e9
        self._last = now
        points = self._points_now(history.at(now), history)
        slowed = self._slowed(command.velocity, points)
        if command.velocity.linear != 0 and slowed.linear == 0:
            self.stop(now)
            return Command(halt=Halt.OBSTACLE)
        velocity = self._limits.step(slowed, seconds)
        brake = self._control.acceleration
        reach = abs(velocity.linear) * (self._safety.reaction + abs(velocity.linear) / (2 * brake))
        if self._free(velocity, points, reach) < reach:
            self.stop(now)
            return Command(halt=Halt.OBSTACLE)
        return replace(command, velocity=velocity)

    def _slowed(self, wanted: VelocityCommand, points: Points) -> VelocityCommand:
        """The wanted arc at the speed that allows a smooth stop before what is on it."""
        speed, brake = abs(wanted.linear), self._control.acceleration
        reach = speed * self._lag + speed * speed / (2 * brake)
        free = self._free(wanted, points, reach)
        if free >= reach:
            return wanted
        share = stopping_speed(free, brake, self._lag) / speed
        return VelocityCommand(share * wanted.linear, share * wanted.angular)

    def _free(self, velocity: VelocityCommand, points: Points, reach: float) -> float:
        if velocity.linear == 0:
            return math.inf
        keep = self._safety.radius + self._safety.margin
        curvature = velocity.angular / velocity.linear
        return free_way(points, velocity.linear, curvature, reach, keep)

    def _points_now(self, here: PlanarPose | None, history: OdometryHistory) -> Points:
        """The points [N,2] of the last sweeps in the `base_link` of now."""
        found: list[Points] = [np.empty((0, 2))]
        for stamp, points in filter(None, self._sweeps.values()):
            flat = points[:, :2].astype(np.float64)
            there = history.at(stamp)
            if here is not None and there is not None:
                flat = here.into(there.out(flat))
            found.append(flat)
        return np.concatenate(found)


def standing_points(points: Points, safety: SafetySettings, robot_box: tuple[float, ...]) -> Points:
    """What of the points [N,3] in `base_link` the robot can run into: neither floor nor robot.

    The floor's height rises with the distance, so that neither the tilt of a sweep nor the foot of
    a ramp stops the robot.
    """
    x, y, z = points.T
    floor = safety.floor_height + safety.floor_slope * np.hypot(x, y)
    standing = (z > floor) & (z < safety.robot_height)
    return points[standing & ~on_robot(points, robot_box)]


def free_way(points: Points, linear: float, curvature: float, reach: float, keep: float) -> float:
    """Metres along an arc before the base's centre comes nearer than `keep` to a point.

    Args:
        points: [N,2] in `base_link`, metres.
        linear: its sign says whether the base goes forward or back.
        curvature: of the arc, 1/m, positive to the left when it goes forward.
        reach: metres of the arc that are looked at.
        keep: distance (m) from the centre; points that are nearer already count only where the
            base would come nearer still.

    Returns:
        0 for blocked at once; infinity if `reach` is free.
    """
    if not len(points) or linear == 0 or reach <= 0:
        return math.inf
    here = np.hypot(points[:, 0], points[:, 1])
    close = here < keep + reach
    points, here = points[close], here[close]
    if not len(points):
        return math.inf
    # Denser at the start, so that a robot that creeps up to its end is not stopped early.
    ways = reach * np.linspace(0, 1, 2 + math.ceil(2 * reach / _STEP))[1:] ** 2
    x, y = _along(np.copysign(ways, linear), curvature)
    distances = np.hypot(points[:, 0] - x[:, None], points[:, 1] - y[:, None])
    blocked = ((distances < keep) & (distances < here - _NEARER)).any(axis=1)
    if not blocked.any():
        return math.inf
    first = int(blocked.argmax())
    return float(ways[first - 1]) if first else 0.0


def _along(ways: Points, curvature: float) -> tuple[Points, Points]:
    """Where the centre is after signed ways along an arc that starts at the origin, along x."""
    if abs(curvature) < 1e-6:
        return ways, np.zeros_like(ways)
    angles = curvature * ways
    return np.sin(angles) / curvature, (1 - np.cos(angles)) / curvature
