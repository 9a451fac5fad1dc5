"""The package's files, ROS parameter files, and files that are written whole or not at all.

`config/…` and `launch/…` are in the source tree, or under `share/` of an install prefix. One rule
serves the source tree, editable installs, wheels and colcon's install space. It looks around this
file, not in AMENT_PREFIX_PATH, which is unset in a plain virtual environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlam_ros.errors import ConfigurationError

NODES = ("vlam_node", "fusion_node", "controller_node", "simulator_node")
"""The nodes of this package."""
DDS_PROFILE = "FASTRTPS_DEFAULT_PROFILES_FILE"


def resource_path(name: str) -> Path:
    """The file or folder with this path relative to the repository root, as `config/vlam.yaml`.

    Raises:
        ConfigurationError: it is nowhere; the message says where it was looked for.
    """
    places = _places(Path(__file__))
    for place in places:
        if (place / name).exists():
            return place / name
    looked = ", ".join(str(place) for place in places)
    raise ConfigurationError(
        f"{name} not found in {looked}: is its name right, and is the package installed completely?"
    )


def write_file(path: Path, data: bytes) -> None:
    """Write a file and the folders above it; a reader never sees half of it.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def _places(module: Path) -> list[Path]:
    """The source tree if `module` is in one (colcon --symlink-install resolves to it), otherwise
    `share/vlam_ros` of the prefix it is installed in.

    How deep a module lies below its prefix differs between distributions
    (`lib/python3.11/site-packages`, `local/lib/python3.10/dist-packages`), hence the walk.
    """
    root = module.resolve().parents[1]
    if (root / "package.xml").exists():
        return [root]
    shares = [parent / "share" / "vlam_ros" for parent in module.parents]
    return [share for share in shares if share.is_dir()] or shares


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
    import yaml  # here, as launch files look for resources without the dependencies

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


def with_profile(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to the environment of nodes that publish images, for which Fast DDS's defaults
    are too small: this package's profile, unless there is another.
    """
    if environment.get(DDS_PROFILE):
        return {}
    return {DDS_PROFILE: str(resource_path("config/fastdds.xml"))}
