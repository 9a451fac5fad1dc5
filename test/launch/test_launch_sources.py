"""What the launch files name exists: read with `ast`, so that it is checked without `launch`."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Callable, Iterator
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


def told() -> Iterator[tuple[str, list[str]]]:
    """The launch files that README and docs name, with what is given to them."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for name, given in re.findall(r"(\w+\.launch\.py)((?: \w+:=\S+)*)", text):
            yield name, re.findall(r"(\w+):=", given)


def test_arguments_that_people_are_told_to_give_are_declared() -> None:
    assert {name for name, given in told() if given} >= {"robot.launch.py", "replay.launch.py"}
    for name, given in told():
        assert set(given) <= declared(ROOT / "launch" / name)


def function_of(path: Path, name: str, **known: object) -> Callable[..., object]:
    """A function of a launch file by itself, which needs no launch."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (found,) = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    names = dict(known)
    exec(compile(ast.Module([found], []), str(path), "exec"), names)
    function = names[name]
    assert callable(function)
    return function


@pytest.mark.parametrize(
    ("metadata", "recorded"),
    [
        ("  - topic_metadata:\n      name: /clock\n      type: rosgraph_msgs/msg/Clock\n", True),
        ("  - topic_metadata:\n      name: '/clock'\n", True),
        ("  - topic_metadata:\n      name: /robot1/clock\n", False),
        (None, False),
    ],
)
def test_a_bag_with_its_own_clock_is_played_by_that(
    tmp_path: Path, metadata: str | None, recorded: bool
) -> None:
    if metadata is not None:
        (tmp_path / "metadata.yaml").write_text(metadata)
    clock_recorded = function_of(
        ROOT / "launch" / "replay.launch.py", "clock_recorded", Path=Path, re=re
    )
    assert clock_recorded(tmp_path) is recorded
    assert clock_recorded(tmp_path / "drive_0.mcap") is recorded


def test_the_parameter_file_is_checked_before_a_node_is_made() -> None:
    tree = ast.parse(COMMON.read_text(encoding="utf-8"))
    (made,) = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "_robot_nodes"]
    called = [n.func.id for n in ast.walk(made) if isinstance(n, ast.Call)
              and isinstance(n.func, ast.Name)]  # fmt: skip
    assert called.index("check_parameter_file") < called.index("package_node")
