"""What a robot is told to do now, and why it is told to stand still."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class VelocityCommand:
    """Velocity of a differential base: m/s along x of `base_link`, rad/s to the left."""

    linear: float = 0.0
    angular: float = 0.0


class Halt(Enum):
    """Why the controller lets the robot stand still; the value is what a person reads."""

    NONE = ""
    NO_CHUNK = "no chunk yet"
    HOLD = "the decision is to hold"
    DONE = "the instruction is done"
    EXPIRED = "the chunk has run out and no new one came"
    UNREADABLE = "the chunk cannot be decoded"
    NO_ODOMETRY = "there is no fresh odometry"
    NO_SCAN = "the LiDAR fell silent"
    OBSTACLE = "something is inside the stopping distance"
    ESTOP = "the emergency stop is pressed"
    PUBLISHER_LOST = "vlam_node is gone"
    CLOCK_FROZEN = "time stands still"
    INACTIVE = "the controller is not active"


@dataclass(frozen=True)
class Command:
    """What base, arm and gripper are told at one moment.

    `joints` are position targets of the arm's joints in the order of its settings, in rad and m;
    None leaves them where they were told to be. `grip` closes (True) or opens (False) the gripper,
    None leaves it. While `halt` is not NONE the velocity is exactly zero and the rest is None.
    """

    velocity: VelocityCommand = VelocityCommand()
    joints: tuple[float, ...] | None = None
    grip: bool | None = None
    halt: Halt = Halt.NONE
