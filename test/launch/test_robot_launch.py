"""The launch files, read and run by launch itself: on ROS machines only, PyPI has no launch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("launch_ros", reason="launch is not on PyPI")

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity, LaunchService
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteLocal,
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
from launch.substitutions import LocalSubstitution
from launch.utilities import perform_substitutions
from launch_ros.actions import Node
from launch_ros.utilities import evaluate_parameters, normalize_parameters

from vlam_ros.interface import INPUTS, OUTPUTS, topic_argument
from vlam_ros.resources import read_parameters
from vlam_ros.ros import launching
from vlam_ros.ros.up import NODES
from vlam_ros.settings import NodeSettings, parameters

FOLDER = Path(__file__).parents[2] / "launch"
FILES = ("robot", "simulation", "gazebo", "replay")
SENSORS = ["image", "image/compressed", "points", "scan", "imu", "odom", "instruction"]
GZ_SIM = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration
def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument("gz_args"), DeclareLaunchArgument("on_exit_shutdown"),
        ExecuteProcess(cmd=["gz", "sim", LaunchConfiguration("gz_args")])])
"""


class RecordedNode(Node):  # type: ignore[misc]
    """A node of this package that remembers how it was made."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.options = options


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Started]:
    """What a launch file starts, with something in the place of ros_gz."""
    monkeypatch.setattr(launching, "Node", RecordedNode)
    for package, executable in (("ros_gz_sim", "create"), ("ros_gz_bridge", "parameter_bridge")):
        for file in (
            tmp_path / "share" / "ament_index" / "resource_index" / "packages" / package,
            tmp_path / "lib" / package / executable,
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o755)
    gz_sim = tmp_path / "share" / "ros_gz_sim" / "launch" / "gz_sim.launch.py"
    gz_sim.parent.mkdir(parents=True)
    gz_sim.write_text(GZ_SIM)
    path = [os.environ.get("AMENT_PREFIX_PATH", ""), str(tmp_path)]
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(filter(None, path)))
    return Started


class Started:
    """The processes that a launch file would start with these arguments."""

    def __init__(self, file: str, **arguments: str) -> None:
        self.context = LaunchContext()
        self.context.launch_configurations.update(arguments)
        path = str(FOLDER / f"{file}.launch.py")
        self.processes: list[ExecuteLocal] = []
        self._visit(get_launch_description_from_python_launch_file(path).entities)

    def _visit(self, entities: Iterable[LaunchDescriptionEntity]) -> None:
        for entity in entities:
            if isinstance(entity, ExecuteLocal):
                self.processes.append(entity)
            else:
                self._visit(entity.visit(self.context) or [])

    @property
    def nodes(self) -> dict[str, RecordedNode]:
        """The nodes of this package."""
        made = [p for p in self.processes if isinstance(p, RecordedNode)]
        return {node.options["name"]: node for node in made}

    def command(self, process: ExecuteLocal) -> list[str]:
        """Its command line, without what launch_ros adds when it starts a process."""
        own = [[s for s in part if not isinstance(s, LocalSubstitution)] for part in process.cmd]
        return [perform_substitutions(self.context, part) for part in own if part]

    def text(self, value: Any) -> str:
        return str(value if isinstance(value, str) else value.perform(self.context))

    def remappings(self, name: str) -> dict[str, str]:
        return {a: self.text(b) for a, b in self.nodes[name].options["remappings"]}

    def parameters(self, name: str) -> dict[str, Any]:
        """What a node gets: of the file its entries, then what the launch file sets."""
        values: dict[str, Any] = {}
        given = normalize_parameters(self.nodes[name].options["parameters"])
        for part in evaluate_parameters(self.context, given):
            read = read_parameters(part, name) if isinstance(part, Path) else part
            values.update(flat(read))
        return values


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names."""
    names: dict[str, Any] = {}
    for key, value in values.items():
        inner = flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        names.update(inner)
    return names


def arguments_of(file: str) -> list[str]:
    path = str(FOLDER / f"{file}.launch.py")
    description = get_launch_description_from_python_launch_file(path)
    return [e.name for e in description.entities if isinstance(e, DeclareLaunchArgument)]


def test_the_arguments_are_those_of_a_robot_and_its_topics() -> None:
    common = ["params_file", "namespace", "use_sim_time", "model", "controller"]
    assert arguments_of("robot") == common + [topic_argument(t) for t in (*INPUTS, *OUTPUTS)]
    assert set(SENSORS) <= set(INPUTS)
    assert arguments_of("replay") == ["bag", "rate", "loop"]
    assert arguments_of("gazebo") == ["world", "gui"]


@pytest.mark.parametrize("file", FILES)
def test_every_executable_is_there(file: str, started: Callable[..., Started]) -> None:
    launch = started(file, bag="drive")
    for process in launch.processes:
        executable = launch.command(process)[0]
        assert executable == "gz" or os.access(executable, os.X_OK)


@pytest.mark.parametrize(
    ("file", "controlled", "simulator"),
    [
        ("robot", True, False),
        ("simulation", True, True),
        ("gazebo", True, False),
        ("replay", False, False),
    ],
)
def test_the_nodes_are_those_of_a_robot_and_in_a_replay_none_that_drives(
    file: str, controlled: bool, simulator: bool, started: Callable[..., Started]
) -> None:
    expected = {n for n in NODES if controlled or n != "controller_node"}
    nodes = started(file, bag="drive").nodes
    assert set(nodes) == expected | ({"simulator_node"} if simulator else set())


