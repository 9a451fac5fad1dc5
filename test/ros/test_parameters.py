"""Settings as ROS parameters: types, ranges and descriptions of every one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from vlam_ros.configuration import FusionNodeSettings, NodeSettings, Settings, parameters
from vlam_ros.ros.parameters import NodeParameters


@pytest.fixture
def context() -> Iterator[rclpy.Context]:
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    rclpy.shutdown(context=context)


def node_with(context: rclpy.Context, **overrides: object) -> Node:
    values = [Parameter(k.replace("__", "."), value=v) for k, v in overrides.items()]
    return Node("vlam_node", context=context, parameter_overrides=values)


@pytest.mark.parametrize("kind", [Settings, FusionNodeSettings])
def test_without_overrides_the_settings_are_those_of_the_default_file(
    context: rclpy.Context, kind: type[NodeSettings]
) -> None:
    node = node_with(context)
    assert NodeParameters(node, kind).settings() == kind.load()
    node.destroy_node()


@pytest.mark.parametrize("kind", [Settings, FusionNodeSettings])
def test_every_parameter_has_a_description_and_every_number_its_range(
    context: rclpy.Context, kind: type[NodeSettings]
) -> None:
    node = node_with(context)
    NodeParameters(node, kind)
    for name, field in parameters(kind):
        descriptor = node.describe_parameter(name)
        assert descriptor.description == field.metadata["description"]
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        expected = [(field.metadata["low"], field.metadata["high"])]
        is_number = descriptor.type in (Parameter.Type.DOUBLE.value, Parameter.Type.INTEGER.value)
        assert [(r.from_value, r.to_value) for r in ranges] == (expected if is_number else [])
    node.destroy_node()


def test_lists_can_be_empty_and_can_be_filled(context: rclpy.Context) -> None:
    node = node_with(context, perception__distractors=["a shadow"])
    declared = NodeParameters(node, Settings)
    assert declared.settings().perception.distractors == ("a shadow",)
    node.set_parameters([Parameter("perception.distractors", Parameter.Type.STRING_ARRAY, [])])
    assert declared.settings().perception.distractors == ()
    node.destroy_node()
