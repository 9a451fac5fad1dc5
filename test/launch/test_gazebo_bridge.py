"""The bridge to Gazebo: its topics and types are those of the nodes on one side and those of the
robot's SDF on the other.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest
import rclpy
import yaml
from node_world import HeldPipeline
from rclpy.node import Node
from rclpy.parameter import Parameter

from vlam_ros.interface import INPUTS, OUTPUTS
from vlam_ros.nodes.controller_node import ControllerNode
from vlam_ros.nodes.fusion_node import FusionNode
from vlam_ros.nodes.vlam_node import VlamNode
from vlam_ros.resources import resource_path
from vlam_ros.ros.managed import autostart
from vlam_ros.ros.up import NODES

Topics = dict[str, str]
"""Types by topic."""

# What ros_gz_bridge of Jazzy converts into what.
CONVERSIONS = {
    "geometry_msgs/msg/Twist": "gz.msgs.Twist",
    "nav_msgs/msg/Odometry": "gz.msgs.Odometry",
    "rosgraph_msgs/msg/Clock": "gz.msgs.Clock",
    "sensor_msgs/msg/CameraInfo": "gz.msgs.CameraInfo",
    "sensor_msgs/msg/Image": "gz.msgs.Image",
    "sensor_msgs/msg/Imu": "gz.msgs.IMU",
    "sensor_msgs/msg/JointState": "gz.msgs.Model",
    "sensor_msgs/msg/PointCloud2": "gz.msgs.PointCloudPacked",
    "std_msgs/msg/Bool": "gz.msgs.Boolean",
    "trajectory_msgs/msg/JointTrajectory": "gz.msgs.JointTrajectory",
}


def bridged(direction: str) -> dict[str, dict[str, str]]:
    """The entries of the bridge file in one direction, by ROS topic."""
    entries = yaml.safe_load(resource_path("config/gazebo_bridge.yaml").read_text("utf-8"))
    return {e["ros_topic_name"]: e for e in entries if e["direction"] == direction}


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Any]]:
    """The nodes of a robot in simulated time, at work: then all their topics are there."""
    context = rclpy.Context()
    rclpy.init(context=context)
    simulated = [Parameter("use_sim_time", value=True)]
    made = [
        make(context=context, namespace="robot1", parameter_overrides=simulated)
        for make in (_vlam_node, FusionNode, ControllerNode)
    ]
    for node in made:
        autostart(node)
    yield made
    for node in made:
        node.trigger_shutdown()
        node.destroy_node()
    rclpy.shutdown(context=context)


def _vlam_node(**node: Any) -> VlamNode:
    return VlamNode(HeldPipeline, **node)


def subscribed(node: Node) -> Topics:
    return of_robot(node.get_subscriber_names_and_types_by_node(node.get_name(), "/robot1"))


def published(node: Node) -> Topics:
    return of_robot(node.get_publisher_names_and_types_by_node(node.get_name(), "/robot1"))


def of_robot(topics: list[tuple[str, list[str]]]) -> Topics:
    """As the nodes call them: relative, where they are in the namespace."""
    assert all(len(types) == 1 for _, types in topics)
    return {name.removeprefix("/robot1/"): types[0] for name, types in topics}


def test_the_nodes_are_those_of_a_robot(nodes: list[Any]) -> None:
    assert {node.get_name() for node in nodes} == set(NODES)


def test_what_comes_from_gazebo_is_subscribed_with_that_type(nodes: list[Any]) -> None:
    entries = bridged("GZ_TO_ROS")
    assert set(entries) >= {"/clock", "image", "camera_info", "points", "imu", "odom"}
    for topic, entry in entries.items():
        types = {topics[topic] for topics in map(subscribed, nodes) if topic in topics}
        assert types == {entry["ros_type_name"]}, topic


def test_what_goes_to_gazebo_is_published_with_that_type(nodes: list[Any]) -> None:
    entries = bridged("ROS_TO_GZ")
    assert set(entries) == set(OUTPUTS)
    for topic, entry in entries.items():
        types = {topics[topic] for topics in map(published, nodes) if topic in topics}
        assert types == {entry["ros_type_name"]}, topic


def test_nothing_else_is_bridged() -> None:
    entries = yaml.safe_load(resource_path("config/gazebo_bridge.yaml").read_text("utf-8"))
    assert len(entries) == len(bridged("GZ_TO_ROS")) + len(bridged("ROS_TO_GZ"))


def test_launch_arguments_are_there_for_all_topics_that_the_nodes_share_with_a_robot(
    nodes: list[Any],
) -> None:
    inward = {topic for node in nodes for topic in subscribed(node)}
    outward = {topic for node in nodes for topic in published(node)}
    absolute = {topic for topic in inward if topic.startswith("/")}  # clock and tf
    among_nodes = inward & outward
    assert inward - absolute - among_nodes == set(INPUTS)
    assert set(OUTPUTS) <= outward - inward


def gazebo_topics() -> dict[str, str]:
    """The topics of the robot in Gazebo, with the message types of gz-sim 8 and gz-sensors 8."""
    robot = ET.parse(resource_path("gazebo/robot.sdf")).getroot()

    def topic(of: str, element: str = "topic") -> str:
        found = robot.find(f".//sensor[@type='{of}']")
        if found is None:
            found = robot.find(f".//plugin[@name='gz::sim::systems::{of}']")
        assert found is not None
        named = found.findtext(f".//{element}")
        assert named
        return named

    return {
        "/clock": "gz.msgs.Clock",
        topic("camera"): "gz.msgs.Image",
        topic("camera", "camera_info_topic"): "gz.msgs.CameraInfo",
        topic("gpu_lidar") + "/points": "gz.msgs.PointCloudPacked",
        topic("imu"): "gz.msgs.IMU",
        topic("DiffDrive", "odom_topic"): "gz.msgs.Odometry",
        topic("JointStatePublisher"): "gz.msgs.Model",
        topic("DiffDrive"): "gz.msgs.Twist",
        topic("JointTrajectoryController"): "gz.msgs.JointTrajectory",
    }


def test_gazebos_side_of_the_bridge_is_that_of_the_robot() -> None:
    entries = {**bridged("GZ_TO_ROS"), **bridged("ROS_TO_GZ")}
    # Gazebo has no suction: nothing there listens to the gripper.
    del entries["gripper"]
    found = {e["gz_topic_name"]: e["gz_type_name"] for e in entries.values()}
    assert found == gazebo_topics()


def test_types_are_those_that_the_bridge_can_convert() -> None:
    for entry in {**bridged("GZ_TO_ROS"), **bridged("ROS_TO_GZ")}.values():
        assert CONVERSIONS[entry["ros_type_name"]] == entry["gz_type_name"]
