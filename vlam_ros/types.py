"""What flows between the stages: frozen dataclasses, and the enums of the messages.

Units are SI, angles radians, stamps integer nanoseconds, axes REP-103. Unless a field says
otherwise, positions are in `base_link` at the stamp of the image. Arrays are never written to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ActionError, ImageError

Uint8Array = npt.NDArray[np.uint8]
Uint16Array = npt.NDArray[np.uint16]
FloatArray = npt.NDArray[np.float32] | npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


# --------------------------------------------------------------------------- what the robot senses


@dataclass(frozen=True)
class Missing:
    """The defined absence of a sensor's data, with the reason a person can read."""

    reason: str


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: intrinsics at the size of the image, and where it sits on the robot.

    `rotation` turns vectors of the optical frame (x right, y down, z forward) into `base_link`;
    `position` is the optical centre in `base_link`, its z the height above the floor the base
    stands on. `distortion` holds plumb_bob coefficients (k1, k2, p1, p2, k3), empty if rectified.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    rotation: FloatArray
    position: FloatArray
    distortion: tuple[float, ...] = ()
    frame_id: str = "camera_optical"

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ImageError(f"camera size must be positive, got {self.width}x{self.height}")
        values = (self.fx, self.fy, self.cx, self.cy)
        if not all(np.isfinite(values)) or self.fx <= 0 or self.fy <= 0:
            raise ImageError(
                f"camera intrinsics must be finite with fx, fy > 0, got fx={self.fx} fy={self.fy} "
                f"cx={self.cx} cy={self.cy}: is the camera calibrated and camera_info published?"
            )


@dataclass(frozen=True)
class DepthImage:
    """Metric depth along the optical axis: float32[H,W] in metres, NaN where nothing is known."""

    stamp: int
    depth: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Attitude:
    """Roll and pitch of `base_link` against gravity, from the IMU."""

    stamp: int
    roll: float
    pitch: float


@dataclass(frozen=True)
class Obstacles:
    """LiDAR returns in `base_link` without floor and robot: float32[N,3], metres."""

    stamp: int
    points: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Odometry:
    """Planar pose of `base_link` in the odometry frame, and its velocity in `base_link`."""

    stamp: int
    x: float
    y: float
    yaw: float
    speed: float = 0.0
    yaw_rate: float = 0.0


@dataclass(frozen=True)
class GripperState:
    """Whether the gripper holds something."""

    stamp: int
    holding: bool


@dataclass(frozen=True)
class JointState:
    """Positions of the arm's joints by name, radians or metres."""

    stamp: int
    names: tuple[str, ...]
    positions: tuple[float, ...]


@dataclass(frozen=True)
class Observation:
    """All that one decision may know of the world. `now` is the node's clock at the decision.

    `image` is uint8[H,W,3] RGB, taken at `stamp` by `camera`, which must have its size.
    """

    stamp: int
    now: int
    image: Uint8Array
    camera: Camera | Missing
    depth: DepthImage | Missing = field(default_factory=lambda: Missing("no depth source"))
    attitude: Attitude | Missing = field(default_factory=lambda: Missing("no IMU"))
    obstacles: Obstacles | Missing = field(default_factory=lambda: Missing("no LiDAR"))
    odometry: Odometry | Missing = field(default_factory=lambda: Missing("no odometry"))
    gripper: GripperState | Missing = field(default_factory=lambda: Missing("no gripper state"))
    joints: JointState | Missing = field(default_factory=lambda: Missing("no joint states"))

    def __post_init__(self) -> None:
        shape = self.image.shape
        if self.image.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ImageError(f"image must be uint8[H,W,3] RGB, got {self.image.dtype}{list(shape)}")
        if isinstance(self.camera, Camera) and (self.camera.height, self.camera.width) != shape[:2]:
            raise ImageError(
                f"camera_info is for {self.camera.width}x{self.camera.height} pictures, "
                f"the image has {shape[1]}x{shape[0]}"
            )


# --------------------------------------------------------------------------- what the user says


@dataclass(frozen=True)
class InstructionRequest:
    """An instruction as it arrived: its text and its order.

    `epoch` is the start of the receiving node (ns), `sequence` counts instructions within it; the
    pair grows, so that the instruction of a restarted node is newer, not older.
    """

    text: str
    epoch: int = 0
    sequence: int = 0


class Relation(IntEnum):
    """How a noun phrase picks one of several objects, seen from the robot."""

    NONE = 0
    LEFT_OF = 1
    RIGHT_OF = 2
    IN_FRONT_OF = 3
    BEHIND = 4
    CLOSEST_TO = 5
    BETWEEN = 6
    NEAREST = 7
    FARTHEST = 8
    LEFTMOST = 9
    RIGHTMOST = 10
    LARGEST = 11
    SMALLEST = 12


@dataclass(frozen=True)
class ObjectPhrase:
    """A noun phrase: `text` is what CLIPSeg is asked for ("red cup"), without article or relation.

    LEFT_OF … CLOSEST_TO have one reference, BETWEEN two, the superlatives none.
    """

    text: str
    relation: Relation = Relation.NONE
    references: tuple[ObjectPhrase, ...] = ()


class Placement(IntEnum):
    """Where the target goes with respect to the destination."""

    NONE = 0
    ON = 1
    NEXT_TO = 2
    TO = 3


@dataclass(frozen=True)
class Instruction:
    """A parsed instruction. `skill_phrase` is the sentence with the nouns taken out
    ("pick up the object and put it on the destination"): what the skill is chosen by."""

    text: str
    skill_phrase: str
    target: ObjectPhrase | None = None
    destination: ObjectPhrase | None = None
    placement: Placement = Placement.NONE


# --------------------------------------------------------------------------- what is seen


