"""The parameter files for robots of one's own are whole, and nodes read them as they are meant."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.node import Node

from vlam_ros.cli.main import _parser
from vlam_ros.configuration import (
    ControllerSettings,
    FusionNodeSettings,
    NodeSettings,
    Settings,
    parameters,
)
from vlam_ros.interface import INPUTS, OUTPUTS, topic_argument
from vlam_ros.resources import resource_path
from vlam_ros.ros.parameters import NodeParameters

FILES = sorted(resource_path("config/examples").glob("*.yaml"))
PAGE = resource_path("config").parent / "docs" / "own_robot.md"
KINDS = (Settings, FusionNodeSettings, ControllerSettings)


def said(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested values by their dotted names."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= (
            said(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
        )
    return flat


def loaded(kind: type[NodeSettings], file: Path, namespace: str) -> NodeSettings:
    """The settings as a node of that name declares and reads them."""
    context = rclpy.Context()
    rclpy.init(args=["--ros-args", "--params-file", str(file)], context=context)
    try:
        node = Node(kind.NODE, namespace=namespace, context=context)
        settings = NodeParameters(node, kind).settings()
        node.destroy_node()
        return settings
    finally:
        rclpy.shutdown(context=context)


def test_there_is_one_for_each_robot_that_the_page_describes() -> None:
    names = {file.name for file in FILES}
    assert names == {"livox_namespace.yaml", "turtlebot_realsense.yaml"}
    assert names == set(re.findall(r"examples/(\w+\.yaml)", PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.NODE)
@pytest.mark.parametrize("namespace", ["", "robot1"])
def test_a_node_has_what_its_file_says_and_the_defaults_besides(
    file: Path, kind: type[NodeSettings], namespace: str
) -> None:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    known = {name for name, _ in parameters(kind)}
    told = {
        name: value
        for entry in ("/**", f"/**/{kind.NODE}")
        for name, value in said(document[entry]["ros__parameters"]).items()
        if name in known
    }
    assert told
    settings = loaded(kind, file, namespace)
    assert settings == kind.over_defaults(file)
    changed = settings.changed()
    default = kind.load()
    for name, value in told.items():
        group, _, inner = name.partition(".")
        own = getattr(getattr(settings, group), inner)
        assert own == (tuple(value) if isinstance(value, list) else value), name
        assert (name in changed) == (own != getattr(getattr(default, group), inner))
    assert set(changed) <= set(told)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_in_a_file_is_unknown_to_all_nodes(file: Path) -> None:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert set(document) == {"/**", *(f"/**/{kind.NODE}" for kind in KINDS)}
    for entry, content in document.items():
        of = KINDS if entry == "/**" else [k for k in KINDS if entry == f"/**/{k.NODE}"]
        known = {name for kind in of for name, _ in parameters(kind)}
        assert set(said(content["ros__parameters"])) <= known | {"autostart"}


def test_the_page_s_commands_are_ones_that_there_are() -> None:
    text = re.sub(r"\\\n\s*", " ", PAGE.read_text(encoding="utf-8"))
    shell = "\n".join(re.findall(r"```\n(.*?)```", text, re.DOTALL))
    lines = [line for line in shell.splitlines() if line.startswith("vlam ")]
    assert {line.split()[1] for line in lines} >= {"ask", "record", "calibrate", "replay"}
    for line in lines:
        _parser().parse_args(shlex.split(line, comments=True)[1:])
    known = {topic_argument(name) for name in (*INPUTS, *OUTPUTS)}
    arguments = {*re.findall(r"(\w+_topic):=", text)}
    for file in FILES:
        arguments |= {*re.findall(r"(\w+_topic):=", file.read_text(encoding="utf-8"))}
    assert arguments
    assert arguments <= known
