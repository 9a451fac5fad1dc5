"""Starts a robot in the embedded simulation: `ros2 launch vlam_ros simulation.launch.py`.

Takes the arguments of `robot.launch.py`. Everything runs on the time of the simulator.
"""

from launch import LaunchDescription

from vlam_ros.ros.launching import included, package_node


def generate_launch_description() -> LaunchDescription:
    """The nodes of a robot, and the simulator that is its body and its world."""
    return LaunchDescription(
        [
            # First, because it declares the arguments.
            included("robot.launch.py", use_sim_time="true"),
            # It makes the time that the others read.
            package_node("simulator_node", {"use_sim_time": False}),
        ]
    )
