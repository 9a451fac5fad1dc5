"""What the robot senses."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ImageError
from vlam_ros.types.arrays import Uint8Array
from vlam_ros.types.camera import Camera
from vlam_ros.types.planar import PlanarPose


@dataclass(frozen=True)
class Missing:
    """The defined absence of a sensor's data, with the reason a person can read.

    `lost` tells a sensor that was there and fell silent from one that never spoke: a robot may do
    without a LiDAR, but not go on as if its LiDAR still watched.
    """

    reason: str
    lost: bool = False


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
class RangeReading:
    """What an ultrasonic or infrared sensor says: something is somewhere on an arc, or nothing is.

    `distance` is in metres from the sensor, infinite for nothing; `arc` are the places where it may
    be, float32[N,3] in `base_link`, metres, none for nothing.
    """

    stamp: int
    distance: float
    arc: npt.NDArray[np.float32]


@dataclass(frozen=True)
class FloorPlane:
    """The floor around the robot, as LiDAR returns show it: floor points p have n · p = offset.

    `normal` is the unit vector n in `base_link` that points up, `offset` is in metres, 0 where
    `base_link` lies on the floor, negative where it is above it.
    """

    stamp: int
    normal: tuple[float, float, float]
    offset: float


@dataclass(frozen=True)
class Odometry:
    """Planar pose of `base_link` in the odometry frame, and its velocity in `base_link`."""

    stamp: int
    x: float
    y: float
    yaw: float
    speed: float = 0.0
    yaw_rate: float = 0.0

    @property
    def pose(self) -> PlanarPose:
        """Where `base_link` is in the odometry frame."""
        return PlanarPose(self.x, self.y, self.yaw)


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
    floor: FloorPlane | Missing = field(default_factory=lambda: Missing("no LiDAR"))
    obstacles: Obstacles | Missing = field(default_factory=lambda: Missing("no LiDAR"))
    odometry: Odometry | Missing = field(default_factory=lambda: Missing("no odometry"))
    gripper: GripperState | Missing = field(default_factory=lambda: Missing("no gripper state"))
    joints: JointState | Missing = field(default_factory=lambda: Missing("no joint states"))
    range: RangeReading | Missing = field(default_factory=lambda: Missing("no range sensor"))

    def __post_init__(self) -> None:
        shape = self.image.shape
        if self.image.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ImageError(f"image must be uint8[H,W,3] RGB, got {self.image.dtype}{list(shape)}")
        if isinstance(self.camera, Camera) and (self.camera.height, self.camera.width) != shape[:2]:
            raise ImageError(
                f"camera_info is for {self.camera.width}x{self.camera.height} images, "
                f"the image has {shape[1]}x{shape[0]}"
            )
