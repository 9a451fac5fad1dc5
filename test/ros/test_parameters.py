"""Settings as ROS parameters: types, ranges and descriptions of every one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from vlam_ros.configuration import (
    ControllerSettings,
    FusionNodeSettings,
    Settings,
    SimulatorSettings,
)
from vlam_ros.errors import ConfigurationError
from vlam_ros.ros.parameters import NodeParameters
from vlam_ros.settings import NodeSettings, parameters


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


def test_every_parameter_is_set_so_that_all_can_be_dumped(context: rclpy.Context) -> None:
    node = node_with(context)
    NodeParameters(node, Settings)
    for name, _ in parameters(Settings):
        assert node.get_parameter(name).type_ is not Parameter.Type.NOT_SET, name
    empty = node.get_parameter("perception.distractors")
    assert (empty.type_, empty.value) == (Parameter.Type.STRING_ARRAY, [])
    node.destroy_node()


@pytest.mark.parametrize(
    ("kind", "name", "value", "said"),
    [
        (Settings, "model.device", "nonsense", "one of auto, cpu, cuda"),
        (Settings, "model.backend", "onnx", "one of torch, onnxruntime"),
        (Settings, "model.dtype", "half", "one of auto, float32"),
        (Settings, "action.low", [1.0], "must have 4 values"),
        (SimulatorSettings, "simulation.scene", "kitchen", "one of demo"),
        (SimulatorSettings, "simulation.scene", "random:", "one of demo"),
        (ControllerSettings, "arm.joints", ["pan", "lift"], "must have 3 values"),
        (ControllerSettings, "arm.speeds", [1.0, 20.0, 1.0], "must be in 0.01..10"),
    ],
)
def test_a_wrong_value_is_refused_at_once_and_changes_nothing(
    context: rclpy.Context, kind: type[NodeSettings], name: str, value: object, said: str
) -> None:
    node = node_with(context)
    declared = NodeParameters(node, kind)
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful
    assert said in result.reason
    assert declared.settings() == kind.load()
    node.destroy_node()


@pytest.mark.parametrize(
    ("name", "value"),
    [("model.device", "cpu"), ("model.dtype", "int8"), ("action.low", [-1.0] * 4)],
)
def test_another_good_value_is_taken(context: rclpy.Context, name: str, value: object) -> None:
    node = node_with(context)
    declared = NodeParameters(node, Settings)
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert result.successful
    assert name in declared.settings().changed()
    node.destroy_node()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("camra.height", "did you mean camera.height?"),
        ("camera.heigt", "did you mean camera.height?"),
        ("height", "did you mean camera.height?"),
        ("polcy.reach", "did you mean policy.reach?"),
        ("nonsense", "nonsense: there is no such parameter"),
    ],
)
def test_a_name_that_no_node_has_is_refused(context: rclpy.Context, name: str, said: str) -> None:
    node = node_with(context, **{name: 0.5})
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        NodeParameters(node, Settings).settings()
    node.destroy_node()


def test_what_other_nodes_and_ros_have_is_not_refused(context: rclpy.Context) -> None:
    shared = {"lidar.x": 0.2, "use_sim_time": False, "qos_overrides./tf.depth": 3}
    node = node_with(context, **shared)
    assert NodeParameters(node, Settings).settings() == Settings.load()
    node.destroy_node()


def test_one_for_one_point_zero_says_what_to_write(context: rclpy.Context) -> None:
    node = node_with(context, camera__height=1)
    with pytest.raises(ConfigurationError, match=r"camera\.height must be float: write 1\.0"):
        NodeParameters(node, Settings).settings()
    node.destroy_node()
