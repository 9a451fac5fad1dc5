"""How far the base can go on its arc before it comes too near to a LiDAR return.

The returns are taken as they are, neither deskewed nor cleared of a fitted floor: this check is
the last one, and must not depend on what other nodes make of a sweep. A round base that turns in
place comes nearer to nothing, and one that stands near an object may leave it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vlam_ros.configuration import SafetySettings

Points = npt.NDArray[np.floating]

_STEP = 0.02  # m along the arc, at most
_NEARER = 1e-6  # m; less is the noise of arithmetic


def standing_points(points: Points, safety: SafetySettings, robot_box: tuple[float, ...]) -> Points:
    """What of the points [N,3] in `base_link` the robot can run into: neither floor nor robot.

    The floor's height rises with the distance, so that neither the tilt of a sweep nor the foot of
    a ramp stops the robot.
    """
    x, y, z = points.T
    floor = safety.floor_height + safety.floor_slope * np.hypot(x, y)
    rear, front, side, top = robot_box
    robot = (x > rear) & (x < front) & (np.abs(y) < side) & (z < top)
    standing = points[(z > floor) & (z < safety.robot_height) & ~robot]
    return standing


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