@pytest.mark.parametrize("file", FILES)
def test_every_parameter_is_known_to_its_node(file: str, started: Callable[..., Started]) -> None:
    launch = started(file, bag="drive", model="a_folder")
    known = {kind.NODE: {n for n, _ in parameters(kind)} for kind in NodeSettings.__subclasses__()}
    for name in launch.nodes:
        # What the file has for all nodes need not be for every node, but for one of them.
        own = flat(read_parameters(FOLDER.parent / "config" / "vlam.yaml", name))
        assert set(launch.parameters(name)) - known[name] - set(own) <= {"use_sim_time"}
        assert set(own) - {"autostart"} <= set.union(*known.values())


@pytest.mark.parametrize("file", FILES[1:])
def test_all_but_the_simulator_live_in_simulated_time(
    file: str, started: Callable[..., Started]
) -> None:
    launch = started(file, bag="drive")
    for name in launch.nodes:
        assert launch.parameters(name)["use_sim_time"] is (name != "simulator_node")


def test_the_model_is_the_one_that_is_named_or_the_one_of_the_file(
    started: Callable[..., Started],
) -> None:
    assert started("robot").parameters("vlam_node")["model.name_or_path"] == "embedded"
    launch = started("robot", model="my_model")
    assert launch.parameters("vlam_node")["model.name_or_path"] == "my_model"
    assert "model.name_or_path" not in launch.parameters("fusion_node")


@pytest.mark.parametrize("file", FILES)
def test_a_topic_is_called_the_same_by_all(file: str, started: Callable[..., Started]) -> None:
    launch = started(file, bag="drive", image_topic="/camera/image_raw", cmd_vel_topic="drive")
    for name in launch.nodes:
        remapped = launch.remappings(name)
        assert remapped.pop("image") == "/camera/image_raw"
        assert remapped.pop("cmd_vel") == "drive"
        assert all(ours == theirs for ours, theirs in remapped.items())


@pytest.mark.parametrize(("gui", "options"), [("true", "-r "), ("false", "-r -s --headless-")])
def test_gazebo_gets_the_world_and_the_robot(
    gui: str, options: str, started: Callable[..., Started]
) -> None:
    launch = started("gazebo", gui=gui, world="/my_world.sdf")
    gazebo, create, bridge = (
        launch.command(p) for p in launch.processes if not isinstance(p, RecordedNode)
    )
    assert gazebo[:2] == ["gz", "sim"]
    assert gazebo[2].startswith(options)
    assert gazebo[2].endswith(" /my_world.sdf")
    assert create[1:5] == ["-file", str(FOLDER.parent / "gazebo/robot.sdf"), "-name", "vlam_robot"]
    assert Path(bridge[0]).name == "parameter_bridge"


def heard(file: str, complete: str, **arguments: str) -> str:
    """What is said until `complete` is, or the launch ends by itself."""
    said: list[str] = []

    def listen(event: ProcessIO) -> EmitEvent | None:
        said.append(event.text.decode())
        is_complete = complete in "".join(said)
        return EmitEvent(event=Shutdown(reason="seen enough")) if is_complete else None

    included = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(FOLDER / f"{file}.launch.py")),
        launch_arguments=arguments.items(),
    )
    listening = RegisterEventHandler(OnProcessIO(on_stderr=listen, on_stdout=listen))
    service = LaunchService(noninteractive=True)
    service.include_launch_description(LaunchDescription([listening, included]))
    assert service.run() == 0
    return "".join(said)


def test_the_node_gets_its_parameters_in_its_namespace(tmp_path: Path) -> None:
    parameters = tmp_path / "robot.yaml"
    parameters.write_text("/**/vlam_node: {ros__parameters: {model: {name_or_path: /nowhere}}}\n")
    said = heard("robot", "cannot configure", params_file=str(parameters), namespace="robot1")
    expected = "[robot1.vlam_node]: cannot configure: no such checkpoint folder: '/nowhere'"
    assert expected in said


@pytest.mark.parametrize("file", ["robot", "simulation", "replay"])
@pytest.mark.parametrize(
    "text",
    ["/**: {ros__parameters: {camra: {height: 0.3}}}", "vlam_nod: {ros__parameters: {}}"],
)
def test_nothing_starts_with_a_wrong_parameter_file(
    file: str, text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parameters = tmp_path / "robot.yaml"
    parameters.write_text(text)
    included = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(FOLDER / f"{file}.launch.py")),
        launch_arguments={"params_file": str(parameters), "bag": "drive"}.items(),
    )
    service = LaunchService(noninteractive=True)
    service.include_launch_description(LaunchDescription([included]))
    assert service.run() == 1
    assert "did you mean" in caplog.text
    assert "process started" not in caplog.text


def test_the_model_wins_over_that_of_the_file() -> None:
    said = heard("robot", "cannot configure", model="/no/such/folder")
    assert "cannot configure: no such checkpoint folder: '/no/such/folder'" in said


def test_a_bag_is_played_once_vlam_node_is_active_and_only_the_inputs_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ros2 = tmp_path / "ros2"
    ros2.write_text('#!/bin/sh\necho "played: $*"\n')
    ros2.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    # Nothing is waited for: the launch ends with the bag.
    arguments = {"bag": "drive", "rate": "2.0", "loop": "true"}
    said = heard("replay", "(never)", **arguments, namespace="robot1", imu_topic="/imu")
    assert said.index("vlam_node]: active") < said.index("played: ")
    command, topics = said.partition("played: ")[2].splitlines()[0].split(" --topics ")
    assert command == "bag play drive --clock --rate 2.0 --loop"
    assert {"/tf", "/tf_static", "/imu", "/robot1/image"} <= set(topics.split())
    assert not {"/robot1/action_chunk", "/robot1/cmd_vel", "/robot1/imu"} & set(topics.split())
