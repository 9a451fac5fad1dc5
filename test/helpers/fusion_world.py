"""A fusion_node in a room with a wall, and the other end of its topics."""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import PoseStamped, QuaternionStamped, Vector3
from nav_msgs.msg import Odometry
from node_world import NodeWorld, replace_depth, stamp_of
from sensor_msgs.msg import (
    CameraInfo,
    CompressedImage,
    Image,
    Imu,
    LaserScan,
    PointCloud2,
    PointField,
)

from vlam_ros.fusion import SensorFusion
from vlam_ros.nodes.fusion_node import FusionNode
from vlam_ros.ros.images import depth_from_message
from vlam_ros.ros.managed import autostart
from vlam_ros.ros.stamps import time_message
from vlam_ros.ros.topics import profile
from vlam_ros.types import DepthImage, FloorPlane, Missing

# A level camera 0.6 m above the floor and 2 m before a wall.
PLACED = {"camera__x": 0.1, "camera__height": 0.6, "camera__tilt": 0.0, "use_sim_time": True}
WALL, LIDAR_HEIGHT = 2.1, 0.45
CENTRE = (24, 32)


class WatchedFusion(SensorFusion):
    """Notes what it is asked, and fails when it is told to."""

    looks = 0
    error: Exception | None = None
    failed = False

    def ready(self, stamp: int) -> bool:
        self.looks += 1
        return super().ready(stamp)

    def floor(self, stamp: int) -> FloorPlane | Missing:
        if self.error is not None:
            self.failed = True
            raise self.error
        return super().floor(stamp)


class FusionWorld(NodeWorld):
    """A fusion_node and the other end of its topics."""

    def __init__(self) -> None:
        super().__init__()
        advertise = self.other.create_publisher
        self.infos = advertise(CameraInfo, "camera_info", 5)
        self.points = advertise(PointCloud2, "points", 5)
        self.scans = advertise(LaserScan, "scan", 5)
        self.imus = advertise(Imu, "imu", 50)
        self.odoms = advertise(Odometry, "odom", 5)
        self.camera_depths = advertise(Image, "camera_depth", 5)
        self.packed_depths = advertise(CompressedImage, "camera_depth/compressedDepth", 5)
        self.depths: list[Image] = []
        self.attitudes: list[QuaternionStamped] = []
        self.floors: list[PoseStamped] = []
        self.obstacles: list[PointCloud2] = []
        for kind, topic, received in (
            (QuaternionStamped, "attitude", self.attitudes),
            (PoseStamped, "floor", self.floors),
            (PointCloud2, "obstacles", self.obstacles),
            (Image, "depth", self.depths),
        ):
            self.other.create_subscription(
                kind, topic, received.append, replace_depth(profile(topic), 50)
            )
        self.fusions: list[WatchedFusion] = []

    def start(self, **overrides: object) -> FusionNode:
        node: FusionNode = self.add(self._make, **{**PLACED, **overrides})
        return node

    def _make(self, **node: Any) -> FusionNode:
        def fusion(*settings: Any) -> SensorFusion:
            self.fusions.append(WatchedFusion(*settings))
            return self.fusions[-1]

        return FusionNode(fusion, **node)

    def activate(self, at: float = 100.0, **overrides: object) -> None:
        """An active node, its topics matched, at a time in seconds."""
        autostart(self.start(**overrides))
        self.matched()
        self.set_time(at)

    def matched(self) -> None:
        out = (
            self.infos, self.points, self.scans, self.imus, self.odoms, self.camera_depths,
            self.packed_depths,
        )  # fmt: skip
        self.until(lambda: all(p.get_subscription_count() for p in out))
        topics = ("depth", "attitude", "floor", "obstacles")
        self.until(lambda: all(self.other.count_publishers(t) for t in topics))

    # ----------------------------------------------------------------------- sensors

    def image(self, at: float, **changes: Any) -> int:
        """Announce an image taken at a time in seconds; its stamp."""
        info = CameraInfo(width=64, height=48)
        info.k = [50.0, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0]
        info.header.frame_id, info.header.stamp = "camera_optical", time_message(ns(at))
        for name, value in changes.items():
            setattr(info, name, value)
        self.infos.publish(info)
        return ns(at)

    def sweep(self, at: float, frame: str = "lidar", timed: bool = True) -> None:
        """A sweep of wall and floor that ends at a time in seconds, and spin until it came."""
        y, z = np.meshgrid(np.linspace(-1, 1, 80), np.linspace(0.2, 1.2, 60))
        x, side = np.meshgrid(np.linspace(0.6, 2.0, 40), np.linspace(-1, 1, 40))
        wall = np.stack([np.full_like(y, WALL), y, z], axis=-1).reshape(-1, 3)
        floor = np.stack([x, side, np.zeros_like(x)], axis=-1).reshape(-1, 3)
        message = cloud(np.concatenate([wall, floor]) - (0, 0, LIDAR_HEIGHT), timed)
        message.header.stamp, message.header.frame_id = time_message(ns(at)), frame
        self.points.publish(message)
        self.come("LiDAR")

    def imu(self, at: float, pitch: float = 0.0, **changes: Any) -> None:
        """A reading at rest, and spin until it came."""
        g = 9.81
        force = Vector3(x=-g * math.sin(pitch), z=g * math.cos(pitch))
        message = Imu(linear_acceleration=force)
        message.header.stamp, message.header.frame_id = time_message(ns(at)), "imu"
        for name, value in changes.items():
            setattr(message, name, value)
        self.imus.publish(message)
        self.come("IMU")

    def come(self, sensor: str) -> None:
        """Spin until a message of a sensor has come."""
        messages = self.node.reporter._statistics._messages[sensor]
        before = len(messages)
        self.until(lambda: len(messages) > before)

    # ----------------------------------------------------------------------- answers

    def depth(self, stamp: int) -> DepthImage:
        """Spin until there is depth for a stamp."""
        self.until(lambda: stamp in [stamp_of(d) for d in self.depths])
        return depth_from_message(next(d for d in self.depths if stamp_of(d) == stamp))

    def looks(self, count: int = 3) -> None:
        """Spin until the node has looked some times whether what waits is due."""
        before = self.fusions[-1].looks
        self.until(lambda: self.fusions[-1].looks >= before + count)

    def states(self) -> dict[str, tuple[bytes, str]]:
        """Level and message of each sensor in diagnostics that need not wait for their second."""
        self.statuses.clear()
        self.node.reporter._publish()
        return {s.name.removeprefix("fusion_node: "): (s.level, s.message)
                for s in self.next_diagnostics()}  # fmt: skip


def ns(seconds: float) -> int:
    return round(seconds * 1e9)


def cloud(points: npt.ArrayLike, timed: bool = True) -> PointCloud2:
    """A cloud whose points were measured in the tenth of a second before its stamp."""
    points = np.asarray(points, np.float32)
    rows = np.column_stack([points, np.linspace(-0.1, 0.0, len(points))]).astype("<f4")
    message = PointCloud2(height=1, width=len(rows), point_step=16, row_step=16 * len(rows))
    message.fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(["x", "y", "z", *(["time"] if timed else [])])
    ]
    message.data = array.array("B", rows.tobytes())
    return message
