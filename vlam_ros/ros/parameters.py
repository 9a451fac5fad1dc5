"""ROS parameters of a node from the settings classes: descriptors, ranges, the one default.

A wrong value in a parameter file must not kill the node while it is built: it is remembered, and
makes configuring fail with its message until the parameter is set to a good value.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
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

from vlam_ros.errors import ConfigurationError, did_you_mean
from vlam_ros.resources import read_parameters, resource_path
from vlam_ros.settings import NodeSettings, is_of_ros, parameters, parameters_of_nodes

Group = TypeVar("Group", bound=NodeSettings)

_AUTOSTART = ParameterDescriptor(
    description="configure and activate at start, without a lifecycle manager"
)


class NodeParameters(Generic[Group]):
    """Declares all settings of a class and `autostart` on a node, and reads them back, checked."""

    def __init__(
        self,
        node: Node,
        settings: type[Group],
        choices: Mapping[str, Callable[[], Sequence[str]]] | None = None,
    ) -> None:
        """`choices` are those that the settings do not know, by the parameter's name."""
        self._node = node
        self._choices = choices or {}
        self._settings = settings
        self._own = {name for name, _ in parameters(settings)}
        self._wrong: dict[str, str] = {}
        defaults = read_parameters(resource_path("config/vlam.yaml"), settings.NODE)
        self._declare("autostart", defaults["autostart"], _AUTOSTART)
        for name, field in parameters(settings):
            self._declare(name, defaults[name], _descriptor(field))
        # What is misspelt, rclpy would ignore without a word.
        everywhere = parameters_of_nodes()
        for name in node._parameter_overrides:
            if not (node.has_parameter(name) or name in everywhere or is_of_ros(name)):
                near = did_you_mean(name, self._own)
                self._wrong[name] = f"{name}: there is no such parameter{near}"
        if not self._wrong:
            for file in files_of(sys.argv):
                try:
                    settings.read(file, node.get_namespace(), node.get_name())
                except ConfigurationError as error:
                    self._wrong[file] = str(error)
        node.add_on_set_parameters_callback(self._on_set)

    def settings(self) -> Group:
        """The settings as the parameters are now.

        Raises:
            ConfigurationError: naming a parameter that is unknown, of a wrong type or out of range.
        """
        if self._wrong:
            raise ConfigurationError("; ".join(self._wrong.values()))
        values: dict[str, dict[str, Any]] = {}
        for name, _ in parameters(self._settings):
            group, _, member = name.partition(".")
            values.setdefault(group, {})[member] = self._node.get_parameter(name).value
        return self._settings.from_mapping(values)

    def _declare(self, name: str, default: Any, descriptor: ParameterDescriptor) -> None:
        # rclpy takes an empty list for bytes; ours are lists of words.
        kind = Parameter.Type.STRING_ARRAY
        value = kind if default == [] else default
        try:
            self._node.declare_parameter(name, value, descriptor)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            self._wrong[name] = f"{name}: {error}"
            if name in self._own and isinstance(error, InvalidParameterTypeException):
                try:
                    self._settings.check(name, self._node._parameter_overrides[name].value)
                except ConfigurationError as own:  # says what to write
                    self._wrong[name] += f"; {own}"
            self._node.declare_parameter(name, value, descriptor, ignore_override=True)
        # It has no type in a parameter file either. What is not set, `ros2 param dump` stops at.
        if self._node.get_parameter_or(name).value is None:
            self._node.set_parameters([Parameter(name, kind, [])])

    def _on_set(self, changed: list[Parameter]) -> SetParametersResult:
        # Types and ranges were checked against the descriptors before this is called.
        for parameter in changed:
            if parameter.name in self._own:
                try:
                    self._settings.check(parameter.name, parameter.value)
                except ConfigurationError as error:
                    return SetParametersResult(successful=False, reason=str(error))
            known = self._choices[parameter.name]() if parameter.name in self._choices else ()
            if known and parameter.value not in known:
                reason = f"{parameter.name} must be one of {', '.join(known)}"
                return SetParametersResult(successful=False, reason=reason)
        for parameter in changed:
            self._wrong.pop(parameter.name, None)
        return SetParametersResult(successful=True)


def files_of(arguments: Sequence[str]) -> list[str]:
    """The parameter files that the command line of a process gives to its nodes."""
    return [file for flag, file in pairwise(arguments) if flag == "--params-file"]


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
