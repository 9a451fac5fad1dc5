"""Images as fusion_node knows them: by the `camera_info` that comes with each."""

from __future__ import annotations

from dataclasses import dataclass

from sensor_msgs.msg import CameraInfo

from vlam_ros.configuration import CameraSettings
from vlam_ros.errors import SensorError
from vlam_ros.fusion import age_text
from vlam_ros.ros.camera_info import CameraSource
from vlam_ros.ros.diagnostics import ABSENT
from vlam_ros.ros.mount import Transforms
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import Camera

AHEAD = 100_000_000
"""ns that a stamp may be ahead of the clock: synchronised clocks differ, /clock ticks late."""
SILENCE = 2_000_000_000
"""ns without a usable `camera_info` after which it is lost; some cameras are slow."""


@dataclass(frozen=True)
class AnnouncedImage:
    """An image taken at `stamp` (ns) in `frame_id`, which wants to know what the sensors knew."""

    stamp: int
    frame_id: str
    camera: Camera


class AnnouncedImages:
    """Makes an image of every `camera_info` that can be used. `error` says what is wrong with
    the last one, if anything is.
    """

    def __init__(self, transforms: Transforms, settings: CameraSettings, max_age: int) -> None:
        """Refuse stamps that are older than `max_age` ns."""
        self._source = CameraSource(transforms, settings)
        self._max_age = max_age
        self._newest: int | None = None
        self.error = ""
        self.frame_id = ""

    def image(self, message: CameraInfo, now: int) -> AnnouncedImage:
        """The image of a message that came at `now` (ns).

        Raises:
            ImageError: there is no calibration in it.
            SensorError: its frame is not known, or its stamp is of another time.
        """
        camera, stamp = self._source(message), nanoseconds(message.header.stamp)
        if not -AHEAD <= now - stamp <= self._max_age:
            raise SensorError(f"{age_text(now - stamp)}: are the clocks synchronised?")
        self.error, self._newest, self.frame_id = "", stamp, message.header.frame_id
        return AnnouncedImage(stamp, message.header.frame_id, camera)

    def state(self, now: int) -> str:
        """What `camera_info` is at `now` (ns), as `SensorFusion.status` says of the sensors."""
        if self.error:
            return f"{'unusable' if self._newest is None else 'lost'}: {self.error}"
        if self._newest is None:
            return ABSENT
        if now - self._newest > SILENCE:
            return "lost: nothing comes any more"
        return f"ok, {age_text(max(0, now - self._newest))}"

    def forget(self) -> None:
        """Time jumped: when it came last is of another time."""
        self._newest, self.error = None, ""
