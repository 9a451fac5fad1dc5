"""Makes the bags of the tests from the simulator: tools/make_test_bags.py [FOLDER].

Two runs on one machine give the same bytes. On another one the pixels may differ a little where its
renderer is another, measurements in their last bits, and with them all that is compressed.
"""

from __future__ import annotations

import array
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")

import cv2
import numpy as np
from bag_manifest import describe, enter
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, LaserScan, PointCloud2
from std_msgs.msg import Bool, String

from vlam_ros.lab.bags import BagWriter, RecordedQos
from vlam_ros.lab.bags.definitions import Definitions, known_types
from vlam_ros.lab.bags.stored import StoredTopic
from vlam_ros.lab.live.measured import (
    imu_to_message,
    joints_to_message,
    odometry_to_message,
    sweep_to_message,
)
from vlam_ros.lab.simulation.room import RoomSpec
from vlam_ros.lab.simulation.rooms import named_room
from vlam_ros.lab.simulation.scene import CameraSpec
from vlam_ros.lab.simulation.sensors import ROBOT_LIDAR, Arrival, LidarSpec
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.lab.simulation.truth import truth_of, truth_to_json
from vlam_ros.ros.camera_info import camera_to_message
from vlam_ros.ros.images import image_to_message
from vlam_ros.ros.mount import Mount
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import ImuSample, JointState, LidarSweep, Odometry, VelocityCommand

FOLDER = Path(__file__).parents[1] / "test" / "data" / "bags"
SECOND, MS = 10**9, 10**6
TICK = 10 * MS
EPOCH = 1_750_000_000 * SECOND
TYPES, READER = known_types("jazzy"), Definitions((), "jazzy")

SIZE = 320, 240
"""Of the images, pixels."""
IMAGE_EVERY = 20
"""Ticks from one image to the next; of the sweeps those are recorded that have one."""
IMU_EVERY, STATE_EVERY = 20 * MS, 100 * MS
"""ns from one recorded reading of the IMU, or of odometry, joints and gripper, to the next."""
DELAYS = {"image": 30 * MS, "points": 8 * MS, "scan": 8 * MS, "instruction": 0}
"""ns from when something was measured whole to when the recorder gets it; 2 ms for all else."""
QUALITY = 85
FRONT, FARTHEST = np.radians(45), 2.5
"""Of the LiDAR's returns those are kept that are so far to either side (rad) and away (m)."""
GRAIN = 1024
"""LiDARs count in steps of about a millimetre; what is rounded compresses well."""


@dataclass
class Recording:
    """Messages by when the recorder got them (ns)."""

    messages: list[tuple[int, str, Any]] = field(default_factory=list)

    def add(self, topic: str, message: Any, time: int) -> None:
        """Take a message of what was measured at a time in ns."""
        delay = DELAYS.get(topic.partition("/")[0], 2 * MS)
        self.messages.append((time + delay, topic, message))

    def write(
        self, path: Path, purpose: str, storage: str = "mcap", prefix: str = "/"
    ) -> dict[str, Any]:
        """Write the bag; its entry in the manifest."""
        self.messages.sort(key=lambda item: item[0])
        told = [(received, prefix + topic, kind_of(m)) for received, topic, m in self.messages]
        with BagWriter(path, storage) as writer:
            for topic, kind in {topic: kind for _, topic, kind in told}.items():
                latched = topic.endswith("tf_static")
                writer.add(topic, kind, RecordedQos(transient_local=latched))
            for (received, topic, _), (_, _, message) in zip(told, self.messages, strict=True):
                writer.write(topic, received, serialised(message))
        start = told[0][0]
        instructions = [
            {"seconds": (received - start) / 1e9, "text": message.data}
            for received, topic, message in self.messages
            if topic == "instruction"
        ]
        return describe(path, purpose, told, instructions=instructions)


@dataclass(frozen=True)
class Plan:
    """How a robot is recorded: where, for how long (ns), and how it turns (rad/s) meanwhile.

    `instructions` come at times in ns after `origin`; `frames` are the camera's and the LiDAR's.
    """

    room: RoomSpec
    length: int
    instructions: dict[int, str]
    turn: float = 0.0
    origin: int = EPOCH
    lidar: LidarSpec = ROBOT_LIDAR
    frames: tuple[str, str] = ("camera_optical", "lidar")
    raw: bool = False
    truth: bool = False


