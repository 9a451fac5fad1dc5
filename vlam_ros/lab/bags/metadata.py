"""Which files a bag consists of, and what its metadata.yaml says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from vlam_ros.errors import BagError
from vlam_ros.lab.bags.files import SUFFIXES

FILE_NAME = "metadata.yaml"


@dataclass(frozen=True)
class Metadata:
    """What reading a bag needs of it. `files` are names in the bag's folder, `topics` types by the
    names of topics; `distro` is empty where old versions do not tell.
    """

    storage: str
    files: tuple[str, ...]
    topics: dict[str, str]
    distro: str = ""
    compression: str = ""


def read_metadata(path: Path) -> Metadata:
    """Read a metadata.yaml of any version.

    Raises:
        BagError: it cannot be read, or is not one.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
        topics = [topic["topic_metadata"] for topic in values["topics_with_message_count"] or ()]
        return Metadata(
            str(values["storage_identifier"]),
            # old versions put the folder's name before the file's
            tuple(PurePosixPath(name).name for name in values["relative_file_paths"] or ()),
            {str(topic["name"]): str(topic["type"]) for topic in topics},
            str(values.get("ros_distro") or ""),
            str(values.get("compression_format") or ""),
        )
    except OSError as error:
        raise BagError(f"{path.name} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise BagError(f"{path.name} is damaged") from error


def bag_parts(path: Path, notes: list[str]) -> tuple[Metadata | None, list[Path]]:
    """The metadata of a bag, if it has any, and its files; notes what is missing.

    Raises:
        BagError: there is no bag, or one of a kind that cannot be read.
    """
    if path.is_file():
        return None, [path]
    if not path.is_dir():
        raise BagError(f"{path} does not exist: expected a bag's folder or file")
    if not (path / FILE_NAME).exists():
        parts = _files_in(path)
        notes.append(f"there is no {FILE_NAME}: the files are read without it")
        return None, parts
    try:
        metadata = read_metadata(path / FILE_NAME)
    except BagError as error:
        parts = _files_in(path)
        notes.append(f"{error}: the files are read without it")
        return None, parts
    _check(metadata, path)
    found = {name: _present(path / name) for name in metadata.files}
    notes += [
        f"{name} is missing: what was recorded in it is left out"
        for name, part in found.items()
        if part is None
    ]
    parts = [part for part in found.values() if part is not None]
    if not parts:
        raise BagError(f"{path} is not whole: none of the files in its {FILE_NAME} is there")
    return metadata, parts


def _files_in(folder: Path) -> list[Path]:
    parts = sorted(p for p in folder.iterdir() if p.is_file() and p.name.endswith(SUFFIXES))
    if not parts:
        raise BagError(f"{folder} is no bag: it has neither a good {FILE_NAME} nor files of a bag")
    return parts


def _check(metadata: Metadata, path: Path) -> None:
    for what, value, known in (
        ("stored as", metadata.storage, ("mcap", "sqlite3")),
        ("compressed with", metadata.compression, ("zstd", "")),
    ):
        if value not in known:
            raise BagError(
                f"{path} is {what} {value!r}, expected {' or '.join(filter(None, known))}: convert "
                "it with ros2 bag convert"
            )


def _present(path: Path) -> Path | None:
    """The file, or the same after or before it was compressed; None if there is none."""
    candidates = [path, path.with_name(f"{path.name}.zstd")]
    if path.suffix == ".zstd":
        candidates.append(path.with_suffix(""))
    return next((candidate for candidate in candidates if candidate.is_file()), None)
