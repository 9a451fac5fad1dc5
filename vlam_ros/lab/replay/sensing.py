"""What the sensors of a bag say: messages in, the observation of an image out.

Does what `fusion_node` and the inputs of `vlam_node` do, with the same conversions, in one process.
What cannot be used is noted once, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.errors import BagError, ImageError, UnseenError, VlamError
from vlam_ros.fusion import SensorFusion, Sensors
from vlam_ros.interface import (
    DEPTH_CAMERA,
    FUSION,
    IMU,
    LIDAR,
    ROBOT,
    TABLE,
    VLAM,
    Topic,
    subscribed_by,
)
from vlam_ros.lab.bags import BagReader, TransformTree
from vlam_ros.lab.notes import Notes
from vlam_ros.ros.converters import Converters
from vlam_ros.ros.images import image_from_message
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.runtime import DecisionJob, DecisionResult, Runtime
from vlam_ros.types import LidarSweep, Missing, Observation, Uint8Array
from vlam_ros.types.decision_inputs import SENSORS


class BagSensors:
    """The newest that every sensor said, at the time up to which the bag was read."""

    def __init__(
        self,
        settings: Settings,
        fusion: FusionNodeSettings,
        fuses: bool,
        notes: Notes,
        checks_ages: bool = True,
    ) -> None:
        """Fuse LiDAR and IMU here if `fuses`, else go by what was recorded of fusion_node. Without
        `checks_ages` what comes late counts all the same.
        """
        self.fuses = fuses
        self.tree = TransformTree()
        self._checks_ages = checks_ages
        self._notes = notes
        self._limits = settings.sensors
        self._convert = Converters(self.tree, settings)
        self._convert_raw = Converters(self.tree, fusion)
        self._fusion = SensorFusion(fusion.sensors, fusion.fusion)
        self.latest = Sensors()
        self._feeds: dict[str, Callable[[Any, int], None]] = {
            row.role: partial(self._keep, row)
            for row in subscribed_by(VLAM)
            if row.field not in ("", "image") and not (fuses and row.publisher == FUSION)
        }
        self._feeds["tf"] = lambda m, now: self.tree.add(m, static=False)
        self._feeds["tf_static"] = lambda m, now: self.tree.add(m, static=True)
        raw: dict[str, Callable[[Any, int], None]] = {
            "imu": self._fusion.add_imu,
            "points": partial(self._sweep, "points"),
            "scan": partial(self._sweep, "scan"),
            "camera_depth": self._fusion.add_depth,
            "camera_depth/compressedDepth": self._fusion.add_depth,
        }
        for role in raw if fuses else ():
            self._feeds[role] = partial(self._fuse, role, raw[role])

    def _fuse(self, role: str, add: Callable[[Any, int], None], message: Any, now: int) -> None:
        add(self._convert_raw(role, message, now), now)

    def feed(self, role: str, message: Any, now: int) -> None:
        """Take a message of a role, which came at `now` (ns); roles of no sensor are ignored."""
        try:
            if role in self._feeds:
                self._feeds[role](message, now)
        except VlamError as error:
            self._notes.add(f"{role}: {error}", once=role)
            self._failed(role, error)

    def _failed(self, role: str, error: VlamError) -> None:
        """As the nodes take what they cannot use."""
        row = next(row for row in TABLE if row.role == role)
        if self.fuses and row.sensor in (LIDAR, IMU, DEPTH_CAMERA) and row.publisher == ROBOT:
            self._fusion.report_error(row.sensor.name, str(error), row.name)
        elif row.field:
            lost = isinstance(error, UnseenError)
            self.latest = self.latest.with_error(row.field, str(error), lost)

    def forget(self) -> None:
        """Time jumped: everything is of another time now."""
        self.latest = Sensors(camera=self.latest.camera)
        self._fusion.reset()

    def ready(self, stamp: int) -> bool:
        """Whether the image of this stamp need not wait for anything."""
        if self.fuses:
            announced = self.latest.announced(stamp)
            if announced is not None:
                return self._fusion.ready(announced)
            late = stamp - self.latest.infos[-1]
            if 0 < late <= self._limits.max_lidar_age * 1e9:  # else it is silent, as for a LiDAR
                return False
            return self._fusion.ready(stamp)
        return self.latest.has_depth(stamp)

    def observe(self, message: Any, stamp: int, now: int) -> Observation:
        """What is known at `now` of the image taken at `stamp` (ns).

        Raises:
            ImageError: it cannot be read, or does not have the camera's size.
        """
        fusion = self._fusion if self.fuses else None
        if wrong := self.latest.unannounced():
            self._notes.add(f"camera_info: {wrong}", once="stamps of camera_info")
        return self.latest.observation(readable(message), stamp, now, self._limits, fusion)

    def newest(self) -> dict[str, Any]:
        """The newest data of each sensor that said something, by its name in an Observation."""
        latest = self.latest
        found = {name: getattr(latest, name) for name in SENSORS if name not in ("camera", "depth")}
        found |= {"depth": latest.depths[-1]} if latest.depths else {}
        return {name: data for name, data in found.items() if not isinstance(data, Missing)}

    def saw_image(self, stamp: int) -> None:
        """An image taken at this stamp (ns) came, whether it is decided on or not."""
        self.latest = self.latest.with_stamp("frames", stamp)

    def _keep(self, row: Topic, message: Any, now: int) -> None:
        if row.field == "camera":
            self.latest = self.latest.with_stamp("infos", nanoseconds(message.header.stamp))
        data = self._convert(row.name, message, now)
        if self._checks_ages:
            self.latest = self.latest.with_fresh(row.field, data, now, self._limits)
        else:
            self.latest = self.latest.with_data(row.field, data)
        if row.field == "odometry" and self.fuses:
            self._fusion.add_odometry(data, now)

    def _sweep(self, role: str, sweep: LidarSweep, now: int) -> None:
        if sweep.remark:
            self._notes.add(f"LiDAR: {sweep.remark}", once="times of points")
        if isinstance(self.latest.odometry, Missing):  # then tf may know how the robot moved
            for moved in self.tree.odometry(sweep.span):
                self._fusion.add_odometry(moved, now)
        self._fusion.add_cloud(sweep, now, role)


def readable(message: Any) -> Uint8Array:
    """An image of a bag as uint8[H,W,3] RGB.

    Raises:
        ImageError: it cannot be read.
    """
    # It may be a view that cannot be written to, of which PyTorch warns.
    return np.require(image_from_message(message), requirements="W")


def frames(
    bag: BagReader, topic: str, count: int, notes: Notes
) -> Iterator[tuple[int, int, Uint8Array]]:
    """About `count` frames of a topic, evenly spread: number, receive time (ns) and the image
    uint8[H,W,3] RGB. Of damaged ones `notes` tell.
    """
    step = max(1.0, bag.counts.get(topic, 0) / count)
    due = 0.0
    for number, message in enumerate(bag.messages([topic])):
        if number < due:
            continue
        try:
            image = image_from_message(message.read())
        except (BagError, ImageError) as error:
            notes.add(f"an image is passed over: {error}", once="image")
            continue
        due = max(due + step, number)
        yield number, message.received, image


def decide(runtime: Runtime, job: DecisionJob, now: int, notes: Notes) -> DecisionResult | None:
    """Decide on an image; None for one that cannot be used, which is noted."""
    result = runtime.decide(job, now)
    if isinstance(result, DecisionResult):
        return result
    if not isinstance(result.error, ImageError):
        raise result.error
    notes.add(f"an image was passed over: {result.error}", once="image")
    return None
