"""fusion_node over real Fast DDS, in a room with a wall, its clock in the test's hand."""

from __future__ import annotations

import array
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped, QuaternionStamped, Vector3
from nav_msgs.msg import Odometry
from node_world import NodeWorld, replace_depth, stamp_of
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo, Image, Imu, LaserScan, PointCloud2, PointField

from vlam_ros.fusion import SensorFusion
from vlam_ros.nodes.fusion_node import FusionNode
from vlam_ros.ros import qos
from vlam_ros.ros.fused import attitude_from_message, floor_from_message, obstacles_from_message
from vlam_ros.ros.images import depth_from_message, depth_to_message
from vlam_ros.ros.run import autostart
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import Attitude, DepthImage, FloorPlane, Missing

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
OK, WARN = DiagnosticStatus.OK, DiagnosticStatus.WARN
ERROR, STALE = DiagnosticStatus.ERROR, DiagnosticStatus.STALE

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
                kind, topic, received.append, replace_depth(qos.FUSED, 50)
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
            self.infos, self.points, self.scans, self.imus, self.odoms, self.camera_depths
        )  # fmt: skip
        self.until(lambda: all(p.get_subscription_count() for p in out))
        topics = ("depth", "attitude", "floor", "obstacles")
        self.until(lambda: all(self.other.count_publishers(t) for t in topics))

    # ----------------------------------------------------------------------- sensors

    def picture(self, at: float, **changes: Any) -> int:
        """Announce a picture taken at a time in seconds; its stamp."""
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


@pytest.fixture
def world() -> Iterator[FusionWorld]:
    world = FusionWorld()
    yield world
    world.close()


# ------------------------------------------------------------------------------ the way through


def test_a_picture_gets_depth_attitude_floor_and_obstacles_with_its_stamp(
    world: FusionWorld,
) -> None:
    world.activate()
    for i in range(10):
        world.imu(99.9 + i / 100, pitch=0.05)
    world.sweep(100.0)
    stamp = world.picture(99.95)
    depth = world.depth(stamp)
    assert depth.depth.shape == (48, 64)
    assert world.depths[0].header.frame_id == "camera_optical"
    assert depth.depth[CENTRE] == pytest.approx(2.0, abs=0.01)
    assert np.isnan(depth.depth).any(), "nobody knows the sky"
    world.until(lambda: world.attitudes and world.floors and world.obstacles)
    attitude = attitude_from_message(world.attitudes[-1])
    assert attitude == Attitude(stamp, pytest.approx(0.0), pytest.approx(0.05, abs=0.001))
    floor = floor_from_message(world.floors[-1])
    assert floor.stamp == stamp
    assert floor.normal == pytest.approx((0, 0, 1), abs=1e-3)
    assert floor.offset == pytest.approx(0.0, abs=1e-3)
    obstacles = obstacles_from_message(world.obstacles[-1])
    assert obstacles.stamp == stamp
    np.testing.assert_allclose(obstacles.points[:, 0], WALL, atol=0.01)


def test_a_scan_serves_as_well(world: FusionWorld) -> None:
    world.activate()
    scan = LaserScan(angle_min=-0.5, angle_increment=0.01, range_min=0.1, range_max=30.0)
    scan.ranges = [WALL / math.cos(-0.5 + i / 100) for i in range(101)]
    scan.header.stamp, scan.header.frame_id = time_message(ns(100.0)), "lidar"
    world.scans.publish(scan)
    world.come("LiDAR")
    depth = world.depth(world.picture(100.0)).depth
    seen = np.argwhere(np.isfinite(depth))
    assert len(seen) > 20
    assert set(seen[:, 0].tolist()) <= {27, 28}, "one row, below the camera's height"
    assert np.nanmedian(depth) == pytest.approx(2.0, abs=0.01)


def camera_depth(stamp: int, frame: str = "camera_optical") -> Image:
    return depth_to_message(DepthImage(stamp, np.full((48, 64), 1.5, np.float32)), frame)


