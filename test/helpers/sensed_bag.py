"""A bag of all that the sensors of a simulated robot say, as their drivers publish it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sensor_msgs.msg import Range

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.lab.live.recorded_robot import RecordedRobot
from vlam_ros.lab.simulation.rooms import named_room
from vlam_ros.lab.simulation.sensors import ROBOT_LIDAR
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import VelocityCommand

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

    Its sensors sit where the parameters say.
    """
    lidar = replace(ROBOT_LIDAR, mount=(LIDAR.x, LIDAR.y, LIDAR.z))
    with Simulator(
        named_room("demo"), 320, 240, seed=1, lidar=lidar, origin=EPOCH - SECOND
    ) as simulator:
        simulator.advance(EPOCH)  # until it has settled on its wheels
        robot = RecordedRobot(simulator, LIDAR)
        for second, text in said.items():
            robot.said(text, EPOCH + round(second * SECOND))
        while robot.now < EPOCH + seconds * SECOND:
            if (robot.now - EPOCH) % IMAGE == 4 * TICK:  # in the middle of a sweep
                robot.image()
            if (robot.now - EPOCH) % (10 * TICK) == 0:
                robot.add("range", _reading(robot.now), robot.now)
            robot.drive(VelocityCommand(0.0, 0.1))
            robot.advance(robot.now + TICK)
    robot.write(path)
    return path


def _reading(now: int) -> Range:
    """Something is close ahead from SOMETHING on, and nothing before."""
    reading = Range(field_of_view=0.3, min_range=0.02, max_range=4.0, range=math.inf)
    reading.header.stamp, reading.header.frame_id = time_message(now), "range"
    if now >= EPOCH + SOMETHING:
        reading.range = 0.3
    return reading
