"""Cameras as camera_info messages."""

from __future__ import annotations

from sensor_msgs.msg import CameraInfo

from vlam_ros.ros.stamps import time_message
from vlam_ros.types import Camera


def camera_to_message(camera: Camera, stamp: int) -> CameraInfo:
    """Intrinsics as camera_info of an unrectified picture; the mount does not fit into it."""
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    message = CameraInfo(
        width=camera.width,
        height=camera.height,
        distortion_model="plumb_bob",
        d=list(camera.distortion or (0.0,) * 5),
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )
    message.header.stamp = time_message(stamp)
    message.header.frame_id = camera.frame_id
    return message
