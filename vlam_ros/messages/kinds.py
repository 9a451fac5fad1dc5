"""The messages that conversions take, by name: of rclpy or of `rosbags`, so any class with the
attributes of the message definition.
"""

from __future__ import annotations

from typing import Any, TypeAlias

ActionChunk: TypeAlias = Any
CameraInfo: TypeAlias = Any
CompressedImage: TypeAlias = Any
DecisionInputs: TypeAlias = Any
Header: TypeAlias = Any
Image: TypeAlias = Any
Imu: TypeAlias = Any
JointState: TypeAlias = Any
LaserScan: TypeAlias = Any
Odometry: TypeAlias = Any
PointCloud2: TypeAlias = Any
PointField: TypeAlias = Any
PoseStamped: TypeAlias = Any
Quaternion: TypeAlias = Any
QuaternionStamped: TypeAlias = Any
Scene: TypeAlias = Any
SceneObject: TypeAlias = Any
Time: TypeAlias = Any
"""A time or a duration."""
TransformStamped: TypeAlias = Any
Vector3: TypeAlias = Any
