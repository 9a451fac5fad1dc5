"""What the sensors of a simulated robot measured, and when it was there."""

from __future__ import annotations

from dataclasses import dataclass

from vlam_ros.types import GripperState, ImuSample, JointState, LidarSweep, Odometry

Measurement = ImuSample | LidarSweep | Odometry | JointState | GripperState


@dataclass(frozen=True)
class Arrival:
    """A measurement, and the time in ns at which it is there."""

    now: int
    measured: Measurement
