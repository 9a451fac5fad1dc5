"""Messages read by rclpy and by `rosbags` become the same, to the last bit."""

from __future__ import annotations

import array
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped, Quaternion, QuaternionStamped, TransformStamped, Vector3
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import (
    CameraInfo,
    CompressedImage,
    Image,
    Imu,
    JointState,
    LaserScan,
    PointCloud2,
    PointField,
    Range,
)
from std_msgs.msg import Bool, String

from vlam_ros.configuration import Settings
from vlam_ros.lab.bags.definitions import Definitions
from vlam_ros.lab.bags.stored import StoredTopic
from vlam_ros.msg import ActionChunk, DecisionInputs, Scene
from vlam_ros.ros.camera_info import camera_from_message
from vlam_ros.ros.clouds import finite_points, sweep_from_cloud, sweep_from_scan
from vlam_ros.ros.decision_inputs import inputs_from_message, inputs_to_message
from vlam_ros.ros.decisions import (
    chunk_from_message,
    chunk_to_message,
    hold_chunk,
    plan_from_message,
    scene_from_message,
    scene_to_message,
)
from vlam_ros.ros.fused import (
    attitude_from_message,
    floor_from_message,
    obstacles_from_message,
)
from vlam_ros.ros.images import depth_from_message, image_from_message
from vlam_ros.ros.mount import Mount, mount_from_transform
from vlam_ros.ros.ranges import range_from_message
from vlam_ros.ros.robot_state import imu_from_message, joints_from_message, odometry_from_message
from vlam_ros.ros.rotations import quaternion_from_angles, rotation_from_angles
from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.types import (
    Decision,
    InstructionRequest,
    Outcome,
    Plan,
    PositionSource,
    Reason,
    SceneObject,
    SensorInput,
    SkillStep,
    Verdict,
)
from vlam_ros.types import DecisionInputs as Inputs
from vlam_ros.types import Scene as SceneData

STAMP = 1_700_000_000_123_456_789
MOUNT = Mount(rotation_from_angles(0.1, -0.2, 0.3), np.array([0.1, 0.2, 0.3]))
CHANCE = np.random.default_rng(3)
READER = Definitions((), "jazzy")


def stamped(message: Any, frame: str = "base_link") -> Any:
    message.header.stamp, message.header.frame_id = time_message(STAMP), frame
    return message


def data(values: np.ndarray[Any, Any]) -> array.array[int]:
    return array.array("B", values.tobytes())


def image(encoding: str, sample: str = "u1", channels: int = 3, padding: int = 0) -> Image:
    """An image of 6x4 pixels."""
    values = CHANCE.integers(1, 200, (4, 6 * channels)).astype(sample)
    rows = np.pad(values.view(np.uint8).reshape(4, -1), ((0, 0), (0, padding)))
    message = Image(encoding=encoding, width=6, height=4, step=rows.shape[1])
    message.is_bigendian = int(sample[0] == ">")
    message.data = data(rows)
    return stamped(message)


def compressed(suffix: str) -> CompressedImage:
    image = CHANCE.integers(0, 255, (8, 8, 3), np.uint8)
    message = CompressedImage(format=suffix)
    message.data = data(cv2.imencode(f".{suffix}", image)[1])
    return stamped(message)


def cloud(time: str = "", big: bool = False) -> PointCloud2:
    """20 points, one of them NaN."""
    order = ">" if big else "<"
    kinds = [(name, f"{order}f4") for name in "xyz"]
    kinds += [("time", order + time)] if time else []
    points = np.zeros(20, kinds)
    for name in "xyz":
        points[name] = CHANCE.normal(0, 2, 20)
    points["x"][3] = math.nan
    if time:
        points["time"] = np.arange(20) * (1e-3 if "f" in time else 1_000_000)
    step = points.itemsize
    message = PointCloud2(width=20, height=1, point_step=step, row_step=20 * step, is_bigendian=big)
    numbers = {"f4": 7, "f8": 8, "u4": 6}
    message.fields = [
        PointField(name=name, offset=4 * i, datatype=numbers[kind[1:]], count=1)
        for i, (name, kind) in enumerate(kinds)
    ]
    message.data = data(points)
    return stamped(message)


