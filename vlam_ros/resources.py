"""The package's files, ROS parameter files, and files that are written whole or not at all.

`config/…` and `launch/…` are in the source tree, or under `share/` of an install prefix. One rule
serves the source tree, editable installs, wheels and colcon's install space. It looks around this
file, not in AMENT_PREFIX_PATH, which is unset in a plain virtual environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vlam_ros.errors import ConfigurationError, did_you_mean

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


def read_parameters(path: str | Path, node: str, namespace: str = "") -> dict[str, Any]:
    """The parameters of a node in a ROS parameter file, by dotted name. Of the entries that are for
    it, later ones win, as in ROS.
    """
    entries = parameter_entries(path)
    matching = entries_of(entries, node, namespace, path)
    return {name: value for entry in matching for name, value in entries[entry].items()}


def parameter_entries(path: str | Path) -> dict[str, dict[str, Any]]:
    """What a ROS parameter file has for which nodes ("/**/vlam_node"), by dotted name.

    Raises:
        ConfigurationError: the file cannot be read, or is none of parameters.
    """
    import yaml  # here, as launch files look for resources without the dependencies

    class Loader(yaml.SafeLoader):
        """Takes 1e-3 for a number, as ROS does, and of two values for one name neither."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value]
            if twice := [key for key in keys if keys.count(key) > 1]:
                raise ConfigurationError(f"{path}: {twice[0]} stands there twice: make it one")
            return super().construct_mapping(node, deep)

    exponential = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", exponential, list("-+.0123456789"))
    try:
        with open(path, encoding="utf-8") as file:
            document = yaml.load(file, Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"cannot read the parameter file {path}: {error}") from error
    entries: dict[str, dict[str, Any]] = {}
    for name, values in _entries(document, "", path):
        entries.setdefault(name, {}).update(values)
    return entries


def _entries(tree: Any, name: str, path: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """A node may also stand below its namespace, and a key may be a path: all are ROS's ways."""
    if not isinstance(tree, Mapping):
        words = [did_you_mean(word, ["ros__parameters"]) for word in name.split("/")]
        raise ConfigurationError(
            f"{path}: {name or 'what it has'} is not below an entry as /**/vlam_node: "
            f"ros__parameters: …{max(words, key=len)}"
        )
    for key, inner in tree.items():
        if key != "ros__parameters":
            yield from _entries(inner, f"{name}/{str(key).strip('/')}", path)
        elif not name or not isinstance(inner, Mapping | None):
            raise ConfigurationError(
                f"{path}: {name or '/'}: ros__parameters must be a mapping of a node"
            )
        else:
            yield name, dict(_flat(inner or {}))


def _flat(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def entries_of(entries: Collection[str], node: str, namespace: str, path: str | Path) -> list[str]:
    """Those of a file's entries that are for a node.

    Raises:
        ConfigurationError: nothing is for a node of this package, the name of one is misspelt, or
            the entries of this one are of another namespace.
    """
    names = {entry: entry.rpartition("/")[2] for entry in entries}
    known = {*NODES, node}
    stems = {_stem(name): name for name in known}
    for entry, name in names.items():
        near = [stems[stem] for stem in get_close_matches(_stem(name), stems, 1, cutoff=0.75)]
        near += get_close_matches(name.lower(), known, 1, cutoff=0.85)
        if name not in known and near:
            raise ConfigurationError(
                f"{path}: there is no node {name}, of {entry}: did you mean {near[0]}?"
            )
    if not any("*" in name or name in known for name in names.values()):
        raise ConfigurationError(f"{path} has no entry /**/{node}: ros__parameters: …")
    full = "/".join(["", *filter(None, namespace.split("/")), node])
    found = [entry for entry in entries if re.fullmatch(_pattern(entry), full)]
    own = [entry for entry, name in names.items() if name == node]
    if own and not set(own) & set(found):
        raise ConfigurationError(
            f"{path}: {own[0]} is not for {full}: write /**/{node}, for every namespace"
        )
    return found


def _stem(node: str) -> str:
    """What is left of the names "vlam_node", "VlamNode" and "vlam" if they are misspelt alike."""
    return re.sub(r"[^a-z]*node$", "", node.lower())


def _pattern(entry: str) -> str:
    """The regular expression of the full names that an entry is for."""
    return re.escape(entry).replace(r"/\*\*", r"(/\w+)*").replace(r"/\*", r"/\w+")


def with_profile(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to the environment of nodes that publish images, for which Fast DDS's defaults
    are too small: this package's profile, unless there is another.
    """
    if environment.get(DDS_PROFILE):
        return {}
    return {DDS_PROFILE: str(resource_path("config/fastdds.xml"))}
