"""What the robot senses: the inputs of a decision, and what IMU and LiDAR measure before fusion."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import ImageError, SensorError
from vlam_ros.types.arrays import Uint8Array
from vlam_ros.types.camera import Camera

Places = npt.NDArray[np.float64]
"""x, y of places on the floor, float64[N,2], metres."""


@dataclass(frozen=True)
class PlanarPose:
    """Planar pose of `base_link` in another frame, metres and radians."""

    x: float
    y: float
    yaw: float

    def out(self, points: Places) -> Places:
        """Points [N,2] of this `base_link`, in the other frame."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return points @ np.array([[c, s], [-s, c]]) + (self.x, self.y)

    def into(self, points: Places) -> Places:
        """Points [N,2] of the other frame, in this `base_link`."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return (points - (self.x, self.y)) @ np.array([[c, -s], [s, c]])


@dataclass(frozen=True)
class Missing:
    """The defined absence of a sensor's data, with the reason a person can read.

    `lost` tells a sensor that was there and fell silent from one that never spoke: a robot may do
    without a LiDAR, but not go on as if its LiDAR still watched.
    """

    reason: str
    lost: bool = False


NO_ROBOT = Missing("no robot is connected")
"""Of an image without a robot: whether its body could do it nobody asked."""


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
    """LiDAR returns in `base_link` without floor and robot: float32[N,3], metres; or what a depth
    camera shows of that, and nobody sees the rest, on a robot without a LiDAR (`by_camera`).
    """

    stamp: int
    points: npt.NDArray[np.float32]
    by_camera: bool = False


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
    gripper: GripperState | Missing = NO_ROBOT
    joints: JointState | Missing = NO_ROBOT
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

    @property
    def holding(self) -> bool:
        """Whether the gripper is known to hold something."""
        return not isinstance(self.gripper, Missing) and self.gripper.holding


SEEING = 0.01
"""Share of a LiDAR's rays that must see something: covered ones still have a few returns of noise.
"""


def on_robot(
    points: npt.NDArray[np.floating], robot_box: tuple[float, ...]
) -> npt.NDArray[np.bool_]:
    """Which of the points [N,3] in `base_link` are the robot itself; see `fusion.robot_box`."""
    rear, front, side, top = robot_box
    x, y, z = points.T
    return np.asarray((x > rear) & (x < front) & (np.abs(y) < side) & (z < top))


def check_sight(points: npt.NDArray[np.floating], robot_box: tuple[float, ...]) -> None:
    """SensorError for a sweep [N,3] that sees nothing but the robot itself; an empty one may be
    that of an open field.
    """
    if len(points) and np.count_nonzero(~on_robot(points, robot_box)) < SEEING * len(points):
        raise SensorError(
            f"the LiDAR sees only the robot itself, in {len(points)} returns: is it covered, and "
            "do lidar.* and fusion.robot_box fit?"
        )


Vector = tuple[float, float, float]


@dataclass(frozen=True)
class ImuSample:
    """One reading of an IMU (REP-145), turned into the axes of `base_link`.

    `rate` is the angular velocity (rad/s); `force` the specific force (m/s²), +9.81 along z on a
    level robot at rest. `tilt` is (roll, pitch) in rad of the IMU's own orientation where its
    covariance makes it worth believing, else None.
    """

    stamp: int
    rate: Vector
    force: Vector
    tilt: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not np.isfinite([*self.rate, *self.force, *(self.tilt or ())]).all():
            raise SensorError(
                f"an IMU reading must be finite, got rate {self.rate}, force {self.force}, "
                f"tilt {self.tilt}"
            )


@dataclass(frozen=True)
class LidarSweep:
    """The returns of one LiDAR sweep, each in `base_link` as that was when it was measured.

    `points` is float32[N,3] in metres, all finite. `offsets` float64[N] are seconds from `stamp` to
    the time of each point, negative ones included; None if the LiDAR does not tell. `remark` is
    what is wrong with the times it tells, for diagnostics.
    """

    stamp: int
    points: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.float64] | None = None
    remark: str = ""

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 3:
            raise SensorError(f"a sweep needs points [N,3], got {list(self.points.shape)}")
        if self.offsets is not None and self.offsets.shape != self.points.shape[:1]:
            raise SensorError(
                f"a sweep of {len(self.points)} points has {self.offsets.shape} point times"
            )

    @property
    def span(self) -> tuple[int, int]:
        """Times of the first and of the last point, ns; twice the stamp if there are none."""
        if self.offsets is None or not len(self.offsets):
            return self.stamp, self.stamp
        first, last = float(self.offsets.min()), float(self.offsets.max())
        return self.stamp + round(first * 1e9), self.stamp + round(last * 1e9)
