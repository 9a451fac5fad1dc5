"""What the settings of the nodes have in common: checked fields, read from ROS parameter files.

The settings themselves are in `vlam_ros.configuration`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_type_hints

from vlam_ros.errors import ConfigurationError, did_you_mean
from vlam_ros.resources import entries_of, parameter_entries, resource_path

T = TypeVar("T")
Group = TypeVar("Group", bound="NodeSettings")


def parameter(
    description: str,
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
    length: int | None = None,
) -> Any:
    """A settings field: what it is (with unit), its closed range or choices, its array length."""
    metadata = {"description": description, "low": low, "high": high}
    return dataclasses.field(metadata={**metadata, "choices": choices, "length": length})


@dataclass(frozen=True)
class NodeSettings:
    """All parameters of one node, in groups; `NODE` is its name in the parameter file."""

    NODE: ClassVar[str]

    @classmethod
    def from_mapping(cls: type[Group], values: Mapping[str, Any]) -> Group:
        """Build from nested values; ConfigurationError names the parameter that is wrong."""
        hints = get_type_hints(cls)
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            near = did_you_mean(unknown[0], known) or f"; known: {sorted(known)}"
            raise ConfigurationError(f"unknown parameter groups {unknown}{near}")
        groups = {name: _build(hints[name], values.get(name, {}), name) for name in known}
        return cls(**groups)

    @classmethod
    def load(cls: type[Group], path: str | Path | None = None, **overrides: Any) -> Group:
        """Read a ROS parameter file; overrides are dotted names with `.` written `__`."""
        values = cls.read(path or resource_path("config/vlam.yaml"))
        groups: dict[str, dict[str, Any]] = {}
        for name, value in {**values, **overrides}.items():
            group, _, member = name.replace("__", ".", 1).partition(".")
            groups.setdefault(group, {})[member] = value
        return cls.from_mapping(groups)

    @classmethod
    def over_defaults(
        cls: type[Group], path: str | Path | None, namespace: str = "", **overrides: Any
    ) -> Group:
        """The package's defaults, changed by what a parameter file has for the node in a namespace,
        as the node would read it, and that by the overrides; see `load`.
        """
        values = {} if path is None else cls.read(path, namespace)
        for name, value in values.items():
            try:
                cls.check(name, value)
            except ConfigurationError as error:
                raise ConfigurationError(f"{path}: {error}") from error
        given = {name.replace(".", "__", 1): value for name, value in values.items()}
        return cls.load(**{**given, **overrides})

    @classmethod
    def read(cls, path: str | Path, namespace: str = "", node: str | None = None) -> dict[str, Any]:
        """What a ROS parameter file has for the node, by dotted name. `node` is its name where it
        is not the usual one.

        Raises:
            ConfigurationError: a name in the file is of no node or no parameter, see also
                `resources.entries_of`.
        """
        entries, values = parameter_entries(path), dict[str, Any]()
        names = {entry.rpartition("/")[2] for entry in entries}
        if node not in (None, *names) and cls.NODE in names:
            raise ConfigurationError(f"{path}: {cls.NODE} is called {node} here: write /**/{node}")
        own, everywhere = {name for name, _ in parameters(cls)}, parameters_of_nodes()
        for entry in entries_of(entries, node or cls.NODE, namespace, path):
            known = everywhere if entry.endswith("*") else own
            for name, value in entries[entry].items():
                if name not in known and not is_of_ros(name):
                    near = did_you_mean(name, known)
                    if name in everywhere:
                        near = ", another node has: write it under /**"
                    raise ConfigurationError(f"{path}: {entry} has no parameter {name}{near}")
                if name in own:
                    values[name] = value
        return values

    @classmethod
    def check(cls, name: str, value: Any) -> None:
        """Raises ConfigurationError for what ROS or `from_mapping` would refuse as a parameter."""
        group, _, member = name.partition(".")
        kind = get_type_hints(cls)[group]
        hint, field = get_type_hints(kind)[member], dict(parameters(kind))[member]
        for item in value if isinstance(value, list | tuple) else [value]:
            if hint in (float, tuple[float, ...]) and type(item) is int:
                raise ConfigurationError(f"{name} must be float: write {float(item)}, not {item}")
        check_value(name, value, hint, field)

    def changed(self) -> dict[str, Any]:
        """The parameters that are not the package's defaults, by dotted name."""
        default = self.load()
        values = {
            name: [reduce(getattr, name.split("."), group) for group in (self, default)]
            for name, _ in parameters(type(self))
        }
        return {name: own for name, (own, usual) in values.items() if own != usual}


def parameters_of_nodes() -> set[str]:
    """The dotted names of the parameters of all nodes: what is shared need not be for every one."""
    return {name for node in NodeSettings.__subclasses__() for name, _ in parameters(node)}


def is_of_ros(name: str) -> bool:
    """Whether it is a parameter that every node may have."""
    ours = ("autostart", "use_sim_time", "start_type_description_service")
    return name in ours or name.startswith("qos_overrides.")


def parameters(cls: type) -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    """The dotted names and fields of a settings class, groups before their members."""
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            for name, inner in parameters(hint):  # type: ignore[arg-type]
                yield f"{field.name}.{name}", inner
        else:
            yield field.name, field


def _build(cls: type[T], values: Mapping[str, Any], group: str) -> T:
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{group} must be a mapping, got {values!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(fields)):
        near = did_you_mean(unknown[0], fields) or f"; known: {sorted(fields)}"
        raise ConfigurationError(f"unknown parameters {unknown} in {group}{near}")
    if missing := sorted(set(fields) - set(values)):
        raise ConfigurationError(f"missing parameters {missing} in {group}")
    hints = get_type_hints(cls)
    checked = {
        name: check_value(f"{group}.{name}", values[name], hints[name], field)
        for name, field in fields.items()
    }
    return cls(**checked)


def check_value(name: str, value: Any, hint: Any, field: dataclasses.Field[Any]) -> Any:
    """The value in its field's type, or a ConfigurationError with name, expectation and value."""
    if hint in (tuple[str, ...], tuple[float, ...]):
        element = str if hint == tuple[str, ...] else float
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise ConfigurationError(f"{name} must be a list, got {value!r}")
        items = tuple(_scalar(name, item, element, field) for item in value)
        length = field.metadata["length"]
        if length is not None and len(items) != length:
            raise ConfigurationError(f"{name} must have {length} values, got {len(items)}")
        return items
    return _scalar(name, value, hint, field)


def _scalar(name: str, value: Any, kind: type, field: dataclasses.Field[Any]) -> Any:
    description, choices = field.metadata["description"], field.metadata["choices"]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ConfigurationError(f"{name} ({description}) must be {kind.__name__}, got {value!r}")
    # Of a choice like "random:N" any number is one.
    if choices and value not in choices and re.sub(r":[0-9]+$", ":N", str(value)) not in choices:
        raise ConfigurationError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    low, high = field.metadata["low"], field.metadata["high"]
    if kind in (int, float) and not low <= value <= high:
        raise ConfigurationError(f"{name} ({description}) must be in {low}..{high}, got {value}")
    return value
