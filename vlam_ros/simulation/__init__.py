"""A MuJoCo world, without ROS: random scenes, a base that moves, what its camera, LiDAR and IMU
measure, and the truth behind it.
"""

from vlam_ros.simulation.imu import Imu, ImuSpec
from vlam_ros.simulation.lidar import Lidar, LidarSpec
from vlam_ros.simulation.motion import (
    BaseState,
    Drift,
    Drive,
    Motion,
    Standing,
    odometry,
    state_at,
)
from vlam_ros.simulation.pose import BasePose
from vlam_ros.simulation.scene import (
    COLOURS,
    HELD_OUT_PAIRS,
    SHAPES,
    CameraSpec,
    ObjectSpec,
    SceneSpec,
    random_scene,
)
from vlam_ros.simulation.world import Rendering, World

__all__ = [
    "COLOURS",
    "HELD_OUT_PAIRS",
    "SHAPES",
    "BasePose",
    "BaseState",
    "CameraSpec",
    "Drift",
    "Drive",
    "Imu",
    "ImuSpec",
    "Lidar",
    "LidarSpec",
    "Motion",
    "ObjectSpec",
    "Rendering",
    "SceneSpec",
    "Standing",
    "World",
    "odometry",
    "random_scene",
    "state_at",
]
