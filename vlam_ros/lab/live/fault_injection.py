"""Spoils messages of camera_info and sensors as failures of the real ones do, for trials."""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Imu, PointCloud2

from vlam_ros.ros.stamps import nanoseconds, time_message

UNKNOWN_FRAME = "nobody_knows"


def without_numbers(message: CameraInfo | Imu | Odometry | PointCloud2) -> Any:
    """The message with NaN and infinity where its numbers were."""
    if isinstance(message, PointCloud2):
        rubbish = np.resize(np.array([np.nan, np.inf], np.float32), len(message.data) // 4)
        message.data = array.array("B", rubbish.tobytes())
    elif isinstance(message, Imu):
        message.angular_velocity.x, message.linear_acceleration.z = math.nan, math.inf
    elif isinstance(message, Odometry):
        message.pose.pose.position.x, message.twist.twist.linear.x = math.nan, math.inf
    else:
        message.k[0], message.k[4] = math.nan, math.inf
    return message


def of_another_frame(message: CameraInfo | Imu | Odometry | PointCloud2) -> Any:
    """The message in a frame that neither parameters nor tf know."""
    if isinstance(message, Odometry):
        message.child_frame_id = UNKNOWN_FRAME
    else:
        message.header.frame_id = UNKNOWN_FRAME
    return message


def at_another_time(message: Any, shift: int) -> Any:
    """The message with its stamp shifted by so many ns."""
    message.header.stamp = time_message(nanoseconds(message.header.stamp) + shift)
    return message
