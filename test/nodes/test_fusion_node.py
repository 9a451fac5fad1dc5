"""fusion_node over real Fast DDS, in a room with a wall, its clock in the test's hand."""

from __future__ import annotations

import array
import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from fusion_world import CENTRE, WALL, FusionWorld, cloud, ns
from geometry_msgs.msg import Vector3
from node_world import stamp_of
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CompressedImage, Image, LaserScan

from vlam_ros.errors import SensorError
from vlam_ros.ros.fused import (
    attitude_from_message,
    floor_from_message,
    obstacles_from_message,
)
from vlam_ros.ros.images import depth_from_message, depth_to_message
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import Attitude, DepthImage

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
OK, WARN = DiagnosticStatus.OK, DiagnosticStatus.WARN
ERROR, STALE = DiagnosticStatus.ERROR, DiagnosticStatus.STALE


@pytest.fixture
def world() -> Iterator[FusionWorld]:
    world = FusionWorld()
    yield world
    world.close()


# ------------------------------------------------------------------------------ the way through


def test_a_image_gets_depth_attitude_floor_and_obstacles_with_its_stamp(
    world: FusionWorld,
) -> None:
    world.activate()
    for i in range(10):
        world.imu(99.9 + i / 100, pitch=0.05)
    world.sweep(100.0)
    stamp = world.image(99.95)
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
    assert "no time per point: its sweeps are not deskewed" in world.states()["LiDAR"][1]
    depth = world.depth(world.image(100.0)).depth
    seen = np.argwhere(np.isfinite(depth))
    assert len(seen) > 20
    assert set(seen[:, 0].tolist()) <= {27, 28}, "one row, below the camera's height"
    assert np.nanmedian(depth) == pytest.approx(2.0, abs=0.01)


def test_a_scan_with_times_that_cannot_be_is_used_without_them_and_said_so(
    world: FusionWorld,
) -> None:
    world.activate()
    scan = LaserScan(angle_increment=0.01, time_increment=0.1, range_min=0.1, range_max=30.0)
    scan.ranges, scan.header.frame_id = [WALL] * 101, "lidar"
    scan.header.stamp = time_message(ns(100.0))
    world.scans.publish(scan)
    world.come("LiDAR")
    level, message = world.states()["LiDAR"]
    assert level == OK
    assert message.endswith("a time_increment of 0.1 s is not used: its scans are not deskewed")


def camera_depth(stamp: int, frame: str = "camera_optical") -> Image:
    return depth_to_message(DepthImage(stamp, np.full((48, 64), 1.5, np.float32)), frame)


def test_a_depth_camera_serves_as_well(world: FusionWorld) -> None:
    world.activate()
    world.camera_depths.publish(camera_depth(ns(100.0)))
    world.come("depth camera")
    assert (world.depth(world.image(100.0)).depth == 1.5).all()


def test_a_depth_camera_that_packs_its_images_serves_as_well(world: FusionWorld) -> None:
    world.activate()
    data = bytes(12) + cv2.imencode(".png", np.full((48, 64), 1500, np.uint16))[1].tobytes()
    packed = CompressedImage(format="16UC1; compressedDepth png", data=array.array("B", data))
    packed.header.frame_id = "camera_optical"
    packed.header.stamp = time_message(ns(100.0))
    world.packed_depths.publish(packed)
    world.come("depth camera")
    np.testing.assert_allclose(world.depth(world.image(100.0)).depth, 1.5)


def test_what_a_depth_camera_sees_is_an_obstacle_where_there_is_no_lidar(
    world: FusionWorld,
) -> None:
    """A level camera 0.6 m above the floor sees a wall 1.5 m before it."""
    world.activate()
    world.camera_depths.publish(camera_depth(ns(100.0)))
    world.come("depth camera")
    stamp = world.image(100.0)
    world.until(lambda: world.obstacles)
    obstacles = obstacles_from_message(world.obstacles[-1])
    assert (obstacles.stamp, obstacles.by_camera) == (stamp, True)
    np.testing.assert_allclose(obstacles.points[:, 0], 1.6, atol=0.01)
    assert len(obstacles.points) > 1000
    world.sweep(100.0)
    world.image(100.02)
    world.set_time(100.2)
    world.until(lambda: len(world.obstacles) > 1)
    assert not obstacles_from_message(world.obstacles[-1]).by_camera


