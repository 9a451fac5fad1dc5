"""ROS parameter files, read as a node would read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from vlam_ros.errors import ConfigurationError

NODES = ("vlam_node", "fusion_node", "controller_node", "simulator_node")
"""The nodes of this package."""


def read_parameters(path: str | Path, node: str) -> dict[str, Any]:
    """The `ros__parameters` of one node in a ROS parameter file, nested as in the file.

    What stands under `/**` is shared by all nodes.
    """
    shared, own = parameter_sections(path, node)
    return {**shared, **own}


def parameter_sections(path: str | Path, node: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a parameter file has for all nodes, and for one.

    Raises:
        ConfigurationError: the file cannot be read, or has nothing for any node of this package.
    """
    try:
        with open(path, encoding="utf-8") as file:
            document = yaml.safe_load(file)
        nobody: dict[str, Any] = {"ros__parameters": {}}
        shared = document.get("/**", nobody)["ros__parameters"]
        own = (document.get(f"/**/{node}") or document.get(node) or nobody)["ros__parameters"]
        # As in ROS a file need not have anything for this node, but for one of ours it must.
        if not {"/**", *NODES, *(f"/**/{name}" for name in NODES)} & set(document):
            raise KeyError(node)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"cannot read the parameter file {path}: {error}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} has no entry /**/{node}: ros__parameters: …") from error
    if not isinstance(own, dict) or not isinstance(shared, dict):
        raise ConfigurationError(f"{path}: {node}: ros__parameters must be a mapping")
    return shared, own
