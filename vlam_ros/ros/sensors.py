"""Messages of the robot's sensors to the types of the pipeline, and the newest of each.

Each conversion raises a typed error for a message that cannot be used; `Sensors` turns it into a
`Missing` with the reason, so that a decision knows what it lacks and why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import sensor_msgs.msg
from geometry_msgs.msg import QuaternionStamped
from nav_msgs.msg import Odometry as OdometryMessage
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField

from vlam_ros.errors import ImageError, SensorError
from vlam_ros.ros.mount import BASE_FRAME, Mount, rotation_matrix
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import (
    Attitude,
    Camera,
    DepthImage,
    GripperState,
    JointState,
    Missing,
    Observation,
    Obstacles,
    Odometry,
    Uint8Array,
)

_DEPTHS_KEPT = 5  # as many as the topic's queue holds


def camera_from_message(message: CameraInfo, mount: Mount) -> Camera:
    """Intrinsics from `camera_info`, extrinsics from the mount.

    Raises:
        ImageError: not calibrated (fx = 0), or a distortion model other than plumb_bob.
    """
    distortion = tuple(float(d) for d in message.d)
    if not any(distortion):
        distortion = ()
    elif message.distortion_model != "plumb_bob" or len(distortion) != 5:
        raise ImageError(
            f"camera_info has distortion model {message.distortion_model!r} with "
            f"{len(distortion)} coefficients, expected plumb_bob with 5: rectify the picture "
            "(image_proc) or calibrate with plumb_bob"
        )
    return Camera(
        width=message.width,
        height=message.height,
        fx=float(message.k[0]),
        fy=float(message.k[4]),
        cx=float(message.k[2]),
        cy=float(message.k[5]),
        rotation=mount.rotation,
        position=mount.position,
        distortion=distortion,
        frame_id=message.header.frame_id,
    )


def attitude_from_message(message: QuaternionStamped) -> Attitude:
    """Roll and pitch of the orientation of `base_link` in a level frame (REP-103 axes)."""
    r = rotation_matrix(message.quaternion)
    return Attitude(
        stamp=nanoseconds(message.header.stamp),
        roll=math.atan2(r[2, 1], r[2, 2]),
        pitch=math.asin(max(-1.0, min(1.0, -r[2, 0]))),
    )


def odometry_from_message(message: OdometryMessage) -> Odometry:
    """The planar part of pose and twist.

    Raises:
        SensorError: the orientation is not a quaternion, or a value is not finite.
    """
    pose, twist = message.pose.pose, message.twist.twist
    r = rotation_matrix(pose.orientation)
    values = (
        pose.position.x,
        pose.position.y,
        math.atan2(r[1, 0], r[0, 0]),
        twist.linear.x,
        twist.angular.z,
    )
    if not all(math.isfinite(value) for value in values):
        raise SensorError(f"odometry must be finite, got x, y, yaw, speed, yaw rate = {values}")
    return Odometry(nanoseconds(message.header.stamp), *values)


def joints_from_message(message: sensor_msgs.msg.JointState) -> JointState:
    """Names and positions.

    Raises:
        SensorError: not one finite position for each name.
    """
    positions = tuple(map(float, message.position))
    if len(message.name) != len(positions) or not all(map(math.isfinite, positions)):
        raise SensorError(
            f"joint_states needs one finite position for each name, got names "
            f"{list(message.name)}, positions {list(positions)}"
        )
    return JointState(nanoseconds(message.header.stamp), tuple(message.name), positions)


def obstacles_from_message(message: PointCloud2) -> Obstacles:
    """The finite points of a cloud in `base_link` as float32[N,3].

    Raises:
        SensorError: another frame, no float32 x, y, z, or a wrong point_step, row_step or length.
    """
    if message.header.frame_id.split("/")[-1] != BASE_FRAME:
        raise SensorError(f"obstacles must be in {BASE_FRAME}, got {message.header.frame_id!r}")
    found = {f.name: f for f in message.fields}
    axes = [found.get(name) for name in ("x", "y", "z")]
    if any(
        f is None or f.datatype != PointField.FLOAT32 or f.offset + 4 > message.point_step
        for f in axes
    ):
        raise SensorError(f"obstacles needs float32 fields x, y, z, got {sorted(found)}")
    row = message.width * message.point_step
    if message.row_step < row or len(message.data) != message.row_step * message.height:
        raise SensorError(
            f"cloud of {message.width}x{message.height} points of {message.point_step} bytes, rows "
            f"of {message.row_step}, does not fit {len(message.data)} bytes: is it cut off?"
        )
    point = np.dtype(
        {
            "names": ["x", "y", "z"],
            "formats": [(">" if message.is_bigendian else "<") + "f4"] * 3,
            "offsets": [f.offset for f in axes if f is not None],
            "itemsize": message.point_step,
        }
    )
    data = np.frombuffer(message.data, np.uint8).reshape(message.height, message.row_step)
    cloud = data[:, :row].view(point).ravel()
    points = np.stack([cloud["x"], cloud["y"], cloud["z"]], axis=1).astype(np.float32)
    finite = points[np.isfinite(points).all(axis=1)]
    return Obstacles(nanoseconds(message.header.stamp), finite)


Stamped = Attitude | DepthImage | GripperState | JointState | Obstacles | Odometry
Aged = TypeVar("Aged", bound=Stamped)


def _fresh(data: Aged | Missing, now: int, max_age: int) -> Aged | Missing:
    # A stamp as far in the future is as useless: the clocks of two machines disagree.
    if isinstance(data, Missing) or abs(now - data.stamp) <= max_age:
        return data
    age = (now - data.stamp) / 1e9
    return Missing(f"{type(data).__name__} is {age:.3f} s old, at most {max_age / 1e9} s allowed")


def _age(data: Stamped | Missing, now: int) -> str:
    return data.reason if isinstance(data, Missing) else f"{(now - data.stamp) / 1e9:.3f}"


@dataclass(frozen=True)
class Sensors:
    """The newest usable data of each sensor beside the picture. Replaced, never changed: the
    inference thread reads one state while the ROS thread makes the next.
    """

    camera: Camera | Missing = Missing("no camera_info yet: does the camera driver publish it?")
    depths: tuple[DepthImage, ...] = ()
    attitude: Attitude | Missing = Missing("no attitude yet")
    obstacles: Obstacles | Missing = Missing("no obstacles yet")
    odometry: Odometry | Missing = Missing("no odometry yet")
    gripper: GripperState | Missing = Missing("no gripper state yet")
    joints: JointState | Missing = Missing("no joint states yet")

    def with_depth(self, depth: DepthImage) -> Sensors:
        """With one more depth image, and without the oldest of too many."""
        return replace(self, depths=(*self.depths, depth)[-_DEPTHS_KEPT:])

    def observation(self, image: Uint8Array, stamp: int, now: int, max_age: int) -> Observation:
        """What is known at `now` about the picture taken at `stamp`; all times in nanoseconds.

        Depth belongs to the picture with its stamp and to no other. The rest is Missing once it
        is older than `max_age`.

        Raises:
            ImageError: the picture does not have the camera's size.
        """
        return Observation(
            stamp=stamp,
            now=now,
            image=image,
            camera=self.camera,
            depth=self._depth(stamp, image.shape[:2]),
            attitude=_fresh(self.attitude, now, max_age),
            obstacles=_fresh(self.obstacles, now, max_age),
            odometry=_fresh(self.odometry, now, max_age),
            gripper=_fresh(self.gripper, now, max_age),
            joints=_fresh(self.joints, now, max_age),
        )

    def _depth(self, stamp: int, size: tuple[int, ...]) -> DepthImage | Missing:
        depth = next((d for d in self.depths if d.stamp == stamp), None)
        if depth is None:
            return Missing("no depth image with the stamp of the picture")
        if depth.depth.shape != size:
            return Missing(
                f"depth has {depth.depth.shape[1]}x{depth.depth.shape[0]} pixels, the picture "
                f"{size[1]}x{size[0]}: publish depth registered to the camera"
            )
        return depth

    def ages(self, now: int) -> dict[str, str]:
        """For diagnostics: how old the newest data of each sensor is, or why there is none."""
        depth = self.depths[-1] if self.depths else Missing("no depth yet")
        return {
            "camera": self.camera.reason if isinstance(self.camera, Missing) else "calibrated",
            "age of attitude (s)": _age(self.attitude, now),
            "age of depth (s)": _age(depth, now),
            "age of gripper (s)": _age(self.gripper, now),
            "age of joints (s)": _age(self.joints, now),
            "age of obstacles (s)": _age(self.obstacles, now),
            "age of odometry (s)": _age(self.odometry, now),
        }
