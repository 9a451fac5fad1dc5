"""Starts the nodes of a robot: `ros2 launch vlam_ros robot.launch.py params_file:=my_robot.yaml`.

Values are in the parameter file and nowhere else. An entry `/**/vlam_node` counts in every
namespace, a bare `vlam_node` in the root one only.
"""

from launch import LaunchDescription

from vlam_ros.ros.launching import robot_arguments, robot_nodes


def generate_launch_description() -> LaunchDescription:
    """The nodes of a robot, each of which ends the launch when it ends."""
    return LaunchDescription([*robot_arguments(), *robot_nodes()])