def test_scan_and_points_both_count(world: FusionWorld) -> None:
    world.activate()
    scan = LaserScan(angle_min=0.5, angle_increment=0.01, range_min=0.1, range_max=30.0)
    scan.ranges = [1.0] * 20
    scan.header.stamp, scan.header.frame_id = time_message(ns(99.99)), "lidar"
    world.sweep(99.7)
    world.scans.publish(scan)
    world.come("LiDAR")
    world.set_time(100.15)  # nobody waits for a sweep of 99.9 any more
    for at in (99.95, 99.97):
        world.depth(world.image(at))
        world.until(lambda at=at: stamp_of(world.obstacles[-1]) == ns(at))
        points = obstacles_from_message(world.obstacles[-1]).points
        assert np.count_nonzero(np.abs(points[:, 0] - WALL) < 0.01) > 1000
        assert np.count_nonzero(np.abs(np.hypot(points[:, 0], points[:, 1]) - 1.0) < 0.01) == 20


@pytest.mark.parametrize("how", ["covered", "frame", "time"])
def test_a_lidar_that_could_never_be_used_is_told(world: FusionWorld, how: str) -> None:
    world.activate()
    if how == "covered":
        blind = cloud(np.zeros((500, 3)))
        blind.header.stamp, blind.header.frame_id = time_message(ns(100.0)), "lidar"
        world.points.publish(blind)
        world.come("LiDAR")
    else:
        world.sweep(98.0 if how == "time" else 100.0, "lidar" if how == "time" else "laser")
    assert world.states()["LiDAR"][0] == WARN
    world.image(100.0)
    world.until(lambda: world.obstacles)
    with pytest.raises(SensorError, match="cannot be used"):
        obstacles_from_message(world.obstacles[-1])


def test_an_imu_that_does_not_make_sense_is_told_and_gives_no_attitude(world: FusionWorld) -> None:
    world.activate()
    for i in range(10):
        world.imu(99.9 + i / 100, linear_acceleration=Vector3(z=1.0))
    level, message = world.states()["IMU"]
    assert level == WARN
    assert message.startswith("not believed: it feels 1.00 m/s²")
    world.sweep(100.0)
    world.depth(world.image(99.98))
    assert world.attitudes == []


def test_depth_that_is_not_registered_to_the_image_is_refused(world: FusionWorld) -> None:
    world.activate()
    world.image(100.0)
    world.come("camera_info")
    world.camera_depths.publish(camera_depth(ns(100.0), "depth_optical"))
    world.come("depth camera")
    level, message = world.states()["depth camera"]
    assert level == WARN
    assert "depth came in frame 'depth_optical', the images are in 'camera_optical'" in message


def test_dense_depth_is_made_only_while_somebody_looks(world: FusionWorld) -> None:
    world.activate()
    world.sweep(100.0)
    sparse = world.depth(world.image(99.95))
    dense: list[Image] = []
    world.other.create_subscription(Image, "fusion_node/depth_dense", dense.append, 5)
    world.until(world.node._dense.get_subscription_count)
    stamp = world.image(99.97)
    world.until(lambda: dense)
    assert stamp_of(dense[0]) == stamp
    filled = depth_from_message(dense[0]).depth
    assert np.isfinite(filled).sum() > np.isfinite(sparse.depth).sum()


# ------------------------------------------------------------------------------ time


