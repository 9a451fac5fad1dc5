"""The parameter file for a Jetson: what it sets is known, and what it leaves out is the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import rclpy
import yaml
from rclpy.node import Node

from vlam_ros.configuration import Settings
from vlam_ros.resources import resource_path
from vlam_ros.ros.parameters import NodeParameters
from vlam_ros.settings import NodeSettings, parameters

FILE = resource_path("config/jetson.yaml")
KINDS = {kind.NODE: kind for kind in NodeSettings.__subclasses__()}


def dotted(values: Mapping[str, object], prefix: str = "") -> set[str]:
    """The names of the parameters in nested values."""
    names: set[str] = set()
    for key, value in values.items():
        inner = dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key}
        names |= inner
    return names


def test_every_parameter_is_known_to_its_node() -> None:
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert document
    for entry, content in document.items():
        known = {name for name, _ in parameters(KINDS[entry.removeprefix("/**/")])}
        assert dotted(content["ros__parameters"]) <= known | {"autostart"}


@pytest.mark.parametrize("namespace", ["", "robot1"])
def test_a_node_with_this_file_has_cuda_and_float16_and_the_defaults_besides(
    namespace: str,
) -> None:
    context = rclpy.Context()
    rclpy.init(args=["--ros-args", "--params-file", str(FILE)], context=context)
    node = Node("vlam_node", namespace=namespace, context=context)
    settings = NodeParameters(node, Settings).settings()
    node.destroy_node()
    rclpy.shutdown(context=context)
    default = Settings.load()
    assert settings == replace(
        default,
        model=replace(default.model, device="cuda", dtype="float16"),
        perception=replace(default.perception, crops=4),
    )
