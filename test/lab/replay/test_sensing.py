"""What the sensors of a bag say, from its messages to an observation."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from replayed import BAGS, MS, SECOND, SETTINGS, image
from sensor_msgs.msg import Imu

from vlam_ros.errors import ImageError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.bags.definitions import known_types
from vlam_ros.lab.live.measured import imu_to_message, odometry_to_message, sweep_to_message
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.roles import assign
from vlam_ros.lab.replay.sensing import BagSensors
from vlam_ros.lab.replay.timed import Timed, timed_messages
from vlam_ros.lab.simulation.truth import Truth, truth_from_json
from vlam_ros.ros.fused import attitude_to_message, floor_to_message, obstacles_to_message
from vlam_ros.ros.images import depth_to_message
from vlam_ros.ros.mount import Mount
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import (
    Attitude,
    Camera,
    DepthImage,
    FloorPlane,
    GripperState,
    ImuSample,
    LidarSweep,
    Missing,
    Observation,
    Obstacles,
    Odometry,
)

START = 1_750_000_000 * SECOND
IMAGE = image(0, size=(320, 240))
TYPES = known_types("jazzy").types


def sensors(fuses: bool = True, notes: Notes | None = None, checks_ages: bool = True) -> BagSensors:
    return BagSensors(*SETTINGS, fuses, notes or Notes(), checks_ages)


def messages(bag: str, until: int = 10**30) -> list[Timed]:
    """Of the roles of a test bag, those received before a time."""
    with BagReader(BAGS / bag) as opened:
        roles = assign(opened.topics, {})
        return [m for m in timed_messages(opened, roles, Notes()) if m.received < until]


def fed(bag: str, without: str = "", notes: Notes | None = None) -> tuple[BagSensors, list[Timed]]:
    """Sensors that were told the first 520 ms of a bag, with the sweep of its third image."""
    listed = messages(bag, START + 520 * MS)
    made = sensors(notes=notes)
    for message in listed:
        if message.role != without:
            made.feed(message.role, message.message, message.now)
    return made, listed


def last_image(listed: list[Timed]) -> int:
    stamp = [m for m in listed if m.role.startswith("image")][-1].message.header.stamp
    return stamp.sec * SECOND + stamp.nanosec


def truth_at(bag: str, stamp: int) -> Truth:
    """What was really there when an image was taken."""
    with BagReader(BAGS / bag) as opened:
        topic = next(t for t in opened.topics if t.endswith("truth"))
        told = [truth_from_json(m.read().data) for m in opened.messages([topic])]
    return next(truth for truth in told if truth.stamp == stamp)


def in_base(truth: Truth, phrase: str) -> np.ndarray[Any, Any]:
    """Where an object was in base_link, m; the robot stands level."""
    x, y, z = next(thing.position for thing in truth.objects if thing.phrase == phrase)
    pose = truth.pose
    dx, dy, c, s = x - pose.x, y - pose.y, math.cos(pose.yaw), math.sin(pose.yaw)
    return np.array([c * dx + s * dy, -s * dx + c * dy, z - pose.z])


# ------------------------------------------------------------------------------ extrinsics


def test_a_camera_is_where_tf_static_says() -> None:
    made, _ = fed("pick_and_place")
    camera = made.latest.camera
    assert isinstance(camera, Camera)
    np.testing.assert_allclose(camera.position, (0.05, 0.0, 0.70), atol=1e-9)
    axis = (math.cos(0.55), 0.0, -math.sin(0.55))
    np.testing.assert_allclose(camera.rotation @ (0, 0, 1), axis, atol=1e-9)
    assert (camera.width, camera.height) == (320, 240)


def test_a_camera_is_where_the_parameters_say_if_the_bag_has_no_tf() -> None:
    made, _ = fed("level")
    camera, settings = made.latest.camera, SETTINGS[0].camera
    assert isinstance(camera, Camera)
    np.testing.assert_allclose(camera.position, (settings.x, settings.y, settings.height))
    axis = (math.cos(settings.tilt), 0.0, -math.sin(settings.tilt))
    np.testing.assert_allclose(camera.rotation @ (0, 0, 1), axis, atol=1e-9)


def test_a_camera_in_a_frame_that_nobody_knows_is_missing_and_noted_once() -> None:
    notes = Notes()
    made, listed = fed("pick_and_place", "tf_static", notes)
    count = sum(m.role == "camera_info" for m in listed)
    assert isinstance(made.latest.camera, Missing)
    (line,) = (line for line in notes.lines if line.startswith("camera_info"))
    assert line == (
        "camera_info: frame 'camera_color_optical_frame' came, the mount in the parameters is that "
        "of 'camera_optical': set camera.frame_id (empty: any frame), or publish where "
        "'camera_color_optical_frame' is on tf or tf_static, which the bag holds "
        f"({count} times)"
    )
    stamp = last_image(listed)
    seen = made.observe(IMAGE, stamp, stamp)
    assert seen.depth == Missing("no depth without the camera's calibration")


# ------------------------------------------------------------------------------ fused here


def test_lidar_and_imu_are_fused_for_a_image() -> None:
    made, listed = fed("pick_and_place")
    stamp = last_image(listed)
    assert made.ready(stamp)
    seen = made.observe(IMAGE, stamp, stamp + 40 * MS)
    truth = truth_at("pick_and_place", stamp)
    ball = in_base(truth, "orange ball")
    assert isinstance(seen.floor, FloorPlane)
    assert seen.floor.offset == pytest.approx(0.0, abs=0.01)
    assert seen.floor.normal[2] > math.cos(math.radians(0.5))
    assert isinstance(seen.obstacles, Obstacles)
    near = np.linalg.norm(seen.obstacles.points - ball, axis=1)
    assert 5 < (near < 0.11).sum() < 60
    assert near.min() > 0.05  # the surface of a ball of 8.5 cm
    assert isinstance(seen.attitude, Attitude)
    assert abs(seen.attitude.roll) < math.radians(0.7)
    assert isinstance(seen.odometry, Odometry)
    assert abs(seen.odometry.stamp - stamp) == 40 * MS  # of 400 and 500 ms, for 440 ms
    assert isinstance(seen.gripper, GripperState)
    assert not seen.gripper.holding
    # Where the ball is in the image there is its depth.
    camera, depth = seen.camera, seen.depth
    assert isinstance(camera, Camera)
    assert isinstance(depth, DepthImage)
    x, y, z = camera.rotation.T @ (ball - camera.position)
    u, v = round(camera.fx * x / z + camera.cx), round(camera.fy * y / z + camera.cy)
    patch = depth.depth[v - 6 : v + 7, u - 6 : u + 7]
    assert np.isfinite(patch).sum() >= 4
    assert np.nanmedian(patch) == pytest.approx(z - 0.07, abs=0.03)


def test_a_image_waits_for_the_sweep_that_it_falls_into() -> None:
    made, listed = fed("pick_and_place")
    stamp = last_image(listed)
    newest = max(m.now for m in listed if m.role == "points")
    assert made.ready(stamp)
    assert not made.ready(stamp + 200 * MS)
    assert made.ready(newest + 600 * MS), "the LiDAR is silent for too long to be waited for"


def moved(stamp: int, x: float) -> Any:
    """A TFMessage: base_link at x in odom."""
    header = TYPES["std_msgs/msg/Header"](
        TYPES["builtin_interfaces/msg/Time"](stamp // SECOND, stamp % SECOND), "odom"
    )
    transform = TYPES["geometry_msgs/msg/Transform"](
        TYPES["geometry_msgs/msg/Vector3"](x, 0.0, 0.0),
        TYPES["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0),
    )
    stamped = TYPES["geometry_msgs/msg/TransformStamped"](header, "base_link", transform)
    return TYPES["tf2_msgs/msg/TFMessage"]([stamped])


@pytest.mark.parametrize(("told", "x"), [("nothing", 2.0), ("tf", 1.9), ("odom and tf", 1.95)])
def test_sweeps_are_deskewed_by_odometry_or_else_by_tf(told: str, x: float) -> None:
    """All points were measured 0.1 s before the image, at which the robot is farther on."""
    made = sensors()
    end = START + 100 * MS
    if "tf" in told:
        for step in range(12):
            made.feed("tf", moved(START + step * 10 * MS, step * 0.01), START + step * 10 * MS)
    if "odom" in told:
        for step in range(12):  # until 5 ms before the image
            stamp = START + (step * 10 - 15) * MS
            odometry = Odometry(stamp, step * 0.005, 0.0, 0.0, 0.5)
            made.feed("odom", odometry_to_message(odometry), odometry.stamp)
    points = np.tile(np.array([2.0, 0.3, 0.5], np.float32), (40, 1))
    points[-1] = 5.0
    sweep = LidarSweep(START, points, np.array([0.0] * 39 + [0.1]))
    mount = Mount(np.eye(3), np.array([0.0, 0.0, 0.45]))
    made.feed("points", sweep_to_message(sweep, mount, "lidar"), end)
    seen = made.observe(IMAGE, end, end).obstacles
    assert isinstance(seen, Obstacles)
    np.testing.assert_allclose(seen.points[0], (x, 0.3, 0.5), atol=5e-3)


def test_tf_static_holds_when_time_jumps_back() -> None:
    made, listed = sensors(), messages("pick_and_place", START + 100 * MS)
    (static,) = (m for m in listed if m.role == "tf_static")
    made.feed("tf_static", static.message, START)
    for stamp in (START, START - 60 * SECOND):
        made.feed("tf", moved(stamp, 0.0), stamp)
    (info,) = (m for m in listed if m.role == "camera_info")
    made.feed("camera_info", info.message, START)
    assert isinstance(made.latest.camera, Camera)


def test_packed_depth_of_a_depth_camera_is_that_of_the_image_beside_it() -> None:
    made, listed = fed("pick_and_place", without="points")
    stamp = last_image(listed)
    for beside in (stamp - 199 * MS, stamp + MS):  # two, to know how far apart they are
        packed = cv2.imencode(".png", np.full((240, 320), 1500, np.uint16))[1]
        head = TYPES["std_msgs/msg/Header"](
            TYPES["builtin_interfaces/msg/Time"](beside // SECOND, beside % SECOND), "eye"
        )
        message = TYPES["sensor_msgs/msg/CompressedImage"](
            head, "16UC1; compressedDepth png", np.append(np.zeros(12, np.uint8), packed)
        )
        made.feed("camera_depth/compressedDepth", message, stamp + 10 * MS)
    seen = made.observe(IMAGE, stamp, stamp + 10 * MS).depth
    assert isinstance(seen, DepthImage)
    assert seen.stamp == stamp
    np.testing.assert_allclose(seen.depth, 1.5)


# ------------------------------------------------------------------------------ fused before


FUSED: dict[str, tuple[Any, Any]] = {
    "depth": (DepthImage(START, np.full((240, 320), 1.5, np.float32)),
              lambda data: depth_to_message(data, "camera_optical")),
    "attitude": (Attitude(START, 0.02, -0.01), attitude_to_message),
    "floor": (FloorPlane(START, (0.0, 0.0, 1.0), 0.01), floor_to_message),
    "obstacles": (Obstacles(START, np.array([[1, 2, 3]], np.float32)), obstacles_to_message),
}  # fmt: skip


def test_what_was_fused_before_is_taken_as_it_is() -> None:
    made = sensors(fuses=False)
    for role, (data, convert) in FUSED.items():
        made.feed(role, convert(data), START)
    assert made.ready(START)
    assert not made.ready(START + 1)
    seen = made.observe(IMAGE, START, START)
    assert isinstance(seen.depth, DepthImage)
    np.testing.assert_array_equal(seen.depth.depth, 1.5)
    assert isinstance(seen.attitude, Attitude)
    assert [seen.attitude.roll, seen.attitude.pitch] == pytest.approx([0.02, -0.01])
    assert isinstance(seen.floor, FloorPlane)
    assert [*seen.floor.normal, seen.floor.offset] == pytest.approx([0.0, 0.0, 1.0, 0.01])
    assert isinstance(seen.obstacles, Obstacles)
    assert seen.obstacles.points.tolist() == [[1, 2, 3]]
    assert {name: data.stamp for name, data in made.newest().items()} == dict.fromkeys(FUSED, START)


@pytest.mark.parametrize(
    ("fuses", "role"), [(True, "depth"), (False, "points"), (True, "scene"), (True, "instruction")]
)
def test_roles_that_are_of_no_use_are_not_looked_at(fuses: bool, role: str) -> None:
    notes = Notes()
    made = sensors(fuses, notes)
    made.feed(role, "no message at all", START)
    assert made.newest() == {}
    assert notes.lines == ()


# ------------------------------------------------------------------------------ what is wrong


def test_what_comes_too_late_is_noted_and_not_used_unless_a_recorded_decision_used_it() -> None:
    notes = Notes()
    strict, lenient = sensors(notes=notes), sensors(checks_ages=False)
    message = odometry_to_message(Odometry(START, 1.0, 2.0, 0.5))
    for made in (strict, lenient):
        made.feed("odom", message, START + 2 * SECOND)
    assert notes.lines == ("odom: odometry: 2.00 s old, 0.5 s are allowed",)
    assert isinstance(strict.latest.odometry, Missing)
    assert isinstance(lenient.latest.odometry, Odometry)


def test_messages_that_make_no_sense_are_noted_once_and_the_next_good_one_is_used() -> None:
    notes = Notes()
    made = sensors(notes=notes)
    bad, good = Imu(), imu_to_message(ImuSample(START, (0.0,) * 3, (0.0, 0.0, 9.81)), "imu")
    bad.header.stamp, bad.header.frame_id = time_message(START), "imu"
    bad.angular_velocity.x = math.nan
    for message in (bad, bad, bad, good):
        made.feed("imu", message, START)
    (line,) = notes.lines
    assert line.startswith("imu: ")
    assert "must be finite" in line
    assert line.endswith("(3 times)")
    assert made.observe(IMAGE, START, START).attitude == Attitude(START, 0.0, 0.0)


def test_a_jump_forgets_all_but_the_calibration() -> None:
    made, listed = fed("pick_and_place")
    stamp = last_image(listed)
    before = made.latest.camera
    made.forget()
    seen = made.observe(IMAGE, stamp, stamp)
    assert seen.camera is before
    missing = {name for name in Observation.__dataclass_fields__
               if isinstance(getattr(seen, name), Missing)}  # fmt: skip
    assert missing == {
        "depth", "attitude", "floor", "obstacles", "odometry", "gripper", "joints", "range",
    }  # fmt: skip
    assert seen.attitude == Missing("IMU: no message yet")
    assert made.newest() == {}


def test_a_image_of_another_size_than_the_calibration_is_refused() -> None:
    made, listed = fed("pick_and_place")
    stamp = last_image(listed)
    with pytest.raises(ImageError, match="camera_info is for 320x240 images, the image has"):
        made.observe(image(0, size=(320, 100)), stamp, stamp)


def test_sensors_lose_what_is_too_old_for_a_image() -> None:
    made, listed = fed("pick_and_place")
    stamp = last_image(listed) + 7200 * SECOND
    seen = made.observe(IMAGE, stamp, stamp)
    for name in ("depth", "attitude", "floor", "obstacles", "odometry", "gripper", "joints"):
        data = getattr(seen, name)
        assert isinstance(data, Missing), name
        assert data.lost, name
