"""What the launch files name exists: read with `ast`, so that it is checked without `launch`."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

from vlam_ros.interface import INPUTS, OUTPUTS, topic_argument
from vlam_ros.ros.up import NODES

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))
COMMON = ROOT / "vlam_ros" / "ros" / "launching.py"
OTHERS = {"ros_gz_sim": "create", "ros_gz_bridge": "parameter_bridge"}


def calls(path: Path, *names: str) -> Iterator[ast.Call]:
    """The calls of functions with one of these names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


def texts(path: Path, *names: str) -> set[str]:
    """The first arguments of those calls, where they are written out."""
    first = [call.args[0] for call in calls(path, *names) if call.args]
    return {a.value for a in first if isinstance(a, ast.Constant) and isinstance(a.value, str)}


def keywords(call: ast.Call) -> dict[str, object]:
    return {
        k.arg: k.value.value for k in call.keywords if k.arg and isinstance(k.value, ast.Constant)
    }


def declared(path: Path) -> set[str]:
    """The arguments of a launch file, with those of the ones it includes."""
    names = texts(path, "DeclareLaunchArgument", "declare")
    for included in texts(path, "included"):
        names |= declared(ROOT / "launch" / included)
    if any(calls(path, "robot_arguments")):
        names |= texts(COMMON, "declare") | {topic_argument(t) for t in (*INPUTS, *OUTPUTS)}
    return names


@pytest.fixture(scope="module")
def executables() -> set[str]:
    """The executables of this package."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"].split("\n")
    return {script.partition("=")[0].strip() for script in scripts if script}


def test_there_is_one_file_for_each_way_to_start() -> None:
    ways = ["gazebo", "replay", "robot", "simulation"]
    assert [path.name for path in FILES] == [f"{way}.launch.py" for way in ways]


@pytest.mark.parametrize("path", [*FILES, COMMON], ids=lambda path: path.name)
def test_executables_are_console_scripts_or_those_of_ros_gz(
    path: Path, executables: set[str]
) -> None:
    assert set(NODES) <= executables
    assert texts(path, "package_node") <= executables
    for call in calls(path, "Node"):
        named = keywords(call)
        if named["package"] != "vlam_ros":  # those have their names from package_node()
            assert OTHERS[str(named["package"])] == named["executable"]


@pytest.mark.parametrize("path", [*FILES, COMMON], ids=lambda path: path.name)
def test_files_that_are_named_are_there_and_get_installed(path: Path) -> None:
    installed = {"config", "gazebo", "launch"}
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert f"install(DIRECTORY {' '.join(sorted(installed))} DESTINATION share/" in cmake
    for name in texts(path, "resource_path"):
        assert (ROOT / name).is_file()
        assert Path(name).parts[0] in installed
    for name in texts(path, "included"):
        assert (ROOT / "launch" / name).is_file()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_arguments_that_are_read_or_handed_on_are_declared(path: Path) -> None:
    read = texts(path, "LaunchConfiguration", "value")
    assert read <= declared(path)
    for call in calls(path, "included"):
        assert set(keywords(call)) <= declared(ROOT / "launch" / "robot.launch.py")


def test_common_arguments_are_those_of_the_robot_file() -> None:
    assert texts(COMMON, "LaunchConfiguration") <= declared(ROOT / "launch" / "robot.launch.py")
    assert {"namespace", "params_file", "use_sim_time", "model"} <= texts(COMMON, "declare")


@pytest.mark.parametrize("path", [*FILES, COMMON], ids=lambda path: path.name)
def test_no_value_of_the_parameter_file_stands_in_a_launch_file(path: Path) -> None:
    # Strings and booleans are names and choices; a number would be a value.
    numbers = [
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    ]
    assert numbers == []
