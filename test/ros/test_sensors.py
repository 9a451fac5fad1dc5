"""Messages of the other sensors to types, what must be refused, and what a decision gets to see."""

from __future__ import annotations

import array
import math
from dataclasses import replace

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion, QuaternionStamped
from nav_msgs.msg import Odometry as OdometryMessage
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField
from sensor_msgs.msg import JointState as JointStateMessage

from vlam_ros.errors import ImageError, SensorError
from vlam_ros.ros.mount import Mount
from vlam_ros.ros.sensors import (
    Sensors,
    attitude_from_message,
    camera_from_message,
    joints_from_message,
    obstacles_from_message,
    odometry_from_message,
)
from vlam_ros.types import Attitude, Camera, DepthImage, JointState, Missing, Odometry

MOUNT = Mount(np.eye(3), np.array([0.1, 0.0, 0.6]))
SECOND = 10**9


def camera_info(fx: float = 300.0, distortion: tuple[float, ...] = ()) -> CameraInfo:
    info = CameraInfo(width=64, height=48, distortion_model="plumb_bob", d=distortion)
    info.k = [fx, 0.0, 31.5, 0.0, 310.0, 23.5, 0.0, 0.0, 1.0]
    info.header.frame_id = "front_optical"
    return info


def turned(roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0) -> Quaternion:
    """The quaternion of rotations about x, then y, then z."""
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a / 2), math.sin(a / 2)) for a in (roll, pitch, yaw))
    return Quaternion(
        w=cr * cp * cy + sr * sp * sy,
        x=sr * cp * cy - cr * sp * sy,
        y=cr * sp * cy + sr * cp * sy,
        z=cr * cp * sy - sr * sp * cy,
    )


def test_camera_has_the_intrinsics_of_the_message_and_the_pose_of_the_mount() -> None:
    camera = camera_from_message(camera_info(distortion=(0.1, 0.0, 0.0, 0.0, -0.2)), MOUNT)
    assert (camera.width, camera.height, camera.frame_id) == (64, 48, "front_optical")
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (300.0, 310.0, 31.5, 23.5)
    assert camera.distortion == (0.1, 0.0, 0.0, 0.0, -0.2)
    np.testing.assert_array_equal(camera.position, (0.1, 0.0, 0.6))


def test_distortion_of_zeros_is_none() -> None:
    assert camera_from_message(camera_info(distortion=(0.0,) * 5), MOUNT).distortion == ()


def test_an_uncalibrated_camera_is_refused() -> None:
    with pytest.raises(ImageError, match=r"fx=0.*is the camera calibrated"):
        camera_from_message(camera_info(fx=0.0), MOUNT)


def test_a_distortion_that_is_not_plumb_bob_is_refused_not_ignored() -> None:
    info = camera_info(distortion=(0.1,) * 4)
    info.distortion_model = "equidistant"
    with pytest.raises(ImageError, match="'equidistant' with 4 coefficients, expected plumb_bob"):
        camera_from_message(info, MOUNT)


def test_roll_and_pitch_do_not_depend_on_yaw_or_on_the_length_of_the_quaternion() -> None:
    q = turned(roll=0.2, pitch=-0.3, yaw=2.0)
    q = Quaternion(w=3 * q.w, x=3 * q.x, y=3 * q.y, z=3 * q.z)
    attitude = attitude_from_message(QuaternionStamped(quaternion=q))
    assert (attitude.roll, attitude.pitch) == pytest.approx((0.2, -0.3))


def test_an_orientation_nobody_filled_in_is_refused() -> None:
    empty = Quaternion(w=0.0, x=0.0, y=0.0, z=0.0)
    with pytest.raises(SensorError, match="unit quaternion"):
        attitude_from_message(QuaternionStamped(quaternion=empty))


def odometry(x: float = 1.0) -> OdometryMessage:
    message = OdometryMessage()
    message.header.stamp.sec = 3
    message.pose.pose.position.x = x
    message.pose.pose.position.y = -2.0
    message.pose.pose.orientation = turned(yaw=-1.5)
    message.twist.twist.linear.x = 0.4
    message.twist.twist.angular.z = 0.1
    return message


def test_odometry_keeps_the_planar_part() -> None:
    got = odometry_from_message(odometry())
    assert got == Odometry(3 * SECOND, 1.0, -2.0, pytest.approx(-1.5), 0.4, 0.1)


def test_odometry_that_is_not_finite_is_refused() -> None:
    with pytest.raises(SensorError, match="must be finite"):
        odometry_from_message(odometry(x=math.nan))


def test_joints_keep_names_and_positions() -> None:
    got = joints_from_message(JointStateMessage(name=["lift", "grip"], position=[0.3, 0.01]))
    assert got == JointState(0, ("lift", "grip"), (0.3, 0.01))


@pytest.mark.parametrize("positions", [[], [0.1], [0.1, math.nan]])
def test_joints_without_a_finite_position_each_are_refused(positions: list[float]) -> None:
    with pytest.raises(SensorError, match="one finite position for each name"):
        joints_from_message(JointStateMessage(name=["lift", "grip"], position=positions))


POINTS = np.array(
    [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [np.nan, 0.0, 0.0], [-7.0, 8.5, 0.25]], np.float32
)


