"""MuJoCo worlds, without ROS. In a `World` time stands still: random scenes, a base that is put
somewhere, what its camera, LiDAR and IMU measure. In a `Simulator` a robot with an arm drives and
works under the laws of mechanics. Both tell the truth behind what is measured.
"""

from vlam_ros.lab.simulation.motion import (
    BasePose,
    BaseState,
    Drift,
    Drive,
    Motion,
    Standing,
    odometry,
    state_at,
)
from vlam_ros.lab.simulation.robot import ARM
from vlam_ros.lab.simulation.room import RampSpec, RoomSpec, check_room
from vlam_ros.lab.simulation.scene import (
    COLOURS,
    HELD_OUT_PAIRS,
    SHAPES,
    CameraSpec,
    ObjectSpec,
    SceneSpec,
    random_scene,
)
from vlam_ros.lab.simulation.sensors import ROBOT_LIDAR, Arrival, Imu, ImuSpec, Lidar, LidarSpec
from vlam_ros.lab.simulation.simulator import COMMAND_TIMEOUT, Simulator
from vlam_ros.lab.simulation.truth import Contact
from vlam_ros.lab.simulation.world import Rendering, World

__all__ = [
    "ARM",
    "COLOURS",
    "COMMAND_TIMEOUT",
    "HELD_OUT_PAIRS",
    "ROBOT_LIDAR",
    "SHAPES",
    "Arrival",
    "BasePose",
    "BaseState",
    "CameraSpec",
    "Contact",
    "Drift",
    "Drive",
    "Imu",
    "ImuSpec",
    "Lidar",
    "LidarSpec",
    "Motion",
    "ObjectSpec",
    "RampSpec",
    "Rendering",
    "RoomSpec",
    "SceneSpec",
    "Simulator",
    "Standing",
    "World",
    "check_room",
    "odometry",
    "random_scene",
    "state_at",
]
