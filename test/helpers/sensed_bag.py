"""A bag of all that the sensors of a simulated robot say, as their drivers publish it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rclpy.serialization import serialize_message
from sensor_msgs.msg import Range
from std_msgs.msg import Bool, String

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.lab.bags import BagWriter
from vlam_ros.lab.live.measured import (
    imu_to_message,
    joints_to_message,
    odometry_to_message,
    sweep_to_message,
)
from vlam_ros.lab.replay.roles import ROLES
from vlam_ros.lab.simulation.rooms import named_room
from vlam_ros.lab.simulation.sensors import ROBOT_LIDAR
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.ros.camera_info import camera_to_message
from vlam_ros.ros.images import image_to_message
from vlam_ros.ros.mount import mount_from_settings
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import GripperState, ImuSample, JointState, LidarSweep, VelocityCommand

SECOND, MS = 10**9, 10**6
EPOCH = 1_750_000_000 * SECOND
TICK, IMAGE = 10 * MS, 200 * MS
SOMETHING = 1900 * MS
RAW = (
    "image", "camera_info", "points", "imu", "odom", "range", "joint_states", "gripper_state"
)  # fmt: skip
LIDAR = FusionNodeSettings.load().lidar


def sensed_bag(path: Path, seconds: float, said: Mapping[float, str]) -> Path:
    """Record a robot that turns slowly, and what is said to it at some seconds.

    Its sensors sit where the parameters say, and what each measures comes 2 ms later.
    """
    lidar = replace(ROBOT_LIDAR, mount=(LIDAR.x, LIDAR.y, LIDAR.z))
    messages = [(EPOCH + round(s * SECOND), "instruction", String(data=t)) for s, t in said.items()]
    with Simulator(
        named_room("demo"), 320, 240, seed=1, lidar=lidar, origin=EPOCH - SECOND
    ) as robot:
        robot.advance(EPOCH)  # until it has settled on its wheels
        while robot.now < EPOCH + seconds * SECOND:
            if (robot.now - EPOCH) % IMAGE == 4 * TICK:  # in the middle of a sweep
                camera = robot.camera
                messages.append((robot.now, "camera_info", camera_to_message(camera, robot.now)))
                image = image_to_message(robot.image(), robot.now, camera.frame_id)
                messages.append((robot.now, "image", image))
            if (robot.now - EPOCH) % (10 * TICK) == 0:
                messages.append((robot.now, "range", _reading(robot.now)))
            robot.drive(VelocityCommand(0.0, 0.1))
            for arrival in robot.advance(robot.now + TICK):
                messages.append((arrival.now, *_message(arrival.measured)))
    messages.sort(key=lambda message: message[0])
    with BagWriter(path) as bag:
        for role in (*RAW, "instruction"):
            bag.add(f"/{role}", ROLES[role])
        for now, role, message in messages:
            bag.write(f"/{role}", now + 2 * MS, serialize_message(message))
    return path


def _reading(now: int) -> Range:
    """Something is close ahead from SOMETHING on, and nothing before."""
    reading = Range(field_of_view=0.3, min_range=0.02, max_range=4.0, range=math.inf)
    reading.header.stamp, reading.header.frame_id = time_message(now), "range"
    if now >= EPOCH + SOMETHING:
        reading.range = 0.3
    return reading


def _message(measured: Any) -> tuple[str, Any]:
    """The role of a measurement, and its message."""
    if isinstance(measured, LidarSweep):
        mount = mount_from_settings(LIDAR)
        return "points", sweep_to_message(measured, mount, LIDAR.frame_id)
    if isinstance(measured, ImuSample):
        return "imu", imu_to_message(measured, "imu")
    if isinstance(measured, JointState):
        return "joint_states", joints_to_message(measured)
    if isinstance(measured, GripperState):
        return "gripper_state", Bool(data=measured.holding)
    return "odom", odometry_to_message(measured)