class PositionSource(IntEnum):
    """Where an object's position comes from."""

    NONE = 0
    DEPTH = 1
    GROUND_PLANE = 2


@dataclass(frozen=True)
class SceneObject:
    """One connected piece of a prompt's mask.

    `box` is (x0, y0, x1, y1) in pixels of the image, x1 and y1 exclusive; `mask` is bool[h,w] at
    the resolution of the mask logits. `mask_score` is the mean mask probability, `margin` its lead
    over the best competing prompt; `score` is the final belief in [0, 1]: the second look's where
    there was one. `position` is the object's foot point or surface centre in `base_link`,
    `spread` its standard deviation in metres.
    """

    phrase: str
    box: tuple[int, int, int, int]
    mask: BoolArray
    score: float
    mask_score: float
    margin: float
    looked_twice: bool = False
    position: tuple[float, float, float] | None = None
    spread: float = float("nan")
    size: float = float("nan")
    source: PositionSource = PositionSource.NONE


@dataclass(frozen=True)
class Scene:
    """What perception believes of one image: objects of all asked phrases, best first."""

    stamp: int
    objects: tuple[SceneObject, ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()

    def of(self, phrase: str) -> tuple[SceneObject, ...]:
        """The objects found for one phrase, best first."""
        return tuple(o for o in self.objects if o.phrase == phrase)


# --------------------------------------------------------------------------- what is decided


class Outcome(IntEnum):
    """What the robot does now."""

    HOLD = 0
    EXECUTE = 1
    DONE = 2


class Reason(IntEnum):
    """Why the robot does not move."""

    NONE = 0
    NO_INSTRUCTION = 1
    INSTRUCTION_INVALID = 2
    UNKNOWN_SKILL = 3
    TARGET_NOT_FOUND = 4
    TARGET_AMBIGUOUS = 5
    DESTINATION_NOT_FOUND = 6
    NO_POSITION = 7
    UNREACHABLE = 8
    PATH_BLOCKED = 9
    PRECONDITION = 10
    LOW_CONFIDENCE = 11
    STALE_SENSOR = 12
    INTERNAL_ERROR = 13


@dataclass(frozen=True)
class Verdict:
    """The decision on the plan's current step, with a message that says what to do about it."""

    outcome: Outcome
    reason: Reason = Reason.NONE
    message: str = ""
    confidence: float = 0.0

    def __post_init__(self) -> None:
        if (self.outcome is Outcome.HOLD) != (self.reason is not Reason.NONE):
            raise ValueError(f"HOLD needs a reason and nothing else has one, got {self}")


@dataclass(frozen=True)
class SkillStep:
    """One skill of a plan: the skill's name, and the objects it acts on."""

    skill: str
    target: SceneObject | None = None
    destination: SceneObject | None = None
    placement: Placement = Placement.NONE


@dataclass(frozen=True)
class Plan:
    """Skill steps in order, which of them is current, and the one-line trace a person reads."""

    steps: tuple[SkillStep, ...] = ()
    current: int = 0
    trace: str = ""


@dataclass(frozen=True)
class PlanState:
    """What a pipeline remembers from one call to the next: how far the instruction is done.

    `since` is the stamp at which the current step began to be executed, 0 before that. `plan` is the
    plan as it was executed last, None before that: the arm hides the objects it moves.
    """

    request: InstructionRequest | None = None
    current: int = 0
    since: int = 0
    plan: Plan | None = None


# --------------------------------------------------------------------------- what is commanded


DIMENSIONS = ("x", "y", "z", "theta")
"""Continuous dimensions of an action: metres, metres, metres, radians."""


@dataclass(frozen=True)
class ActionSpace:
    """How token rows ⟨cmd, x, y, z, θ⟩ are read.

    `commands[i]` is the skill of cmd i, `commands[0]` is "stop". Dimension d has `bins` centres
    `linspace(low[d], high[d], bins)`; the bin index `bins` means "not used".
    """

    commands: tuple[str, ...]
    low: tuple[float, float, float, float]
    high: tuple[float, float, float, float]
    bins: int = 255

    def __post_init__(self) -> None:
        if not self.commands or self.commands[0] != "stop":
            raise ActionError(f"command 0 must be 'stop', got commands {self.commands}")
        if len(set(self.commands)) != len(self.commands):
            raise ActionError(f"commands must be different from each other, got {self.commands}")
        if self.bins % 2 == 0 or not 3 <= self.bins <= 65535:
            raise ActionError(f"bins must be odd (an exact zero) and in 3..65535, got {self.bins}")
        if len(self.low) != len(DIMENSIONS) or len(self.high) != len(DIMENSIONS):
            raise ActionError(f"low and high need one value each for {DIMENSIONS}")
        for name, low, high in zip(DIMENSIONS, self.low, self.high, strict=True):
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise ActionError(f"{name}: low < high and finite expected, got {low}..{high}")


@dataclass(frozen=True)
class ActionChunk:
    """A short sequence of actions, with everything a stranger needs to decode and judge it.

    `tokens` is uint16[H,5]; row i is due at `stamp + start_offset + i * step` (ns) and the chunk is
    void after the last row's end. HOLD and DONE chunks hold one STOP row.
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

    def __post_init__(self) -> None:
        if self.tokens.dtype != np.uint16 or self.tokens.ndim != 2 or self.tokens.shape[1] != 5:
            raise ActionError(f"tokens must be uint16[H,5], got {self.tokens.dtype}{self.tokens.shape}")
        if len(self.tokens) == 0 or self.step <= 0 or self.start_offset < 0:
            raise ActionError("a chunk needs a row, a positive step and a non-negative start offset")


@dataclass(frozen=True)
class Decision:
    """The answer to one observation."""

    scene: Scene
    plan: Plan
    verdict: Verdict
    chunk: ActionChunk
