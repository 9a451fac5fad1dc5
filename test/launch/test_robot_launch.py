"""The launch file of a robot, run by launch itself: on ROS machines only, PyPI has no launch."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="launch is not on PyPI")

from launch import LaunchDescription, LaunchService
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessIO
from launch.events import Shutdown
from launch.events.process import ProcessIO
from launch.launch_description_sources import (
    PythonLaunchDescriptionSource,
    get_launch_description_from_python_launch_file,
)

LAUNCH_FILE = str(Path(__file__).parents[2] / "launch" / "robot.launch.py")


def test_the_arguments_are_the_file_the_namespace_and_the_clock() -> None:
    description = get_launch_description_from_python_launch_file(LAUNCH_FILE)
    arguments = [e.name for e in description.entities if isinstance(e, DeclareLaunchArgument)]
    assert arguments == ["params_file", "namespace", "use_sim_time"]


def test_the_node_gets_its_parameters_in_its_namespace(tmp_path: Path) -> None:
    parameters = tmp_path / "robot.yaml"
    parameters.write_text("/**/vlam_node: {ros__parameters: {camera: {height: 77.0}}}\n")
    said: list[str] = []

    def listen(event: ProcessIO) -> EmitEvent | None:
        said.append(event.text.decode())
        complete = "cannot configure" in "".join(said)
        return EmitEvent(event=Shutdown(reason="seen enough")) if complete else None

    arguments = {"params_file": str(parameters), "namespace": "robot1"}
    robot = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(LAUNCH_FILE), launch_arguments=arguments.items()
    )
    listening = RegisterEventHandler(OnProcessIO(on_stderr=listen, on_stdout=listen))
    service = LaunchService(noninteractive=True)
    service.include_launch_description(LaunchDescription([listening, robot]))
    assert service.run() == 0
    assert "[robot1.vlam_node]: cannot configure: camera.height" in "".join(said)