def scan() -> LaserScan:
    ranges = [1.0, math.inf, math.nan, 2.5, 0.01, 30.0]
    message = LaserScan(angle_min=-1.0, angle_increment=0.3, time_increment=0.001, ranges=ranges)
    message.range_min, message.range_max = 0.1, 20.0
    return stamped(message)


def imu(variance: float) -> Imu:
    message = Imu(orientation=quaternion_from_angles(0.1, -0.2, 0.4))
    message.angular_velocity = Vector3(x=0.1, y=-0.2, z=0.3)
    message.linear_acceleration = Vector3(x=0.5, y=-0.25, z=9.7)
    message.orientation_covariance = [variance, 0.0, 0.0] * 3
    message.orientation_covariance[4] = variance
    return stamped(message)


def calibration(model: str, coefficients: int) -> CameraInfo:
    message = CameraInfo(width=640, height=480, distortion_model=model)
    message.d = [0.01 * i for i in range(coefficients)]
    message.k = [500.0, 0.0, 320.5, 0.0, 501.0, 240.5, 0.0, 0.0, 1.0]
    message.p = [490.0, 0.0, 319.0, 0.0, 0.0, 491.0, 239.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.binning_x, message.roi.x_offset = 2, 20
    message.roi.width, message.roi.height = 600, 400
    return stamped(message, "camera_optical")


def odometry() -> Odometry:
    message = Odometry(child_frame_id="base_footprint")
    message.pose.pose.position.x, message.pose.pose.position.y = 1.25, -2.5
    message.pose.pose.orientation = quaternion_from_angles(0.0, 0.0, 2.0)
    message.twist.twist.linear.x, message.twist.twist.angular.z = 0.4, -0.3
    return stamped(message, "odom")


def joints(velocities: bool) -> JointState:
    message = JointState(name=["arm_pan", "arm_lift"], position=[0.1, 0.9])
    message.velocity = [0.0, 1.0] if velocities else []
    return stamped(message, "")


def attitude() -> QuaternionStamped:
    return stamped(QuaternionStamped(quaternion=quaternion_from_angles(0.02, -0.03)))


def floor() -> PoseStamped:
    message = PoseStamped()
    message.pose.orientation = quaternion_from_angles(0.01, 0.02, 0.3)
    message.pose.position.z = -0.05
    return stamped(message)


def transform() -> TransformStamped:
    message = TransformStamped(child_frame_id="lidar")
    message.transform.translation = Vector3(x=0.1, y=0.2, z=0.3)
    message.transform.rotation = Quaternion(w=0.5, x=0.5, y=-0.5, z=0.5)
    return stamped(message)


THING = SceneObject(
    "rote Tasse", (1, 2, 30, 40), np.ones((4, 4), bool), 0.9, 0.8, 0.5, position=(1.0, 0.2, 0.05),
    spread=0.02, size=0.1, source=PositionSource.DEPTH,
)  # fmt: skip
HIDDEN = SceneObject("blue box", (0, 0, 3, 4), np.ones((4, 4), bool), 0.3, 0.2, -0.1)
REQUEST = InstructionRequest("hol die rote Tasse", 2**63, 7)
HOLD = hold_chunk(
    Settings.load().action, STAMP, REQUEST,
    Verdict(Outcome.HOLD, Reason.TARGET_NOT_FOUND, "nothing is seen", 0.25),
)  # fmt: skip


def chunk() -> ActionChunk:
    return chunk_to_message(HOLD)


def scene() -> Scene:
    plan = Plan((SkillStep("pick_up", THING, HIDDEN),))
    return scene_to_message(Decision(SceneData(STAMP, (THING, HIDDEN)), plan, HOLD.verdict, HOLD))


def ranger() -> Range:
    message = Range(field_of_view=0.4, min_range=0.1, max_range=3.0, range=1.3)
    message.header.stamp = time_message(STAMP)
    return message


def inputs(request: InstructionRequest | None) -> DecisionInputs:
    sensors = (SensorInput("depth", STAMP), SensorInput("imu", missing="none came", lost=True))
    told = Inputs(STAMP, STAMP + 1, 3, request, sensors, True, False)
    return inputs_to_message(told, "camera_optical")


@dataclass(frozen=True)
class Case:
    """A message of rclpy, and what converts it."""

    message: Any
    convert: Callable[[Any], Any]


CASES = {
    **{
        f"{encoding} image": Case(image(encoding, channels=channels), image_from_message)
        for encoding, channels in (("bgr8", 3), ("rgba8", 4), ("bgra8", 4), ("mono8", 1))
    },
    "rgb8 image": Case(image("rgb8"), image_from_message),
    "image with padded rows": Case(image("rgb8", padding=5), image_from_message),
    "JPEG": Case(compressed("jpg"), image_from_message),
    "PNG": Case(compressed("png"), image_from_message),
    "depth in m": Case(image("32FC1", "<f4", 1), depth_from_message),
    "depth in mm": Case(image("16UC1", "<u2", 1), depth_from_message),
    "big-endian depth": Case(image("16UC1", ">u2", 1, padding=2), depth_from_message),
    **{
        f"cloud, time {time or 'unknown'}, {'big' if big else 'little'}-endian": Case(
            cloud(time, big), lambda m: sweep_from_cloud(m, MOUNT, 0.1, 50.0)
        )
        for time in ("", "f4", "u4")
        for big in (False, True)
    },
    "points": Case(cloud(), finite_points),
    "scan": Case(scan(), lambda m: sweep_from_scan(m, MOUNT, 0.1, 50.0)),
    "range": Case(ranger(), lambda m: range_from_message(m, MOUNT)),
    "IMU": Case(imu(0.0), lambda m: imu_from_message(m, MOUNT)),
    "IMU that knows its tilt": Case(imu(1e-4), lambda m: imu_from_message(m, MOUNT)),
    "camera": Case(calibration("plumb_bob", 5), lambda m: camera_from_message(m, MOUNT)),
    "rectified camera": Case(
        calibration("plumb_bob", 5), lambda m: camera_from_message(m, MOUNT, rectified=True)
    ),
    "camera without distortion": Case(calibration("", 0), lambda m: camera_from_message(m, MOUNT)),
    "camera with eight coefficients": Case(
        calibration("rational_polynomial", 8), lambda m: camera_from_message(m, MOUNT)
    ),
    "odometry": Case(odometry(), odometry_from_message),
    "joints": Case(joints(True), joints_from_message),
    "joints without velocities": Case(joints(False), joints_from_message),
    "attitude": Case(attitude(), attitude_from_message),
    "floor": Case(floor(), floor_from_message),
    "obstacles": Case(cloud(), obstacles_from_message),
    "transform": Case(transform(), mount_from_transform),
    "action chunk": Case(chunk(), chunk_from_message),
    "scene": Case(scene(), scene_from_message),
    "plan": Case(scene(), lambda m: plan_from_message(m, HOLD)),
    "decision inputs": Case(inputs(REQUEST), inputs_from_message),
    "decision inputs without an instruction": Case(inputs(None), inputs_from_message),
    "stamp": Case(odometry(), lambda m: nanoseconds(m.header.stamp)),
    "instruction": Case(String(data="hol den Würfel"), lambda m: m.data),
    "gripper": Case(Bool(data=True), lambda m: m.data),
}


def by_rosbags(message: Any) -> Any:
    """What `rosbags` reads of a message that rclpy wrote."""
    package = type(message).__module__.partition(".")[0]
    kind = f"{package}/msg/{type(message).__name__}"
    return READER.deserialise(StoredTopic("/topic", kind, "cdr"), serialize_message(message))


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Types and values, of all that is in there."""
    assert type(one) is type(other), where
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, where
        np.testing.assert_array_equal(one, other, where)
    elif is_dataclass(one):
        for field in fields(one):
            name = field.name
            assert_same(getattr(one, name), getattr(other, name), f"{where}.{name}")
    elif isinstance(one, tuple | list):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    else:
        np.testing.assert_equal(one, other, where)  # NaN is the same as NaN


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_message_becomes_the_same_whoever_read_it(case: Case) -> None:
    written = serialize_message(case.message)
    live = case.convert(deserialize_message(written, type(case.message)))
    assert_same(live, case.convert(by_rosbags(case.message)))


def test_what_differs_is_seen() -> None:
    """Else the test above would say nothing."""
    one = odometry_from_message(odometry())
    for other in (inputs_from_message(inputs(None)), (one,), None):
        with pytest.raises(AssertionError):
            assert_same(one, other)
    with pytest.raises(AssertionError):
        assert_same(np.zeros(2), np.zeros(2, np.float32))
    with pytest.raises(AssertionError):
        assert_same((1.0, 2.0), (1.0, 3.0))
