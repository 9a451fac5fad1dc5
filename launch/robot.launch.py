"""Starts the nodes of a robot: `ros2 launch vlam_ros robot.launch.py params_file:=my_robot.yaml`.

Values are in the parameter file and nowhere else. An entry `/**/vlam_node` counts in every
namespace, a bare `vlam_node` in the root one only.
"""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from vlam_ros.resources import resource_path
from vlam_ros.ros.dds import with_profile
from vlam_ros.ros.up import NODES


def generate_launch_description() -> LaunchDescription:
    """The nodes of a robot, each of which ends the launch when it ends."""
    arguments = [
        DeclareLaunchArgument(
            "params_file",
            default_value=str(resource_path("config/vlam.yaml")),
            description="ROS parameter file of all nodes",
        ),
        DeclareLaunchArgument(
            "namespace", default_value="", description="ROS namespace of all nodes"
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            description="time from /clock: simulation, bags",
            choices=["true", "false"],
        ),
    ]
    use_sim_time = ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    nodes = [
        Node(
            package="vlam_ros",
            executable=name,
            name=name,
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), {"use_sim_time": use_sim_time}],
            output="screen",
            on_exit=Shutdown(reason=f"{name} ended"),
        )
        for name in NODES
    ]
    profile = [SetEnvironmentVariable(k, v) for k, v in with_profile(os.environ).items()]
    return LaunchDescription([*arguments, *profile, *nodes])
