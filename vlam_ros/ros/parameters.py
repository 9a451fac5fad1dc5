"""ROS parameters of a node from the settings classes: descriptors, ranges, the one default.

A wrong value in a parameter file must not kill the node while it is built: it is remembered, and
makes configuring fail with its message until the parameter is set to a good value.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from vlam_ros.configuration import NodeSettings, parameters
from vlam_ros.errors import ConfigurationError
from vlam_ros.resources import read_parameters, resource_path

Group = TypeVar("Group", bound=NodeSettings)

_AUTOSTART = ParameterDescriptor(
    description="configure and activate at start, without a lifecycle manager"
)


class NodeParameters(Generic[Group]):
    """Declares all settings of a class and `autostart` on a node, and reads them back, checked."""

    def __init__(self, node: Node, settings: type[Group]) -> None:
        self._node = node
        self._settings = settings
        self._wrong: dict[str, str] = {}
        defaults = read_parameters(resource_path("config/vlam.yaml"), settings.NODE)
        self._declare("autostart", defaults["autostart"], _AUTOSTART)
        for name, field in parameters(settings):
            group, _, member = name.partition(".")
            self._declare(name, defaults[group][member], _descriptor(field))
        # Not declared, so that rclpy would ignore it without a word: misspelt.
        groups = tuple(f"{field.name}." for field in dataclasses.fields(settings))
        for name in node._parameter_overrides:
            if name.startswith(groups) and not node.has_parameter(name):
                self._wrong[name] = "there is no such parameter: is it spelt right?"
        node.add_on_set_parameters_callback(self._on_set)

    def settings(self) -> Group:
        """The settings as the parameters are now.

        Raises:
            ConfigurationError: naming a parameter that is unknown, of a wrong type or out of range.
        """
        if self._wrong:
            raise ConfigurationError("; ".join(f"{n}: {why}" for n, why in self._wrong.items()))
        values: dict[str, dict[str, Any]] = {}
        for name, _ in parameters(self._settings):
            group, _, member = name.partition(".")
            # An empty list has no type in a parameter file; rclpy takes it for "not set".
            value = self._node.get_parameter_or(name).value
            values.setdefault(group, {})[member] = () if value is None else value
        return self._settings.from_mapping(values)

    def _declare(self, name: str, default: Any, descriptor: ParameterDescriptor) -> None:
        # rclpy takes an empty list for bytes; ours are lists of words.
        value = Parameter.Type.STRING_ARRAY if default == [] else default
        try:
            self._node.declare_parameter(name, value, descriptor)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            self._wrong[name] = str(error)
            self._node.declare_parameter(name, value, descriptor, ignore_override=True)

    def _on_set(self, changed: list[Parameter]) -> SetParametersResult:
        # Types and ranges were checked against the descriptors before this is called.
        for parameter in changed:
            self._wrong.pop(parameter.name, None)
        return SetParametersResult(successful=True)


def _descriptor(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    low, high = field.metadata["low"], field.metadata["high"]
    choices, length = field.metadata["choices"], field.metadata["length"]
    constraints = ["takes effect when the node is configured"]
    if choices:
        constraints.append(f"one of {', '.join(choices)}")
    if length:
        constraints.append(f"{length} values")
    descriptor = ParameterDescriptor(
        description=field.metadata["description"], additional_constraints="; ".join(constraints)
    )
    # Settings have annotations as text; only scalars have ranges.
    if math.isfinite(low) and field.type == "int":
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    elif math.isfinite(low) and field.type == "float":
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(low), to_value=float(high))
        ]
    return descriptor
