"""LiDAR, IMU and odometry as the perception step needs them: registered to an image, or missing.

Everything is in `base_link` and stamped in ns of one clock. What comes too old or from the future
never gets in, so that one broken clock cannot harm what the other sensors know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from vlam_ros.configuration import FusionSettings, SensorSettings
from vlam_ros.errors import SensorError
from vlam_ros.fusion.attitude import AttitudeFilter
from vlam_ros.fusion.deskew import Rates, pose_table
from vlam_ros.fusion.sweep import DEPTH_NOISE, depth_image, fit_floor, obstacles_among, surface
from vlam_ros.fusion.synchroniser import STAMPS_KEPT, belonging, half_frame
from vlam_ros.interface import DEPTH_CAMERA, IMU, LIDAR, ODOMETRY, POINTS, Sensor
from vlam_ros.types import (
    Attitude,
    Camera,
    DepthImage,
    FloorPlane,
    ImuSample,
    LidarSweep,
    Missing,
    Obstacles,
    Odometry,
)
from vlam_ros.types.history import History, Stamped
from vlam_ros.types.observation import SEEING, check_sight

SPAN = 2_000_000_000
"""ns of each sensor that are kept."""
AHEAD = 100_000_000
"""ns that a stamp may be ahead of the clock: synchronised clocks differ, /clock ticks late."""
STANDING = 0.01
"""m/s and rad/s below which odometry says that the robot stands."""
NEVER = "no message yet"

Item = TypeVar("Item", bound=Stamped)


@dataclass
class _Sensor(Generic[Item]):
    """What came of a sensor, and why the rest of it could not be used."""

    name: str
    max_age: int
    history: History[Item] = field(default_factory=lambda: History(SPAN))
    seen: bool = False
    error: str = ""
    doubt: str = ""  # why it is not believed, although it speaks

    @classmethod
    def of(cls, sensor: Sensor, limits: SensorSettings) -> _Sensor[Item]:
        return cls(sensor.name, round(getattr(limits, sensor.max_age) * 1e9))

    def admit(self, item: Item, now: int, stamp: int) -> bool:
        """Take an item measured at `stamp`; True if time jumped back. SensorError for its age."""
        age = now - stamp
        with self.noting_errors():
            if age > self.max_age or age < -AHEAD:
                raise SensorError(f"{self.name} is {age_text(age)}: are the clocks synchronised?")
        self.seen, self.error = True, ""
        return self.history.add(item)

    @contextmanager
    def noting_errors(self) -> Iterator[None]:
        """A SensorError in the block says why what came cannot be used."""
        try:
            yield
        except SensorError as error:
            self.error = str(error)
            raise

    def nearest(self, gap: Callable[[Item], int]) -> Item | Missing:
        """The item with the smallest gap (ns) from a time; Missing if that is too large."""
        item = min(reversed(self.history.items), key=gap, default=None)
        if item is None or gap(item) > self.max_age:
            return self.missing(_gap(None if item is None else gap(item)))
        return item

    def status(self, now: int) -> str:
        newest = self.history.newest
        if self.doubt:
            return f"not believed: {self.doubt}"
        if newest is not None and now - newest.stamp <= self.max_age + AHEAD:
            return f"ok, {max(0, now - newest.stamp) / 1e9:.2f} s old"
        if self.seen:
            return f"lost: {self.error or 'nothing comes any more'}"
        return f"unusable: {self.error}" if self.error else "absent"

    def missing(self, reason: str) -> Missing:
        """Lost is also what publishes, and never could be used."""
        why = self.doubt or self.error or reason
        return Missing(f"{self.name}: {why}", lost=self.seen or bool(self.error))


@dataclass(frozen=True)
class _View:
    """The best sweeps for a stamp: points float32[N,3] in `base_link` as it was then."""

    stamp: int
    sweeps: list[LidarSweep]
    points: npt.NDArray[np.float32]

    @cached_property
    def floor(self) -> FloorPlane | Missing:
        return fit_floor(self.points, self.stamp)


class SensorFusion:
    """Takes what the sensors measure and answers for the stamp of an image.

    Each `add_` takes the node's clock `now` (ns) and raises SensorError for data that is older than
    the sensor's limit, or from the future; it is not used then, and `status` says why.
    """

    def __init__(self, sensors: SensorSettings, settings: FusionSettings) -> None:
        self._settings = settings
        self._limits = sensors
        self._filter = AttitudeFilter()
        self.reset()

    def reset(self) -> None:
        """Time jumped: all that was measured is of another time."""
        self._lidars: dict[str, _Sensor[LidarSweep]] = {}  # by their topics
        self._imu: _Sensor[ImuSample] = _Sensor.of(IMU, self._limits)
        self._odometry: _Sensor[Odometry] = _Sensor.of(ODOMETRY, self._limits)
        self._depths: _Sensor[DepthImage] = _Sensor.of(DEPTH_CAMERA, self._limits)
        self._attitudes: History[Attitude] = History(SPAN)
        self._last_view: _View | None = None
        self._asked: tuple[int, ...] = ()  # stamps of images whose depth was asked for
        self._filter.reset()

    # --------------------------------------------------------------------------- in

    def add_imu(self, sample: ImuSample, now: int) -> None:
        """Take a reading of the IMU."""
        if self._imu.admit(sample, now, sample.stamp):
            self._filter.reset()
            self._attitudes.clear()
        if self._imu.history.newest is not sample:
            return  # late or twice
        odometry = self._odometry.history.newest
        standing = odometry is None or max(abs(odometry.speed), abs(odometry.yaw_rate)) < STANDING
        if odometry is None or abs(sample.stamp - odometry.stamp) > self._odometry.max_age:
            self._filter.plausibility.odometry_lost()
        roll, pitch = self._filter.update(sample, standing)
        self._imu.doubt = self._filter.plausibility.doubt
        if self._imu.doubt:
            self._attitudes.clear()
            raise SensorError(f"{IMU.name} is not believed: {self._imu.doubt}")
        self._attitudes.add(Attitude(sample.stamp, roll, pitch))

    def add_cloud(self, sweep: LidarSweep, now: int, source: str = POINTS) -> None:
        """Take a sweep of a LiDAR. All that ever spoke count, each with its own age."""
        lidar = self._lidar(source)
        with lidar.noting_errors():
            check_sight(sweep.points, self._settings.robot_box)
        lidar.admit(sweep, now, sweep.span[1])

    def add_odometry(self, odometry: Odometry, now: int) -> None:
        """Take a planar pose and its velocity."""
        last = self._odometry.history.newest
        self._odometry.admit(odometry, now, odometry.stamp)
        if last is not None and (seconds := (odometry.stamp - last.stamp) / 1e9) > 0:
            turned = math.remainder(odometry.yaw - last.yaw, math.tau)
            self._filter.plausibility.odometry(turned / seconds, seconds)

    def add_depth(self, depth: DepthImage, now: int) -> None:
        """Take a depth camera's image, registered to the image with its stamp."""
        with self._depths.noting_errors():
            known = np.count_nonzero(depth.depth > 0)
            if known < SEEING * depth.depth.size:
                raise SensorError(f"depth is known in {known} pixels: is the camera covered?")
        self._depths.admit(depth, now, depth.stamp)

    # --------------------------------------------------------------------------- out

    def ready(self, stamp: int) -> bool:
        """Whether nothing is to be waited for that the image of this stamp could use: LiDAR and
        depth camera have delivered, or are silent.
        """
        ends = [
            (lidar.history.newest.span[1], lidar.max_age)
            for lidar in self._lidars.values()
            if lidar.history.newest
        ]
        if self._depths.history.newest:
            ends.append((self._depths.history.newest.stamp, self._depths.max_age))
        return not any(0 < stamp - end <= max_age for end, max_age in ends)

    def depth(self, stamp: int, camera: Camera) -> DepthImage | Missing:
        """Depth registered to the image taken at `stamp`, from LiDAR, depth camera or both."""
        view = self._view(stamp)
        seen = self._registered(stamp)
        if seen is not None and not self._fits(seen, camera):
            seen = None
        if isinstance(view, Missing):
            return view if seen is None else DepthImage(stamp, seen.depth)
        image = depth_image(view.points, camera)
        return DepthImage(stamp, image if seen is None else np.fmin(image, seen.depth))

    def _registered(self, stamp: int) -> DepthImage | None:
        """The depth camera's image that belongs to the image taken at `stamp`."""
        if not self._asked or stamp > self._asked[-1]:
            self._asked = (*self._asked, stamp)[-STAMPS_KEPT:]
        known = {depth.stamp: depth for depth in self._depths.history.items}
        found = belonging(known, stamp, half_frame(self._asked, tuple(known)))
        return None if found is None else known[found]

    def attitude(self, stamp: int) -> Attitude | Missing:
        """Roll and pitch at a stamp, between the readings around it."""
        around = self._attitudes.around(stamp, stamp)
        nearest = min(around, key=lambda a: abs(a.stamp - stamp), default=None)
        if nearest is None or abs(nearest.stamp - stamp) > self._imu.max_age:
            return self._imu.missing(_gap(abs(nearest.stamp - stamp) if nearest else None))
        stamps = [a.stamp - stamp for a in around]
        roll = np.interp(0, stamps, [a.roll for a in around])
        pitch = np.interp(0, stamps, [a.pitch for a in around])
        return Attitude(stamp, float(roll), float(pitch))

    def floor(self, stamp: int) -> FloorPlane | Missing:
        """The floor around the robot at a stamp, as its LiDAR sees it."""
        view = self._view(stamp)
        return view if isinstance(view, Missing) else view.floor

    def obstacles(self, stamp: int, camera: Camera | None = None) -> Obstacles | Missing:
        """What stands around the robot at a stamp, or, where no LiDAR ever spoke, what the depth
        of the `camera` shows of it. Without a floor in sight, z = 0 is the floor.
        """
        by_camera = not self._lidars and (self._depths.seen or bool(self._depths.error))
        if camera is not None and by_camera:
            view = self._camera_view(stamp, camera)
        else:
            view = self._view(stamp)
        if isinstance(view, Missing):
            return view
        level = FloorPlane(stamp, (0.0, 0.0, 1.0), 0.0)
        floor = level if isinstance(view.floor, Missing) else view.floor
        noise = DEPTH_NOISE if by_camera else 0.0
        found = obstacles_among(view.points, floor, self._settings, noise)
        return Obstacles(stamp, found, by_camera)

    def status(self, now: int) -> dict[str, str]:
        """For each sensor "ok", "absent", "lost: …" or "unusable: …", and what is not ideal."""
        states = [self._lidar_status(source, now) for source in self._lidars]
        worst = next((state for state in states if not state.startswith("ok")), None)
        others = (self._imu, self._odometry, self._depths)
        return {
            LIDAR.name: worst or "; ".join(states) or "absent",
            **{sensor.name: sensor.status(now) for sensor in others},
        }

    def report_error(self, sensor: str, why: str, source: str = POINTS) -> None:
        """Remember why a message of a sensor, by its name in `status`, could not be read; of a
        LiDAR, from which topic.
        """
        others = {s.name: s for s in (self._imu, self._odometry, self._depths)}
        (others[sensor] if sensor in others else self._lidar(source)).error = why

    def _lidar(self, source: str) -> _Sensor[LidarSweep]:
        if source not in self._lidars:
            self._lidars[source] = _Sensor.of(LIDAR, self._limits)
            if source != POINTS:
                self._lidars[source].name += f" ({source})"
        return self._lidars[source]

    def _lidar_status(self, source: str, now: int) -> str:
        lidar = self._lidars[source]
        state, newest = lidar.status(now), lidar.history.newest
        if newest is None or not state.startswith("ok"):
            return state if len(self._lidars) == 1 else state.replace(": ", f": {source}: ", 1)
        if not len(newest.points):
            return "sees nothing: is there nothing within its range, or is it covered?"
        if newest.remark:
            state += f"; {newest.remark}"
        elif newest.offsets is None:
            state += "; no time per point: its sweeps are not deskewed"
        return state

    def _view(self, stamp: int) -> _View | Missing:
        sweeps = []
        for lidar in self._lidars.values():
            sweep = lidar.nearest(lambda s: _distance(s, stamp))
            if isinstance(sweep, Missing):
                return sweep
            sweeps.append(sweep)
        if not sweeps:
            return Missing(f"{LIDAR.name}: {NEVER}")
        last = self._last_view
        if last is None or last.stamp != stamp or [*map(id, last.sweeps)] != [*map(id, sweeps)]:
            points = np.concatenate([self._deskew(sweep, stamp) for sweep in sweeps])
            last = self._last_view = _View(stamp, sweeps, points)
        return last

    def _camera_view(self, stamp: int, camera: Camera) -> _View | Missing:
        """What the depth camera sees, as a sweep."""
        seen = self._depths.nearest(lambda d: abs(d.stamp - stamp))
        if isinstance(seen, Missing):
            return seen
        if not self._fits(seen, camera):
            return self._depths.missing(NEVER)
        sweep = LidarSweep(seen.stamp, surface(seen.depth, camera))
        return _View(stamp, [sweep], self._deskew(sweep, stamp))

    def _fits(self, seen: DepthImage, camera: Camera) -> bool:
        height, width = seen.depth.shape
        if fits := (height, width) == (camera.height, camera.width):
            return fits
        self._depths.error = f"{width}x{height} pixels, unlike the image"
        return False

    def _deskew(self, sweep: LidarSweep, stamp: int) -> npt.NDArray[np.float32]:
        if not len(sweep.points):
            return sweep.points
        offsets = np.zeros(len(sweep.points)) if sweep.offsets is None else sweep.offsets
        times = offsets + (sweep.stamp - stamp) / 1e9
        start, end = min(sweep.span[0], stamp), max(sweep.span[1], stamp)
        table = pose_table(
            (start - stamp) / 1e9,
            (end - stamp) / 1e9,
            self._rates(start, end, stamp),
            self._near(self._odometry.history.around(start, end), stamp, self._odometry.max_age),
            stamp,
        )
        return table.bring(sweep.points, times)

    def _rates(self, start: int, end: int, stamp: int) -> Rates | None:
        around = self._imu.history.around(start, end)
        samples = self._near(around, stamp, self._imu.max_age)
        if not samples or self._imu.doubt:
            return None
        times = np.array([(s.stamp - stamp) / 1e9 for s in samples])
        return Rates(times, np.array([s.rate for s in samples]) - self._filter.bias)

    @staticmethod
    def _near(items: list[Item], stamp: int, max_age: int) -> list[Item]:
        """The items that may speak for a stamp; all of them or none."""
        nearest = min((abs(item.stamp - stamp) for item in items), default=max_age + 1)
        return items if nearest <= max_age else []


def age_text(age: int) -> str:
    """For people: how old something is, in nanoseconds."""
    if age < 0:
        return f"{-age / 1e9:.2f} s ahead of the clock"
    return f"{age / 1e9:.2f} s old"


def _distance(sweep: LidarSweep, stamp: int) -> int:
    """How far a stamp is outside of a sweep, ns."""
    first, last = sweep.span
    return max(0, first - stamp, stamp - last)


def _gap(nearest: int | None) -> str:
    return NEVER if nearest is None else f"nothing within {nearest / 1e9:.2f} s of the image"
