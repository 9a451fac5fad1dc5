"""The newest data of every sensor beside the image: stamped data in, one Observation out.

`Sensors` keeps the last good data, which is Missing once it is too old, so that a decision knows
what it lacks and why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from vlam_ros.configuration import SensorSettings
from vlam_ros.errors import SensorError
from vlam_ros.fusion.sensor_fusion import SensorFusion, age_text
from vlam_ros.fusion.synchroniser import STAMPS_KEPT, belonging, half_frame
from vlam_ros.interface import VLAM, subscribed_by
from vlam_ros.types import (
    Attitude,
    Camera,
    DepthImage,
    FloorPlane,
    GripperState,
    JointState,
    Missing,
    Observation,
    Obstacles,
    Odometry,
    RangeReading,
    Uint8Array,
)
from vlam_ros.types.decision_inputs import SENSORS

DEPTHS_KEPT = 5
"""Depth images that are kept, as many as the topic's queue holds."""
ODOMETRIES_KEPT = 50
"""Readings that are kept for images that waited: half a second or more of most robots."""


JUMP = 1_000_000_000
"""ns that a stamp must be older than the newest to be of another time."""
FEWEST_FRAMES = 8
"""Images of which none has its camera_info, before that is more than some loss."""

NEWEST = tuple(name for name in SENSORS if name not in ("camera", "depth", "odometry"))
"""The fields of an Observation that are the newest data, until it is too old."""

Stamped = (
    Attitude
    | DepthImage
    | FloorPlane
    | GripperState
    | JointState
    | Obstacles
    | Odometry
    | RangeReading
)
Data = TypeVar("Data", bound=Stamped)

_SENSORS = {row.field: row.sensor for row in subscribed_by(VLAM) if row.sensor}


def max_age(name: str, limits: SensorSettings) -> int:
    """The age in ns at which data is too old, by its name in `Sensors`."""
    return round(getattr(limits, _SENSORS[name].max_age) * 1e9)


def check_age(name: str, stamp: int, now: int, limits: SensorSettings) -> None:
    """SensorError if data is too old at `now` (ns), or as far from the future: the clocks of two
    machines disagree.
    """
    age, limit = now - stamp, max_age(name, limits)
    if abs(age) <= limit:
        return
    raise SensorError(f"{name}: {age_text(age)}, {limit / 1e9:g} s are allowed")


def _fresh(name: str, data: Data | Missing, now: int, limits: SensorSettings) -> Data | Missing:
    if isinstance(data, Missing):
        return data
    try:
        check_age(name, data.stamp, now, limits)
    except SensorError as error:
        return Missing(str(error), lost=True)
    return data


def _age(data: Stamped | Missing, now: int) -> str:
    return data.reason if isinstance(data, Missing) else f"{(now - data.stamp) / 1e9:.3f}"