def test_a_depth_camera_serves_as_well(world: FusionWorld) -> None:
    world.activate()
    world.camera_depths.publish(camera_depth(ns(100.0)))
    world.come("depth camera")
    assert (world.depth(world.picture(100.0)).depth == 1.5).all()


def test_depth_that_is_not_registered_to_the_picture_is_refused(world: FusionWorld) -> None:
    world.activate()
    world.picture(100.0)
    world.come("camera_info")
    world.camera_depths.publish(camera_depth(ns(100.0), "depth_optical"))
    world.come("depth camera")
    level, message = world.states()["depth camera"]
    assert level == WARN
    assert "depth came in frame 'depth_optical', the pictures are in 'camera_optical'" in message


def test_dense_depth_is_made_only_while_somebody_looks(world: FusionWorld) -> None:
    world.activate()
    world.sweep(100.0)
    sparse = world.depth(world.picture(99.95))
    dense: list[Image] = []
    world.other.create_subscription(Image, "fusion_node/depth_dense", dense.append, 5)
    world.until(world.node._dense.get_subscription_count)
    stamp = world.picture(99.97)
    world.until(lambda: dense)
    assert stamp_of(dense[0]) == stamp
    filled = depth_from_message(dense[0]).depth
    assert np.isfinite(filled).sum() > np.isfinite(sparse.depth).sum()


# ------------------------------------------------------------------------------ time


def test_a_picture_waits_for_the_sweep_that_covers_it(world: FusionWorld) -> None:
    world.activate()
    world.sweep(100.0)
    stamp = world.picture(100.05)
    world.looks()
    assert world.depths == []
    world.sweep(100.1)
    assert world.depth(stamp).depth[CENTRE] == pytest.approx(2.0, abs=0.01)


def test_a_picture_waits_no_longer_than_lidar_wait(world: FusionWorld) -> None:
    world.activate(sensors__lidar_wait=0.12)
    world.sweep(100.0)
    stamp = world.picture(100.05)
    world.set_time(100.169)
    world.looks()
    assert world.depths == []
    world.set_time(100.17)
    world.depth(stamp)


def test_without_lidar_there_is_an_attitude_at_once_and_no_depth(world: FusionWorld) -> None:
    world.activate()
    for i in range(10):
        world.imu(99.9 + i / 100)
    stamp = world.picture(99.99)
    world.until(lambda: stamp in [stamp_of(a) for a in world.attitudes])
    assert (world.depths, world.floors, world.obstacles) == ([], [], [])


def test_a_clock_that_jumps_back_starts_everything_anew(world: FusionWorld) -> None:
    world.activate()
    world.sweep(100.0)
    world.picture(100.05)
    world.looks()
    world.set_time(40.0)
    assert world.states()["LiDAR"] == (STALE, "absent")
    world.sweep(40.0)
    stamp = world.picture(39.95)
    world.depth(stamp)
    assert [stamp_of(d) for d in world.depths] == [stamp], "that of 100.05 is forgotten"


def test_pictures_that_jump_back_are_answered(world: FusionWorld) -> None:
    world.activate(sensors__max_lidar_age=5.0)
    world.sweep(100.0)
    world.depth(world.picture(99.99))
    world.depth(world.picture(97.0))


# ------------------------------------------------------------------------------ bad input


def test_diagnostics_name_what_is_lost_and_what_was_never_there(world: FusionWorld) -> None:
    world.activate()
    assert {level for level, _ in world.states().values()} == {STALE}
    world.imu(100.0)
    world.sweep(100.0, timed=False)
    states = world.states()
    assert states["LiDAR"][0] == OK
    assert "no time per point" in states["LiDAR"][1]
    assert states["camera_info"] == (OK, "absent")
    world.set_time(102.0)
    world.imu(102.0)
    states = world.states()
    assert states["LiDAR"] == (WARN, "lost: nothing comes any more")
    assert states["IMU"][0] == OK
    assert states["odometry"] == (OK, "absent")
    world.sweep(102.0)
    assert world.states()["LiDAR"][0] == OK


