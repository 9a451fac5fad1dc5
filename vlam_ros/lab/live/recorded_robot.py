"""A simulated robot in lockstep as a bag: what the drivers of a real one would have published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rclpy.serialization import serialize_message
from std_msgs.msg import String

from vlam_ros.configuration import LidarSettings
from vlam_ros.lab.bags import BagWriter
from vlam_ros.lab.evaluation.lockstep import RobotInterface, RobotProxy
from vlam_ros.lab.live.measured import measured_message
from vlam_ros.lab.replay.roles import ROLES
from vlam_ros.lab.simulation.sensors import Arrival
from vlam_ros.ros.camera_info import camera_to_message
from vlam_ros.ros.images import image_to_message
from vlam_ros.types import Uint8Array

DELAY = 2_000_000
"""ns from what is measured, and said, to its message in the bag."""


class RecordedRobot(RobotProxy):
    """A robot of which what it measures is kept.

    Times in the bag are `epoch` (ns) later than the robot's: a clock that begins at 0 looks like
    one that nobody has set. The LiDAR sits where its settings say.
    """

    def __init__(self, robot: RobotInterface, lidar: LidarSettings, epoch: int = 0) -> None:
        super().__init__(robot)
        self._lidar, self._epoch = lidar, epoch
        self._messages: list[tuple[int, str, bytes]] = []

    def image(self) -> Uint8Array:
        image, camera, stamp = super().image(), self.camera, self.now + self._epoch
        self.add("camera_info", camera_to_message(camera, stamp), self.now)
        self.add("image", image_to_message(image, stamp, camera.frame_id), self.now)
        return image

    def advance(self, until: int) -> Sequence[Arrival]:
        arrivals = list(super().advance(until))
        for arrival in arrivals:
            measured = replace(arrival.measured, stamp=arrival.measured.stamp + self._epoch)
            self.add(*measured_message(measured, self._lidar), arrival.now)
        return arrivals

    def said(self, text: str, now: int) -> None:
        """Keep an instruction, given at a time of the robot (ns)."""
        self.add("instruction", String(data=text), now)

    def add(self, role: str, message: Any, now: int) -> None:
        """Keep a message of a role, as of a time of the robot (ns)."""
        self._messages.append((now + self._epoch + DELAY, role, serialize_message(message)))

    def write(self, path: Path) -> None:
        """Write the bag, whole or not at all; BagError if it exists or cannot be written."""
        with BagWriter(path) as bag:
            # Also of a robot that was told nothing one can see that it could be told.
            for role in sorted({"instruction", *(role for _, role, _ in self._messages)}):
                bag.add(f"/{role}", ROLES[role])
            for received, role, data in sorted(self._messages, key=lambda message: message[0]):
                bag.write(f"/{role}", received, data)
