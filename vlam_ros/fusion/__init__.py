"""LiDAR and IMU for the perception step: attitude, deskewed depth, the floor and obstacles."""

from vlam_ros.fusion.attitude import AttitudeFilter
from vlam_ros.fusion.deskew import PoseTable, Rates, pose_table
from vlam_ros.fusion.observation import Sensors
from vlam_ros.fusion.sensor_fusion import SensorFusion, age_text
from vlam_ros.fusion.sweep import densify, depth_image, fit_floor, obstacles_among

__all__ = [
    "AttitudeFilter",
    "PoseTable",
    "Rates",
    "SensorFusion",
    "Sensors",
    "age_text",
    "densify",
    "depth_image",
    "fit_floor",
    "obstacles_among",
    "pose_table",
]
