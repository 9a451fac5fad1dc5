"""What is commanded: action spaces, action chunks, and what base, arm and gripper are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum

import numpy as np

from vlam_ros.errors import ActionError
from vlam_ros.types.arrays import Uint16Array
from vlam_ros.types.instruction import InstructionRequest
from vlam_ros.types.verdict import Verdict

DIMENSIONS = ("x", "y", "z", "theta")
"""Names of the pose's dimensions, in the order of a row: metres, metres, metres, radians."""
UNITS = {"x": "m", "y": "m", "z": "m", "theta": "rad"}


class PoseFrame(IntEnum):
    """Whose pose a row is."""

    BASE = 0
    TOOL = 1


class GripperEffect(IntEnum):
    """What a row without a pose does to the gripper."""

    KEEP = 0
    CLOSE = 1
    OPEN = 2


@dataclass(frozen=True)
class ActionCommand:
    """What a command index stands for: enough to carry out its rows without knowing its name.

    The poses of a `timed` command are due at their rows' times; those of another are waypoints on
    the way to the last one.
    """

    name: str
    pose_of: PoseFrame = PoseFrame.BASE
    timed: bool = False
    gripper: GripperEffect = GripperEffect.KEEP


@dataclass(frozen=True)
class ActionDimension:
    """A continuous dimension: `bins` centres `linspace(low, high, bins)` in its unit; the bin index
    `bins` means "not used".
    """

    name: str
    unit: str
    low: float
    high: float
    bins: int = 255

    def __post_init__(self) -> None:
        if self.bins % 2 == 0 or not 3 <= self.bins <= 65535:
            raise ActionError(
                f"{self.name}: bins must be odd (an exact zero) and in 3..65535, got {self.bins}"
            )
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise ActionError(
                f"{self.name}: low < high and finite expected, got {self.low}..{self.high}"
            )


@dataclass(frozen=True)
class ActionSpace:
    """How token rows ⟨cmd, x, y, z, θ, …⟩ are read: `commands[cmd]`, of which the first is "stop",
    then a bin index for each of `dimensions`.
    """

    commands: tuple[ActionCommand, ...]
    dimensions: tuple[ActionDimension, ...]

    @classmethod
    def of(
        cls,
        commands: Sequence[ActionCommand | str],
        low: Sequence[float],
        high: Sequence[float],
        bins: int = 255,
    ) -> ActionSpace:
        """The space of a pose (x, y, z in m, theta in rad); a name alone is one of the base."""
        if len(low) != len(DIMENSIONS) or len(high) != len(DIMENSIONS):
            raise ActionError(f"low and high need one value each for {DIMENSIONS}")
        return cls(
            tuple(ActionCommand(c) if isinstance(c, str) else c for c in commands),
            tuple(
                ActionDimension(name, UNITS[name], float(least), float(most), int(bins))
                for name, least, most in zip(DIMENSIONS, low, high, strict=True)
            ),
        )

    def __post_init__(self) -> None:
        if not self.commands or self.names[0] != "stop":
            raise ActionError(f"command 0 must be 'stop', got commands {self.names}")
        for what, names in (("commands", self.names), ("dimensions", self.columns[1:])):
            if len(set(names)) != len(names):
                raise ActionError(f"{what} must be different from each other, got {names}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the commands."""
        return tuple(command.name for command in self.commands)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of a row's columns: "cmd", then the dimensions."""
        return ("cmd", *(dimension.name for dimension in self.dimensions))

    @property
    def low(self) -> tuple[float, ...]:
        """The least value of each dimension."""
        return tuple(dimension.low for dimension in self.dimensions)

    @property
    def high(self) -> tuple[float, ...]:
        """The greatest value of each dimension."""
        return tuple(dimension.high for dimension in self.dimensions)

    @property
    def unused(self) -> tuple[int, ...]:
        """The bin index of each dimension that means "not used"."""
        return tuple(dimension.bins for dimension in self.dimensions)


@dataclass(frozen=True)
class ActionChunk:
    """A short sequence of actions, with everything a stranger needs to decode and carry it out.

    `tokens` is uint16[H,1+D] for the D dimensions of `space`; row i is due at
    `stamp + start_offset + i * step` (ns), and the chunk is void after the last row's end. HOLD and
    DONE chunks hold one STOP row. `policy` is the name of the policy that proposed it, empty
    unless it executes.
    """

    stamp: int
    frame_id: str
    space: ActionSpace
    tokens: Uint16Array
    start_offset: int
    step: int
    request: InstructionRequest
    skill: str
    trace: str
    verdict: Verdict
    policy: str = ""

    def __post_init__(self) -> None:
        width = len(self.space.columns)
        if self.tokens.dtype != np.uint16 or self.tokens.shape[1:] != (width,):
            raise ActionError(
                f"tokens must be uint16[H,{width}], got {self.tokens.dtype}{self.tokens.shape}"
            )
        if len(self.tokens) == 0 or self.step <= 0 or self.start_offset < 0:
            raise ActionError(
                "a chunk needs a row, a positive step and a non-negative start offset"
            )


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
    UNHEARD = "somebody publishes what cannot be heard"
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
