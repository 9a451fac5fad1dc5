"""What fusion_node tells vlam_node survives the wire, and what must be refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped, Quaternion, QuaternionStamped
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2

from vlam_ros.errors import SensorError
from vlam_ros.ros.fused import (
    attitude_from_message,
    attitude_to_message,
    floor_from_message,
    floor_to_message,
    obstacles_from_message,
    obstacles_to_message,
    unseen_to_message,
)
from vlam_ros.ros.rotations import quaternion_from_angles, rotation_matrix
from vlam_ros.types import Attitude, FloorPlane, Obstacles

STAMP = 1_700_000_000_000_000_042


@pytest.mark.parametrize(("roll", "pitch"), [(0.0, 0.0), (0.2, -0.3), (-3.0, 1.5)])
def test_an_attitude_survives_the_wire(roll: float, pitch: float) -> None:
    wire = serialize_message(attitude_to_message(Attitude(STAMP, roll, pitch)))
    message = deserialize_message(wire, QuaternionStamped)
    assert message.header.frame_id == "base_link"
    got = attitude_from_message(message)
    assert (got.stamp, got.roll, got.pitch) == (STAMP, pytest.approx(roll), pytest.approx(pitch))


def test_roll_and_pitch_do_not_depend_on_yaw_or_on_the_length_of_the_quaternion() -> None:
    q = quaternion_from_angles(0.2, -0.3, 2.0)
    q = Quaternion(w=3 * q.w, x=3 * q.x, y=3 * q.y, z=3 * q.z)
    attitude = attitude_from_message(QuaternionStamped(quaternion=q))
    assert (attitude.roll, attitude.pitch) == pytest.approx((0.2, -0.3))


def test_an_orientation_nobody_filled_in_is_refused() -> None:
    empty = Quaternion(w=0.0, x=0.0, y=0.0, z=0.0)
    with pytest.raises(SensorError, match="unit quaternion"):
        attitude_from_message(QuaternionStamped(quaternion=empty))


@pytest.mark.parametrize("count", [0, 1, 500])
def test_obstacles_survive_the_wire(count: int) -> None:
    points = np.random.default_rng(count).normal(0, 5, (count, 3)).astype(np.float32)
    wire = serialize_message(obstacles_to_message(Obstacles(STAMP, points)))
    got = obstacles_from_message(deserialize_message(wire, PointCloud2))
    assert got.stamp == STAMP
    assert got.points.dtype == np.float32
    np.testing.assert_array_equal(got.points, points)


@pytest.mark.parametrize("count", [0, 3])
def test_that_a_depth_camera_alone_saw_them_survives_the_wire(count: int) -> None:
    points = np.random.default_rng(count).normal(0, 5, (count, 3)).astype(np.float32)
    for by_camera in (False, True):
        sent = obstacles_to_message(Obstacles(STAMP, points, by_camera))
        got = obstacles_from_message(deserialize_message(serialize_message(sent), PointCloud2))
        assert got.by_camera == by_camera
        np.testing.assert_array_equal(got.points, points)


def test_that_nothing_can_be_seen_is_not_a_free_way() -> None:
    message = deserialize_message(serialize_message(unseen_to_message(STAMP)), PointCloud2)
    assert not message.is_dense
    with pytest.raises(SensorError, match="cannot be used: see its diagnostics"):
        obstacles_from_message(message)


def test_obstacles_that_are_not_finite_are_dropped() -> None:
    points = np.array([[1, 2, 3], [4, np.nan, 6], [np.inf, 8, 9]], np.float32)
    got = obstacles_from_message(obstacles_to_message(Obstacles(STAMP, points)))
    np.testing.assert_array_equal(got.points, [[1, 2, 3]])


def unit(*values: float) -> tuple[float, float, float]:
    x, y, z = np.array(values) / np.linalg.norm(values)
    return float(x), float(y), float(z)


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), unit(0.1, -0.05, 1.0), unit(-1, 2, 0.01)])
@pytest.mark.parametrize("offset", [0.0, -0.12, 0.3])
def test_a_floor_survives_the_wire(normal: tuple[float, float, float], offset: float) -> None:
    wire = serialize_message(floor_to_message(FloorPlane(STAMP, normal, offset)))
    message = deserialize_message(wire, PoseStamped)
    got = floor_from_message(message)
    assert got.stamp == STAMP
    assert got.normal == pytest.approx(normal, abs=1e-12)
    assert got.offset == pytest.approx(offset, abs=1e-12)
    # The pose is that of the floor's point under base_link, its z axis the normal.
    p = message.pose.position
    np.testing.assert_allclose((p.x, p.y, p.z), offset * np.array(normal), atol=1e-12)
    np.testing.assert_allclose(rotation_matrix(message.pose.orientation)[:, 2], normal, atol=1e-12)


def test_any_point_of_the_floor_and_any_heading_describe_it() -> None:
    message = PoseStamped()
    message.header.frame_id = "robot1/base_link"
    message.pose.orientation = quaternion_from_angles(0.1, 0.2, 1.0)
    normal = rotation_matrix(message.pose.orientation) @ (0, 0, 1)
    along = rotation_matrix(message.pose.orientation) @ (3, -2, 0)
    message.pose.position.x, message.pose.position.y, message.pose.position.z = (
        along - 0.1 * normal
    ).tolist()
    assert floor_from_message(message).offset == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("height", "roll"), [(math.nan, 0.0), (math.inf, 0.0), (0.0, math.pi), (0.0, 1.6)]
)
def test_a_floor_nobody_could_stand_on_is_refused(height: float, roll: float) -> None:
    message = floor_to_message(FloorPlane(STAMP, (0.0, 0.0, 1.0), 0.0))
    message.pose.position.z = height
    message.pose.orientation = quaternion_from_angles(roll, 0.0)
    with pytest.raises(SensorError, match="z axis point up"):
        floor_from_message(message)


def test_another_frame_than_base_link_is_refused() -> None:
    cloud = obstacles_to_message(Obstacles(STAMP, np.zeros((1, 3), np.float32)))
    cloud.header.frame_id = "lidar"
    with pytest.raises(SensorError, match="obstacles must be in base_link, got 'lidar'"):
        obstacles_from_message(cloud)
    floor = floor_to_message(FloorPlane(STAMP, (0.0, 0.0, 1.0), 0.0))
    floor.header.frame_id = "map"
    with pytest.raises(SensorError, match="floor must be in base_link, got 'map'"):
        floor_from_message(floor)
