"""Starts a robot in Gazebo Harmonic: `ros2 launch vlam_ros gazebo.launch.py`.

Needs the package ros_gz. Takes the arguments of `robot.launch.py`, and a world of one's own: it
needs the systems of gazebo/world.sdf. One robot fits into a world, whatever its namespace.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from vlam_ros.resources import resource_path
from vlam_ros.ros.launching import BOOLEAN, included, remappings


def generate_launch_description() -> LaunchDescription:
    """Gazebo with a world, the robot in it, the bridge to ROS, and the nodes of the robot."""
    arguments = [
        DeclareLaunchArgument(
            "world",
            default_value=str(resource_path("gazebo/world.sdf")),
            description="the world, an SDF file",
        ),
        DeclareLaunchArgument(
            "gui",
            default_value="true",
            description="whether Gazebo shows a window",
            choices=BOOLEAN,
        ),
    ]
    windowless = PythonExpression(
        ["'' if '", LaunchConfiguration("gui"), "' == 'true' else '-s --headless-rendering '"]
    )
    gazebo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution([FindPackageShare("ros_gz_sim"), "launch", "gz_sim.launch.py"])
        ),
        launch_arguments={
            "gz_args": ["-r ", windowless, LaunchConfiguration("world")],
            "on_exit_shutdown": "true",
        }.items(),
    )
    robot = Node(
        package="ros_gz_sim",
        executable="create",
        arguments=["-file", str(resource_path("gazebo/robot.sdf")), "-name", "vlam_robot"],
        output="screen",
    )
    bridge = Node(
        package="ros_gz_bridge",
        executable="parameter_bridge",
        name="gazebo_bridge",
        namespace=LaunchConfiguration("namespace"),
        parameters=[{"config_file": str(resource_path("config/gazebo_bridge.yaml"))}],
        remappings=remappings(),
        output="screen",
        on_exit=Shutdown(reason="gazebo_bridge ended"),
    )
    # The nodes of the robot first, because they declare the arguments that the bridge has as well.
    nodes = included("robot.launch.py", use_sim_time="true")
    return LaunchDescription([*arguments, nodes, gazebo, robot, bridge])