def record(plan: Plan) -> Recording:
    """Let a robot settle on its wheels, and record it then."""
    found = Recording()
    with Simulator(
        plan.room, *SIZE, seed=1, lidar=plan.lidar, origin=plan.origin - SECOND
    ) as simulator:
        simulator.advance(plan.origin)
        for time, text in plan.instructions.items():
            found.add("instruction", String(data=text), plan.origin + time)
        for tick in range(plan.length // TICK + 1):
            if tick % IMAGE_EVERY == 4:  # in the middle of a sweep
                take_image(found, simulator, plan)
            simulator.drive(VelocityCommand(0.0, plan.turn))
            for arrival in simulator.advance(simulator.now + TICK):
                add_measurement(found, arrival, plan)
    return found


def add_measurement(found: Recording, arrival: Arrival, plan: Plan) -> None:
    """Take what a sensor measured, if it is its turn."""
    measured, now = arrival.measured, arrival.now
    if isinstance(measured, LidarSweep):
        add_sweep(found, measured, plan, now)
    elif isinstance(measured, ImuSample):
        if now % IMU_EVERY == 0:
            found.add("imu", imu_to_message(measured, "imu"), now)
    elif now % STATE_EVERY:
        return
    elif isinstance(measured, Odometry):
        found.add("odom", odometry_to_message(measured), now)
    elif isinstance(measured, JointState):
        found.add("joint_states", joints_to_message(measured), now)
    else:
        found.add("gripper_state", Bool(data=measured.holding), now)


def take_image(found: Recording, simulator: Simulator, plan: Plan) -> None:
    """The image, its calibration and what is really there."""
    now, frame = simulator.now, plan.frames[0]
    camera = replace(simulator.camera, frame_id=frame)
    found.add("camera_info", camera_to_message(camera, now), now)
    image = simulator.image()
    if plan.raw:
        found.add("image", image_to_message(image, now, frame), now)
    else:
        found.add("image/compressed", compressed(image, now, frame), now)
    if plan.truth:
        found.add("simulator_node/truth", String(data=truth_to_json(truth_of(simulator))), now)


def compressed(image: Any, stamp: int, frame: str) -> CompressedImage:
    """An image as image_transport compresses it."""
    whole, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert whole
    message = CompressedImage(
        format="rgb8; jpeg compressed bgr8", data=array.array("B", data.tobytes())
    )
    message.header.stamp, message.header.frame_id = time_message(stamp), frame
    return message


def add_sweep(found: Recording, sweep: LidarSweep, plan: Plan, now: int) -> None:
    """A sweep that an image falls into, as the LiDAR's driver publishes it."""
    frame = plan.frames[1]
    if plan.lidar.rings == 1:
        found.add("scan", scan(sweep, plan.lidar, frame), now)
        return
    if (sweep.stamp - plan.origin) % (IMAGE_EVERY * TICK) == 0:
        mount = Mount(np.eye(3), np.array(plan.lidar.mount))
        found.add("points", rounded(sweep_to_message(in_front(sweep), mount, frame)), now)


def in_front(sweep: LidarSweep) -> LidarSweep:
    """What of a sweep is before the robot and near."""
    x, y, _ = sweep.points.T
    kept = (np.abs(np.arctan2(y, x)) < FRONT) & (np.hypot(x, y) < FARTHEST)
    assert sweep.offsets is not None
    return LidarSweep(sweep.stamp, sweep.points[kept], sweep.offsets[kept])


def rounded(cloud: PointCloud2) -> PointCloud2:
    """The same with coordinates in steps of about a millimetre."""
    rows = np.frombuffer(cloud.data, np.float32).reshape(cloud.width, -1).copy()
    rows[:, :3] = np.round(rows[:, :3] * GRAIN) / GRAIN
    cloud.data = array.array("B", rows.tobytes())
    return cloud


def scan(sweep: LidarSweep, spec: LidarSpec, frame: str) -> LaserScan:
    """A sweep of one level ring."""
    assert sweep.offsets is not None
    ranges = np.full(spec.columns, np.inf, np.float32)
    columns = np.round(sweep.offsets * spec.columns * spec.rate).astype(int)
    distances = np.hypot(*(sweep.points - spec.mount)[:, :2].T)
    ranges[columns] = np.round(distances * GRAIN) / GRAIN
    step = 2 * np.pi / spec.columns
    message = LaserScan(
        angle_min=-np.pi, angle_max=np.pi - step, angle_increment=step,
        time_increment=1 / (spec.columns * spec.rate), scan_time=1 / spec.rate,
        range_min=spec.min_range, range_max=spec.max_range, ranges=ranges.tolist(),
    )  # fmt: skip
    message.header.stamp, message.header.frame_id = time_message(sweep.stamp), frame
    return message


def mounts(links: Iterable[tuple[str, str, Sequence[float], Sequence[float]]]) -> Any:
    """A TFMessage, which PyPI has not for rclpy: parent, child, place (m), turn (w, x, y, z)."""
    types = TYPES.types
    time = types["builtin_interfaces/msg/Time"](EPOCH // SECOND, 0)
    return types["tf2_msgs/msg/TFMessage"](
        [
            types["geometry_msgs/msg/TransformStamped"](
                types["std_msgs/msg/Header"](time, parent),
                child,
                types["geometry_msgs/msg/Transform"](
                    types["geometry_msgs/msg/Vector3"](*position),
                    types["geometry_msgs/msg/Quaternion"](*turn[1:], turn[0]),
                ),
            )
            for parent, child, position, turn in links
        ]
    )


def kind_of(message: Any) -> str:
    """The type of a message, of rclpy or of rosbags, as "sensor_msgs/msg/Image"."""
    own = getattr(message, "__msgtype__", "")
    return own or f"{type(message).__module__.partition('.')[0]}/msg/{type(message).__name__}"


def serialised(message: Any) -> bytes:
    """As CDR. What rclpy leaves in gaps between fields is arbitrary, rosbags writes zeros there."""
    kind = kind_of(message)
    if not hasattr(message, "__msgtype__"):
        message = READER.deserialise(StoredTopic("", kind, "cdr"), serialize_message(message))
    return bytes(TYPES.serialize_cdr(message, kind))


# ------------------------------------------------------------------------------------ the bags

CAMERA = CameraSpec(x=0.05, height=0.70, tilt=0.55)
HIGH = replace(ROBOT_LIDAR, mount=(0.06, 0.0, 0.52))


def pick_and_place(path: Path) -> dict[str, Any]:
    """A robot that turns and is told one thing after the other."""
    room = named_room("pick_and_place")
    plan = Plan(
        replace(room, scene=replace(room.scene, camera=CAMERA)),
        length=5200 * MS,
        instructions={
            300 * MS: "go to the orange ball",
            2300 * MS: "pick up the purple cone",
            3500 * MS: "go to the yellow box",
        },
        turn=0.1,
        lidar=HIGH,
        frames=("camera_color_optical_frame", "lidar_top"),
        truth=True,
    )  # fmt: skip
    recording = record(plan)
    half = CAMERA.tilt / 2
    links = [
        (
            "base_link",
            "camera_link",
            (CAMERA.x, 0, CAMERA.height),
            (np.cos(half), 0, np.sin(half), 0),
        ),
        ("camera_link", "camera_color_optical_frame", (0, 0, 0), (0.5, -0.5, 0.5, -0.5)),
        ("base_link", "lidar_top", HIGH.mount, (1, 0, 0, 0)),
        ("base_link", "imu", (0, 0, 0), (1, 0, 0, 0)),
    ]
    recording.add("tf_static", mounts(links), EPOCH - 2 * MS)
    return recording.write(
        path,
        "Compressed images and points while the robot turns slowly. Its sensors are not where "
        "the parameters say but where tf_static does. One instruction is about something that is "
        "not there. ~/truth says where everything is.",
    )


def level(path: Path) -> dict[str, Any]:
    """A robot with a level LiDAR and no tf, in a namespace."""
    plan = Plan(
        named_room("demo"),
        length=1200 * MS,
        instructions={100 * MS: "go to the green box"},
        lidar=replace(ROBOT_LIDAR, rings=1, lowest=0.0, highest=0.0),
        frames=("robot1/camera_optical", "robot1/lidar"),
        raw=True,
        truth=True,
    )
    return record(plan).write(
        path,
        "SQLite, each message compressed: raw images and a LaserScan under /robot1. The sensors "
        "are where the parameters say; the level LiDAR sees none of the objects, so that they are "
        "found on the floor.",
        "sqlite3",
        "/robot1/",
    )


def loop(path: Path) -> dict[str, Any]:
    """A simulation that was played twice, recorded by the clock on the wall."""
    length = 1200 * MS
    plan = Plan(named_room("demo"), length, {100 * MS: "go to the red cup"}, origin=SECOND)
    once = record(plan).messages
    twice = Recording()
    for number in range(2):
        begin = EPOCH + number * (length + SECOND // 2)
        twice.messages += [(t - SECOND + begin, topic, m) for t, topic, m in once]
    return twice.write(
        path,
        "The same 1.2 s twice: stamps begin anew at 1 s, the recorder's clock goes on, and is "
        "not the one of the stamps.",
    )


BAGS = {"pick_and_place": pick_and_place, "level": level, "loop": loop}


def main(folder: Path) -> None:
    """Make all bags in a folder, and enter them in its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for name, make in BAGS.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        entries[name] = make(folder / name)
        size = sum(file["bytes"] for file in entries[name]["files"].values())
        print(f"{folder / name}: {entries[name]['seconds']:.2f} s, {size / 1000:.0f} kB")
    enter(folder, entries)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