def cloud(big_endian: bool = False, row_padding: int = 0) -> PointCloud2:
    """Two rows of two points, with z before x before y and gaps between them."""
    order = ">" if big_endian else "<"
    layout = np.dtype(
        {"names": "xyz", "formats": [order + "f4"] * 3, "offsets": [9, 17, 1], "itemsize": 23}
    )
    rows = np.zeros(4, layout)
    for name, column in zip("xyz", POINTS.T, strict=True):
        rows[name] = column
    data = np.frombuffer(rows.tobytes(), np.uint8).reshape(2, -1)
    padded = np.hstack([data, np.full((2, row_padding), 0xEE, np.uint8)])
    message = PointCloud2(width=2, height=2, point_step=23, row_step=padded.shape[1])
    message.header.frame_id = "base_link"
    message.is_bigendian = big_endian
    message.data = array.array("B", padded.tobytes())
    message.fields = [
        PointField(name=name, offset=layout.fields[name][1], datatype=PointField.FLOAT32, count=1)
        for name in "xyz"
    ]
    return message


@pytest.mark.parametrize("row_padding", [0, 5])
@pytest.mark.parametrize("big_endian", [False, True])
def test_obstacles_honour_offsets_byte_order_and_row_step(
    big_endian: bool, row_padding: int
) -> None:
    obstacles = obstacles_from_message(cloud(big_endian, row_padding))
    assert obstacles.points.dtype == np.float32
    np.testing.assert_array_equal(obstacles.points, POINTS[[0, 1, 3]])


def test_an_empty_cloud_has_no_obstacles() -> None:
    message = cloud()
    message.width, message.row_step, message.data = 0, 0, array.array("B")
    assert obstacles_from_message(message).points.shape == (0, 3)


def test_a_cloud_in_another_frame_is_refused() -> None:
    message = cloud()
    message.header.frame_id = "lidar"
    with pytest.raises(SensorError, match="must be in base_link, got 'lidar'"):
        obstacles_from_message(message)


def test_a_cloud_without_float_coordinates_is_refused() -> None:
    message = cloud()
    message.fields[2].datatype = PointField.FLOAT64
    with pytest.raises(SensorError, match="float32 fields x, y, z"):
        obstacles_from_message(message)


@pytest.mark.parametrize(("row_step", "length"), [(45, 90), (46, 91), (46, 46)])
def test_a_cloud_cut_off_is_refused(row_step: int, length: int) -> None:
    message = cloud()
    message.row_step, message.data = row_step, array.array("B", bytes(length))
    with pytest.raises(SensorError, match="is it cut off"):
        obstacles_from_message(message)


IMAGE = np.zeros((48, 64, 3), np.uint8)
STAMP = 100 * SECOND


def depth(stamp: int, height: int = 48) -> DepthImage:
    return DepthImage(stamp, np.ones((height, 64), np.float32))


def reason(data: object) -> str:
    assert isinstance(data, Missing)
    return data.reason


def test_without_any_message_everything_is_missing_with_a_reason() -> None:
    seen = Sensors().observation(IMAGE, STAMP, STAMP, SECOND)
    assert "no camera_info yet" in reason(seen.camera)
    for data in (seen.depth, seen.attitude, seen.obstacles, seen.odometry, seen.gripper):
        assert reason(data)


def test_a_picture_gets_the_depth_with_its_stamp_and_no_other() -> None:
    sensors = Sensors()
    for stamp in range(STAMP, STAMP + 4):
        sensors = sensors.with_depth(depth(stamp))
    seen = sensors.observation(IMAGE, STAMP + 2, STAMP + 2, SECOND)
    assert isinstance(seen.depth, DepthImage)
    assert seen.depth.stamp == STAMP + 2
    other = sensors.observation(IMAGE, STAMP + 9, STAMP + 9, SECOND)
    assert "no depth image with the stamp" in reason(other.depth)


def test_depth_that_is_not_registered_to_the_camera_is_missing() -> None:
    seen = Sensors().with_depth(depth(STAMP, height=24)).observation(IMAGE, STAMP, STAMP, SECOND)
    assert "64x24 pixels, the picture 64x48" in reason(seen.depth)


@pytest.mark.parametrize(
    ("age", "usable"), [(SECOND, True), (SECOND + 1, False), (-2 * SECOND, False)]
)
def test_old_data_is_missing_and_so_is_data_of_the_future(age: int, usable: bool) -> None:
    sensors = replace(Sensors(), attitude=Attitude(STAMP - age, 0.0, 0.0))
    seen = sensors.observation(IMAGE, STAMP, STAMP, SECOND)
    assert isinstance(seen.attitude, Attitude) == usable


def test_a_picture_of_another_size_than_camera_info_is_refused() -> None:
    camera = camera_from_message(camera_info(), MOUNT)
    assert isinstance(camera, Camera)
    with pytest.raises(ImageError, match="camera_info is for 64x48 pictures, the image has 64x40"):
        Sensors(camera=camera).observation(IMAGE[:40], STAMP, STAMP, SECOND)


def test_diagnostics_name_the_age_of_each_sensor_or_what_is_missing() -> None:
    sensors = replace(Sensors(), attitude=Attitude(STAMP, 0.0, 0.0)).with_depth(depth(STAMP))
    ages = sensors.ages(STAMP + SECOND // 4)
    assert (ages["age of attitude (s)"], ages["age of depth (s)"]) == ("0.250", "0.250")
    assert ages["age of odometry (s)"] == "no odometry yet"
    assert "no camera_info" in ages["camera"]