def test_a_sweep_in_a_frame_nobody_knows_is_refused_and_the_next_good_one_works(
    world: FusionWorld, capfd: pytest.CaptureFixture[str]
) -> None:
    world.activate()
    world.sweep(100.0, frame="laser")
    level, message = world.states()["LiDAR"]
    assert level == WARN
    assert message.startswith("unusable: frame 'laser' came")
    assert "set lidar.frame_id" in message
    world.sweep(100.0, frame="laser")
    assert capfd.readouterr().err.count("points: frame 'laser' came") == 1, "throttled"
    world.sweep(100.0)
    world.depth(world.picture(99.95))
    assert world.states()["LiDAR"][0] == OK


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"linear_acceleration": Vector3(z=math.nan)}, "must be finite"),
        ({"angular_velocity_covariance": [-1.0] + [0.0] * 8}, "does not measure angular_velocity"),
    ],
)
def test_a_reading_that_cannot_be_used_is_named(
    world: FusionWorld, changes: dict[str, Any], said: str
) -> None:
    world.activate()
    world.imu(100.0, **changes)
    level, message = world.states()["IMU"]
    assert level == WARN
    assert said in message


@pytest.mark.parametrize(("at", "said"), [(98.9, "1.10 s old"), (110.0, "10.00 s ahead")])
def test_stamps_of_another_time_are_named(world: FusionWorld, at: float, said: str) -> None:
    world.activate()
    world.sweep(at)
    world.imu(at)
    world.picture(at)
    world.come("camera_info")
    states = world.states()
    for sensor in ("LiDAR", "IMU", "camera_info"):
        assert states[sensor][0] == WARN
        assert said in states[sensor][1]


def test_a_camera_info_that_cannot_be_used_announces_no_picture(world: FusionWorld) -> None:
    world.activate()
    world.sweep(100.0)
    world.picture(99.95, k=[math.nan] * 9)
    world.come("camera_info")
    level, message = world.states()["camera_info"]
    assert level == WARN
    assert "intrinsics must be finite" in message
    world.depth(world.picture(99.97))
    world.until(lambda: world.obstacles)
    assert len(world.obstacles) == 1


def test_a_fault_of_the_program_does_not_end_the_node(world: FusionWorld) -> None:
    world.activate()
    world.fusions[-1].error = ZeroDivisionError("a fault")
    world.sweep(100.0)
    world.picture(99.95)
    world.until(lambda: world.fusions[-1].failed)
    level, message = world.states()["fusion"]
    assert level == ERROR
    assert "ZeroDivisionError: a fault" in message
    world.fusions[-1].error = None
    world.depth(world.picture(99.97))


# ------------------------------------------------------------------------------ life cycle


def test_a_deactivated_node_publishes_nothing_and_an_activated_again_one_does(
    world: FusionWorld,
) -> None:
    world.activate()
    world.sweep(100.0)
    world.depth(world.picture(99.95))
    assert world.node.trigger_deactivate() == SUCCESS
    world.until(lambda: not world.points.get_subscription_count())
    assert world.states() == {"fusion": (STALE, "not active: configure and activate it")}
    assert len(world.depths) == 1
    assert world.node.trigger_activate() == SUCCESS
    world.matched()
    world.sweep(100.0)
    world.depth(world.picture(99.97))


def test_a_wrong_parameter_fails_to_configure_with_its_name(
    world: FusionWorld, capfd: pytest.CaptureFixture[str]
) -> None:
    node = world.start(lidar__max_range=-1.0, imu__tilt=0.1)
    assert node.trigger_configure() == FAILURE
    said = capfd.readouterr().err
    assert "lidar.max_range out of range" in said
    assert "imu.tilt: there is no such parameter" in said
