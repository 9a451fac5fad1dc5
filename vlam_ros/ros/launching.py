"""What the launch files have in common: nodes of this package, their arguments, topics and files.

Imported by launch files only: `launch` is there where ROS is installed, and not on PyPI.
"""

from __future__ import annotations

import os
from typing import Any

from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.launch_context import LaunchContext  # not of launch: mypy takes that for the folder
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from vlam_ros.configuration import check_parameter_file
from vlam_ros.interface import INPUTS, OUTPUTS, topic_argument
from vlam_ros.resources import resource_path, with_profile
from vlam_ros.ros.up import NODES

BOOLEAN = ("true", "false")


def robot_arguments() -> list[DeclareLaunchArgument]:
    """The arguments of every launch file; those that include another have them from it."""
    declare = DeclareLaunchArgument
    return [
        declare(
            "params_file",
            default_value=str(resource_path("config/vlam.yaml")),
            description="ROS parameter file of all nodes",
        ),
        declare("namespace", default_value="", description="ROS namespace of all nodes"),
        declare(
            "use_sim_time",
            default_value="false",
            description="time from /clock: simulation, bags",
            choices=BOOLEAN,
        ),
        declare(
            "model",
            default_value="",
            description="CLIPSeg checkpoint: 'embedded', a folder or a hub id; "
            "empty: that of the parameter file",
        ),
        declare(
            "controller",
            default_value="true",
            description="whether controller_node drives the robot",
            choices=BOOLEAN,
        ),
        *(
            declare(topic_argument(t), default_value=t, description=f"the topic that is {t} here")
            for t in (*INPUTS, *OUTPUTS)
        ),
    ]


def robot_nodes() -> list[LaunchDescriptionEntity]:
    """The nodes of a robot, in an environment in which images get through."""
    profile = [SetEnvironmentVariable(k, v) for k, v in with_profile(os.environ).items()]
    return [*profile, OpaqueFunction(function=_robot_nodes)]


def _robot_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    # Before anything starts: on the defaults in place of what is misspelt, a robot would drive.
    check_parameter_file(
        LaunchConfiguration("params_file").perform(context),
        LaunchConfiguration("namespace").perform(context),
    )
    model = LaunchConfiguration("model").perform(context)
    driven = LaunchConfiguration("controller").perform(context) == "true"
    # An empty model is no parameter at all: then what the parameter file says counts.
    own = {"vlam_node": {"model.name_or_path": model}} if model else {}
    return [
        package_node(name, own.get(name, {}))
        for name in NODES
        if driven or name != "controller_node"
    ]


def package_node(name: str, values: dict[str, Any] | None = None) -> Node:
    """A node of this package, which ends the launch when it ends.

    It has the parameters of the launch's file and clock, and then `values`. With the parameter
    `autostart` it configures and activates itself, so it needs no launch_ros.LifecycleNode, whose
    adapter cannot be shut down twice: by Ctrl-C, and by the first node that ends.
    """
    use_sim_time = ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    return Node(
        package="vlam_ros",
        executable=name,
        name=name,
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            LaunchConfiguration("params_file"),
            {"use_sim_time": use_sim_time, **(values or {})},
        ],
        remappings=remappings(),
        output="screen",
        on_exit=Shutdown(reason=f"{name} ended"),
    )


def remappings() -> list[tuple[str, LaunchConfiguration]]:
    """The topics as the arguments call them, for nodes that use the names of this package."""
    return [(t, LaunchConfiguration(topic_argument(t))) for t in (*INPUTS, *OUTPUTS)]


def included(name: str, **arguments: str) -> IncludeLaunchDescription:
    """Another launch file of this package. It takes what the including one was given, and
    declares the arguments that both have; `arguments` are settled.
    """
    source = PythonLaunchDescriptionSource(str(resource_path(f"launch/{name}")))
    return IncludeLaunchDescription(source, launch_arguments=arguments.items())
