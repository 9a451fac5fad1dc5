"""Pictures as sensor_msgs Images."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import Image

from vlam_ros.ros.stamps import time_message
from vlam_ros.types import DepthImage, Uint8Array


def image_to_message(image: Uint8Array, stamp: int, frame_id: str) -> Image:
    """uint8[H,W,3] RGB as an rgb8 message; `stamp` in nanoseconds."""
    height, width, channels = image.shape
    message = Image(height=height, width=width, encoding="rgb8", step=width * channels)
    message.header.stamp = time_message(stamp)
    message.header.frame_id = frame_id
    # The setter looks at every byte of anything but an array.array.
    message.data = array.array("B", image.tobytes())
    return message


def depth_to_message(depth: DepthImage, frame_id: str) -> Image:
    """Depth in metres as a 32FC1 message, NaN where nothing is known (REP-118)."""
    height, width = depth.depth.shape
    message = Image(height=height, width=width, encoding="32FC1", step=4 * width)
    message.header.stamp = time_message(depth.stamp)
    message.header.frame_id = frame_id
    message.data = array.array("B", np.ascontiguousarray(depth.depth, "<f4").tobytes())
    return message
