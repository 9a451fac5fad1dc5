"""What the sensors of a bag say: messages in, the observation of an image out.

Does what `fusion_node` and the inputs of `vlam_node` do, with the same conversions, in one process.
What cannot be used is noted once, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from vlam_ros.configuration import FusionNodeSettings, Settings
from vlam_ros.errors import VlamError
from vlam_ros.fusion import SensorFusion
from vlam_ros.lab.bags import TransformTree
from vlam_ros.lab.notes import Notes
from vlam_ros.ros import fused
from vlam_ros.ros.camera_info import CameraSource
from vlam_ros.ros.clouds import sweep_from_cloud, sweep_from_scan
from vlam_ros.ros.images import depth_from_message
from vlam_ros.ros.mount import MountSource
from vlam_ros.ros.observation import Sensors, check_age
from vlam_ros.ros.robot_state import imu_from_message, joints_from_message, odometry_from_message
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import Camera, GripperState, Missing, Observation, Uint8Array
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
        self._checks_ages = checks_ages
        self.fuses = fuses
        self.tree = TransformTree()
        self._notes = notes
        self._limits = settings.sensors
        self._lidar = fusion.lidar
        self._camera = CameraSource(self.tree, settings.camera)
        self._lidar_mount = MountSource(self.tree, fusion.lidar)
        self._imu_mount = MountSource(self.tree, fusion.imu)
        self._fusion = SensorFusion(fusion.sensors, fusion.fusion)
        self.latest = Sensors()
        self._feeds: dict[str, Callable[[Any, int], None]] = {
            "camera_info": lambda m, now: self._keep("camera", self._camera.camera(m), now),
            "odom": self._odometry,
            "joint_states": lambda m, now: self._keep("joints", joints_from_message(m), now),
            "gripper_state": lambda m, now: self._keep("gripper", GripperState(now, m.data), now),
            "tf": lambda m, now: self.tree.add(m, static=False),
            "tf_static": lambda m, now: self.tree.add(m, static=True),
        }
        self._feeds |= self._raw() if fuses else self._fused()

    def _raw(self) -> dict[str, Callable[[Any, int], None]]:
        return {
            "imu": lambda m, now: self._fusion.add_imu(
                imu_from_message(m, _mount(self._imu_mount, m)), now
            ),
            "points": lambda m, now: self._sweep(m, sweep_from_cloud, now),
            "scan": lambda m, now: self._sweep(m, sweep_from_scan, now),
            "camera_depth": lambda m, now: self._fusion.add_depth(depth_from_message(m), now),
        }

    def _fused(self) -> dict[str, Callable[[Any, int], None]]:
        return {
            "depth": lambda m, now: self._keep("depth", depth_from_message(m), now),
            "attitude": lambda m, now: self._keep("attitude", fused.attitude_from_message(m), now),
            "floor": lambda m, now: self._keep("floor", fused.floor_from_message(m), now),
            "obstacles": lambda m, now: self._keep(
                "obstacles", fused.obstacles_from_message(m), now
            ),
        }

    def feed(self, role: str, message: Any, now: int) -> None:
        """Take a message of a role, which came at `now` (ns); roles of no sensor are ignored."""
        feed = self._feeds.get(role)
        if feed is None:
            return
        try:
            feed(message, now)
        except VlamError as error:
            self._notes.add(f"{role}: {error}", once=role)

    def forget(self) -> None:
        """Time jumped: everything is of another time now."""
        self.latest = Sensors(camera=self.latest.camera)
        self._fusion.reset()

    def ready(self, stamp: int) -> bool:
        """Whether the image of this stamp need not wait for anything."""
        if self.fuses:
            return self._fusion.ready(stamp)
        return any(depth.stamp == stamp for depth in self.latest.depths)

    def observation(self, image: Uint8Array, stamp: int, now: int) -> Observation:
        """What is known at `now` of the image taken at `stamp` (ns).

        Raises:
            ImageError: the image does not have the camera's size.
        """
        known = self.latest.observation(image, stamp, now, self._limits)
        if not self.fuses:
            return known
        fusion, camera = self._fusion, known.camera
        return replace(
            known,
            depth=fusion.depth(stamp, camera)
            if isinstance(camera, Camera)
            else Missing("no depth without the camera's calibration"),
            attitude=fusion.attitude(stamp),
            floor=fusion.floor(stamp),
            obstacles=fusion.obstacles(stamp),
        )

    def newest(self) -> dict[str, Any]:
        """The newest data of each sensor that said something, by its name in an Observation."""
        latest = self.latest
        found = {name: getattr(latest, name) for name in SENSORS if name not in ("camera", "depth")}
        found |= {"depth": latest.depths[-1]} if latest.depths else {}
        return {name: data for name, data in found.items() if not isinstance(data, Missing)}

    def _keep(self, name: str, data: Any, now: int) -> None:
        # A calibration does not age, and depth is as old as the image it belongs to.
        if self._checks_ages and name not in ("camera", "depth"):
            check_age(name, data.stamp, now, self._limits)
        self.latest = self.latest.with_data(name, data)

    def _odometry(self, message: Any, now: int) -> None:
        odometry = odometry_from_message(message)
        self._keep("odometry", odometry, now)
        if self.fuses:
            self._fusion.add_odometry(odometry, now)

    def _sweep(self, message: Any, convert: Callable[..., Any], now: int) -> None:
        mount = _mount(self._lidar_mount, message)
        sweep = convert(message, mount, self._lidar.min_range, self._lidar.max_range)
        if isinstance(self.latest.odometry, Missing):  # then tf may know how the robot moved
            for moved in self.tree.odometry(sweep.span):
                self._fusion.add_odometry(moved, now)
        self._fusion.add_cloud(sweep, now)


def _mount(source: MountSource, message: Any) -> Any:
    return source.mount(message.header.frame_id, nanoseconds(message.header.stamp))
