"""What a robot does while a sensor fails: the designed answer for every sensor and every failure.

A robot may do without a LiDAR, but does not go on as if the LiDAR it had still watched: there it
holds. IMU and odometry sharpen what the LiDAR says; without them it is said a little less sharply.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vlam_ros.types import Decision, Outcome, PositionSource, Reason

SECOND = 1_000_000_000


class FaultySensor(Enum):
    """Whose messages are degraded, by its name in diagnostics."""

    LIDAR = "LiDAR"
    IMU = "IMU"
    CAMERA_INFO = "camera_info"
    ODOMETRY = "odometry"


class Fault(Enum):
    """What happens to its messages. All but ABSENT begin after a time of health and end again."""

    ABSENT = "absent from the start"
    LOST = "lost in the middle"
    NOT_FINITE = "NaN and inf values"
    WRONG_FRAME = "wrong frame"
    OLD = "stamps 1 s old"
    AHEAD = "stamps 10 s ahead"
    HALF_RATE = "rate halved"


@dataclass(frozen=True)
class Expected:
    """The designed answer: the verdict, and where positions come from if there are any."""

    outcome: Outcome
    reason: Reason = Reason.NONE
    source: PositionSource | None = None

    def fits(self, decision: Decision) -> bool:
        if (decision.verdict.outcome, decision.verdict.reason) != (self.outcome, self.reason):
            return False
        target = decision.plan.target
        return self.source is None or (target is not None and target.source is self.source)


HEALTHY = Expected(Outcome.EXECUTE, source=PositionSource.DEPTH)
WATCHED_NO_MORE = Expected(Outcome.HOLD, Reason.STALE_SENSOR)


def expected(sensor: FaultySensor, failure: Fault) -> Expected:
    """The answer to "go to …" while the failure lasts."""
    if failure is Fault.HALF_RATE and sensor is FaultySensor.CAMERA_INFO:
        return Expected(Outcome.EXECUTE)  # an image without camera_info goes by the floor
    if failure is Fault.HALF_RATE or sensor in (FaultySensor.IMU, FaultySensor.ODOMETRY):
        return HEALTHY
    if failure is Fault.ABSENT:
        if sensor is FaultySensor.LIDAR:
            return Expected(Outcome.EXECUTE, source=PositionSource.GROUND_PLANE)
        return Expected(Outcome.HOLD, Reason.NO_POSITION)
    # Without camera_info nobody knows for which images depth and obstacles are wanted.
    return WATCHED_NO_MORE
