"""A MuJoCo world to see, without ROS: random scenes, a camera, and the ground truth of both."""

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
    "CameraSpec",
    "ObjectSpec",
    "Rendering",
    "SceneSpec",
    "World",
    "random_scene",
]