@dataclass(frozen=True)
class Sensors:
    """The last good data of each sensor beside the image. Replaced, never changed: the
    inference thread reads one state while the ROS thread makes the next. `frames` and `infos` are
    the rising stamps (ns) of the last images and of the camera_info that announces them.
    """

    camera: Camera | Missing = Missing("no camera_info yet: does the camera driver publish it?")
    depths: tuple[DepthImage, ...] = ()
    attitude: Attitude | Missing = Missing("no attitude yet")
    floor: FloorPlane | Missing = Missing("no floor yet")
    obstacles: Obstacles | Missing = Missing("no obstacles yet")
    odometry: Odometry | Missing = Missing("no odometry yet")
    driven: tuple[Odometry, ...] = ()
    gripper: GripperState | Missing = Missing("no gripper state yet")
    joints: JointState | Missing = Missing("no joint states yet")
    range: RangeReading | Missing = Missing("no range yet")
    frames: tuple[int, ...] = ()
    infos: tuple[int, ...] = ()

    def with_data(self, name: str, data: Any) -> Sensors:
        """With new data of one field; of depth and odometry a few old ones are kept."""
        if name == "depth":
            return replace(self, depths=(*self.depths, data)[-DEPTHS_KEPT:])
        if name == "odometry":
            driven = (*self.driven, data)[-ODOMETRIES_KEPT:]
            return replace(self, odometry=data, driven=driven)
        return replace(self, **{name: data})

    def with_fresh(self, name: str, data: Any, now: int, limits: SensorSettings) -> Sensors:
        """`with_data` of what came at `now` (ns); SensorError if that is too old. A calibration
        does not age, and depth is as old as the image it belongs to.
        """
        if name not in ("camera", "depth"):
            check_age(name, data.stamp, now, limits)
        return self.with_data(name, data)

    def with_error(self, name: str, why: str, lost: bool = False) -> Sensors:
        """With a message that could not be used. It does not take the place of good data, which
        ages by itself; where none ever came, it tells why, and whether that means `lost`.
        """
        last = None if name == "depth" else getattr(self, name)
        if not isinstance(last, Missing):
            return self
        change: dict[str, Any] = {name: Missing(why, lost or last.lost)}
        return replace(self, **change)

    def with_stamp(self, name: str, stamp: int) -> Sensors:
        """With one more stamp of `frames` or `infos`, unless it comes late. If it is much older,
        the ones before were of another time.
        """
        known: tuple[int, ...] = getattr(self, name)
        if known and stamp <= known[-1]:
            if known[-1] - stamp < JUMP:
                return self
            known = ()
        change: dict[str, Any] = {name: (*known, stamp)[-STAMPS_KEPT:]}
        return replace(self, **change)

    def has_depth(self, stamp: int) -> bool:
        """Whether the depth of the image with this stamp came."""
        return self._depth_at(stamp) is not None

    def announced(self, stamp: int) -> int | None:
        """The stamp of the camera_info of an image; its own where nobody announces images."""
        return belonging(self.infos, stamp, self.half_frame) if self.infos else stamp

    @property
    def half_frame(self) -> int:
        """Ns that stamps of one frame may differ."""
        return half_frame(self.frames, self.infos, [depth.stamp for depth in self.depths])

    def unannounced(self) -> str:
        """What is wrong if camera_info comes and none belongs to the last images, else nothing."""
        last = self.frames[-FEWEST_FRAMES:]
        if len(last) < FEWEST_FRAMES or any(self.announced(stamp) is not None for stamp in last):
            return ""
        gap = min(abs(info - stamp) for info in self.infos for stamp in last)
        return (
            f"none is stamped within {self.half_frame / 1e6:.0f} ms (half a frame) of the last "
            f"{len(last)} images, the nearest is {gap / 1e6:.0f} ms off: they get no depth; "
            "publish camera_info with each image and stamped as it is"
        )

    def _depth_at(self, stamp: int) -> DepthImage | None:
        found = belonging([depth.stamp for depth in self.depths], stamp, self.half_frame)
        return next((depth for depth in self.depths if depth.stamp == found), None)

    def observation(
        self,
        image: Uint8Array,
        stamp: int,
        now: int,
        limits: SensorSettings,
        fusion: SensorFusion | None = None,
    ) -> Observation:
        """What is known at `now` about the image taken at `stamp`; both in nanoseconds.

        Depth belongs to the image within half a frame of its stamp and to no other, and the
        camera's calibration does not age. Odometry is that of the image, as near as it came. The
        rest is the newest; all is lost once it is too old. What LiDAR and IMU tell is `fusion`'s,
        where that is here.

        Raises:
            ImageError: the image does not have the camera's size.
        """
        known = Observation(
            stamp=stamp,
            now=now,
            image=image,
            camera=self.camera,
            depth=self._depth(stamp, image.shape[:2], now, limits),
            odometry=self._odometry(stamp, now, limits),
            **{name: _fresh(name, getattr(self, name), now, limits) for name in NEWEST},
        )
        if fusion is None:
            return known
        camera = None if isinstance(known.camera, Missing) else known.camera
        return replace(
            known,
            depth=self._fused_depth(stamp, fusion),
            attitude=fusion.attitude(stamp),
            floor=fusion.floor(stamp),
            obstacles=fusion.obstacles(stamp, camera),
        )

    def _fused_depth(self, stamp: int, fusion: SensorFusion) -> DepthImage | Missing:
        if isinstance(self.camera, Missing):
            return Missing("no depth without the camera's calibration")
        announced = self.announced(stamp)
        depth = fusion.depth(stamp if announced is None else announced, self.camera)
        if announced is None and isinstance(depth, DepthImage):
            return Missing("no camera_info within half a frame of the image")
        return depth

    def _odometry(self, stamp: int, now: int, limits: SensorSettings) -> Odometry | Missing:
        if isinstance(newest := _fresh("odometry", self.odometry, now, limits), Missing):
            return newest
        return min(reversed(self.driven), key=lambda o: abs(o.stamp - stamp), default=newest)

    def _depth(
        self, stamp: int, size: tuple[int, ...], now: int, limits: SensorSettings
    ) -> DepthImage | Missing:
        depth = self._depth_at(stamp)
        if depth is None:
            newest = _fresh("depth", self.depths[-1], now, limits) if self.depths else None
            if isinstance(newest, Missing):
                return newest
            return Missing("no depth image with the stamp of the image, give or take half a frame")
        if depth.depth.shape != size:
            return Missing(
                f"depth has {depth.depth.shape[1]}x{depth.depth.shape[0]} pixels, the image "
                f"{size[1]}x{size[0]}: publish depth registered to the camera"
            )
        return depth

    def ages(self, now: int) -> dict[str, str]:
        """For diagnostics: how old the last good data of each sensor is, or why there is none."""
        depth = self.depths[-1] if self.depths else Missing("no depth yet")
        ages = {name: getattr(self, name) for name in (*NEWEST, "odometry")} | {"depth": depth}
        return {
            "camera": self.camera.reason if isinstance(self.camera, Missing) else "calibrated",
            **{f"age of {name} (s)": _age(data, now) for name, data in sorted(ages.items())},
        }
