"""What the robot senses."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ImageError
from vlam_ros.types.arrays import FloatArray, Uint8Array


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


def optical_rotation(tilt: float, yaw: float = 0.0, roll: float = 0.0) -> FloatArray:
    """Rotation float64[3,3] of optical vectors into `base_link`.

    The camera looks along +x, tilted down by `tilt`, turned left by `yaw` and rolled clockwise by
    `roll`, in rad.
    """
    # Columns are the optical axes (x right, y down, z forward) of a level camera.
    ahead = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    ct, st, cy, sy = math.cos(tilt), math.sin(tilt), math.cos(yaw), math.sin(yaw)
    cr, sr = math.cos(roll), math.sin(roll)
    # A positive rotation about y, which points left, lowers what looks forward.
    nod = np.array([[ct, 0.0, st], [0.0, 1.0, 0.0], [-st, 0.0, ct]])
    turn = np.array([[cy, -sy, 0.0], [sy, cy, 0.0], [0.0, 0.0, 1.0]])
    about_axis = np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]])
    return turn @ nod @ ahead @ about_axis


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