def test_a_image_waits_for_the_sweep_that_covers_it(world: FusionWorld) -> None:
    world.activate()
    world.sweep(100.0)
    stamp = world.image(100.05)
    world.looks()
    assert world.depths == []
    world.sweep(100.1)
    assert world.depth(stamp).depth[CENTRE] == pytest.approx(2.0, abs=0.01)


def test_a_image_waits_no_longer_than_lidar_wait(world: FusionWorld) -> None:
    world.activate(sensors__lidar_wait=0.12)
    world.sweep(100.0)
    stamp = world.image(100.05)
    world.set_time(100.169)
    world.looks()
    assert world.depths == []
    world.set_time(100.17)
    world.depth(stamp)


def test_without_lidar_there_is_an_attitude_at_once_and_no_depth(world: FusionWorld) -> None:
    world.activate()
    for i in range(10):
        world.imu(99.9 + i / 100)
    stamp = world.image(99.99)
    world.until(lambda: stamp in [stamp_of(a) for a in world.attitudes])
    assert (world.depths, world.floors, world.obstacles) == ([], [], [])


def test_a_clock_that_jumps_back_starts_everything_anew(world: FusionWorld) -> None:
    world.activate()
    world.sweep(100.0)
    world.image(100.05)
    world.looks()
    world.set_time(40.0)
    assert world.states()["LiDAR"] == (STALE, "absent")
    world.sweep(40.0)
    stamp = world.image(39.95)
    world.depth(stamp)
    assert [stamp_of(d) for d in world.depths] == [stamp], "that of 100.05 is forgotten"


def test_images_that_jump_back_are_answered(world: FusionWorld) -> None:
    world.activate(sensors__max_lidar_age=5.0)
    world.sweep(100.0)
    world.depth(world.image(99.99))
    world.depth(world.image(97.0))


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
    world.depth(world.image(99.95))
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
    world.image(at)
    world.come("camera_info")
    states = world.states()
    for sensor in ("LiDAR", "IMU", "camera_info"):
        assert states[sensor][0] == WARN
        assert said in states[sensor][1]


def test_a_camera_info_that_cannot_be_used_announces_no_image(world: FusionWorld) -> None:
    world.activate()
    world.sweep(100.0)
    world.image(99.95, k=[math.nan] * 9)
    world.come("camera_info")
    level, message = world.states()["camera_info"]
    assert level == WARN
    assert "intrinsics must be finite" in message
    world.depth(world.image(99.97))
    world.until(lambda: world.obstacles)
    assert len(world.obstacles) == 1


def test_a_fault_of_the_program_does_not_end_the_node(world: FusionWorld) -> None:
    world.activate()
    world.fusions[-1].error = ZeroDivisionError("a fault")
    world.sweep(100.0)
    world.image(99.95)
    world.until(lambda: world.fusions[-1].failed)
    level, message = world.states()["fusion"]
    assert level == ERROR
    assert "ZeroDivisionError: a fault" in message
    world.fusions[-1].error = None
    world.depth(world.image(99.97))


# ------------------------------------------------------------------------------ life cycle


def test_a_deactivated_node_publishes_nothing_and_an_activated_again_one_does(
    world: FusionWorld,
) -> None:
    world.activate()
    world.sweep(100.0)
    world.depth(world.image(99.95))
    assert world.node.trigger_deactivate() == SUCCESS
    world.until(lambda: not world.points.get_subscription_count())
    assert world.states() == {"fusion": (STALE, "not active: configure and activate it")}
    assert len(world.depths) == 1
    assert world.node.trigger_activate() == SUCCESS
    world.matched()
    world.sweep(100.0)
    world.depth(world.image(99.97))


def test_a_wrong_parameter_fails_to_configure_with_its_name(
    world: FusionWorld, capfd: pytest.CaptureFixture[str]
) -> None:
    node = world.start(lidar__max_range=-1.0, imu__tilt=0.1)
    assert node.trigger_configure() == FAILURE
    said = capfd.readouterr().err
    assert "lidar.max_range out of range" in said
    assert "imu.tilt: there is no such parameter" in said
