"""Finds bags and their files, and opens these: by their first bytes, not by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, TypeVar

import yaml
import zstandard

from vlam_ros.errors import BagError
from vlam_ros.lab.bags.mcap_file import MAGIC, McapFile
from vlam_ros.lab.bags.sqlite_file import SqliteFile

METADATA = "metadata.yaml"
SUFFIXES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd", ".mcap.zst", ".db3.zst")
ROS1_SUFFIX = ".bag"
ZSTD = b"\x28\xb5\x2f\xfd"
AnyFile = TypeVar("AnyFile", McapFile, SqliteFile)
_KINDS = {
    MAGIC: "mcap",
    b"SQLite format 3\0": "sqlite3",
    ZSTD: "zstd",
    b"#ROSBAG V": "rosbag1",
}


def find_bags(path: Path) -> list[Path]:
    """The bag itself, all bags in a folder and the folders in it (sorted), or those of a text file.

    The text file has a path per line, relative to the file, of a bag or a folder of bags; lines
    that begin with # are comments. A path in it that does not exist is kept: reading it says so.

    Raises:
        BagError: there is none.
    """
    if path.is_dir():
        found = _in_folder(path, set())
        if not found:
            raise BagError(f"there is no bag in {path}: expected .mcap or .db3 files in it")
        return found
    if not path.exists():
        raise BagError(
            f"{path} does not exist: expected a bag, a folder of bags, or a list of them"
        )
    if path.name.endswith((*SUFFIXES, ROS1_SUFFIX)) or _kind_of(path):
        return [path]
    return _in_list(path)


def _in_folder(folder: Path, seen: set[Path]) -> list[Path]:
    """A folder with metadata.yaml is one bag. Without, its files are one bag if they are named like
    the parts of one, and a bag each otherwise.
    """
    if folder.resolve() in seen:  # links in a circle
        return []
    seen.add(folder.resolve())
    if (folder / METADATA).is_file():
        return [folder]
    try:
        entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise BagError(f"{folder} cannot be read: {error.strerror}") from error
    files = [p for p in entries if p.is_file() and p.name.endswith((*SUFFIXES, ROS1_SUFFIX))]
    parts = {re.sub(r"_\d+$", "", file.name.partition(".")[0]) for file in files}
    numbered = all(re.search(r"_\d+\.", file.name) for file in files)
    if len(parts) == 1 and numbered and not any(p.is_dir() for p in entries):
        return [folder]
    found = []
    for entry in entries:
        found += _in_folder(entry, seen) if entry.is_dir() else [entry] * (entry in files)
    return found


def _in_list(path: Path) -> list[Path]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise BagError(f"{path} is neither a bag nor a list of bags") from error
    found: list[Path] = []
    entries = [path.parent / Path(line).expanduser() for line in lines if line and line[0] != "#"]
    for entry in entries:
        found += (_in_folder(entry, set()) if entry.is_dir() else []) or [entry]
    if not any(entry.exists() for entry in entries):
        raise BagError(f"{path} names no bag that exists: expected the path of one in every line")
    return found


@dataclass(frozen=True)
class BagParts:
    """The files of a bag, and what its metadata.yaml says besides: the types of topics, and the
    ROS distribution, empty where old versions do not tell.
    """

    files: list[Path]
    topics: Mapping[str, str] = field(default_factory=dict)
    distro: str = ""


def bag_parts(path: Path, notes: list[str]) -> BagParts:
    """What a bag consists of; notes what is missing.

    Raises:
        BagError: there is no bag, or one of a kind that cannot be read.
    """
    if path.is_file():
        return BagParts([path])
    if not path.is_dir():
        raise BagError(f"{path} does not exist: expected a bag's folder or file")
    try:
        metadata = _read_metadata(path / METADATA)
    except BagError as error:
        files = _files_in(path)
        if not files:
            raise BagError(
                f"{path} is no bag: it has neither a good {METADATA} nor files of a bag"
            ) from error
        notes.append(f"{error}: the files are read without it")
        return BagParts(files)
    if metadata["compression"] not in ("zstd", "none", ""):
        raise BagError(
            f"{path} is compressed with {metadata['compression']!r}, expected zstd: convert it "
            "with ros2 bag convert"
        )
    found = {name: _present(path / name) for name in metadata["files"]}
    files = [file for file in found.values() if file is not None]
    missing = [name for name, file in found.items() if file is None]
    others = [file for file in _files_in(path) if file not in files]
    if others and (not files or len(others) == len(missing)):  # they were renamed
        files += others
        names = ", ".join(file.name for file in others)
        notes.append(f"{METADATA} does not name {names}, read for {', '.join(missing) or 'all'}")
    else:
        notes += [f"{name} is missing: what was recorded in it is left out" for name in missing]
    if not files:
        raise BagError(f"{path} is not whole: none of the files in its {METADATA} is there")
    return BagParts(files, metadata["topics"], metadata["distro"])


def _files_in(folder: Path) -> list[Path]:
    """What is named like the files of a bag."""
    return sorted(p for p in folder.iterdir() if p.is_file() and p.name.endswith(SUFFIXES))


def _read_metadata(path: Path) -> dict[str, Any]:
    """What matters of a metadata.yaml, of any version."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
        topics = [topic["topic_metadata"] for topic in values["topics_with_message_count"] or ()]
        return {
            # old versions put the folder's name before the file's, some as Windows does
            "files": [PureWindowsPath(name).name for name in values["relative_file_paths"] or ()],
            "topics": {str(topic["name"]): str(topic["type"]) for topic in topics},
            "distro": str(values.get("ros_distro") or ""),
            "compression": str(values.get("compression_format") or "").lower(),
        }
    except FileNotFoundError as error:
        raise BagError(f"there is no {path.name}") from error
    except OSError as error:
        raise BagError(f"{path.name} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise BagError(f"{path.name} is damaged") from error


def _present(path: Path) -> Path | None:
    """The file, or the same after or before it was compressed; None if there is none."""
    candidates = [path, path.with_name(f"{path.name}.zstd")]
    if path.suffix == ".zstd":
        candidates.append(path.with_suffix(""))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def open_file(path: Path, workspace: Path, notes: list[str]) -> McapFile | SqliteFile:
    """Open a file of a bag. A compressed one is decompressed into `workspace` first.

    Raises:
        BagError: it is no file of a bag, or one that cannot be read.
    """
    kind, name = _kind_of(path), path.name
    if kind == "zstd":
        path = _decompress(path, workspace)
        kind = _kind_of(path)
    if kind == "mcap":
        try:
            return _in_cdr(McapFile(path, name, notes))
        except BagError as error:
            raise BagError(f"{name}: {error}") from error
    if kind == "sqlite3":
        return _in_cdr(SqliteFile(path, name, notes))
    if kind == "rosbag1":
        raise BagError(
            f"{name} is a bag of ROS 1: convert it with rosbags-convert --src {name} --dst FOLDER"
        )
    if not path.stat().st_size:
        raise BagError(f"{name} is empty")
    raise BagError(f"{name} is no bag: expected MCAP or SQLite, plain or compressed with zstd")


def _in_cdr(file: AnyFile) -> AnyFile:
    encodings = {topic.encoding for topic in file.topics}
    if not encodings or "cdr" in encodings:
        return file
    file.close()
    if "ros1" in encodings:
        raise BagError(
            "its messages are of ROS 1: convert the .bag that it was made of with rosbags-convert"
        )
    raise BagError(f"messages are serialised as {', '.join(sorted(encodings))}, expected cdr")


def _kind_of(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            head = stream.read(max(map(len, _KINDS)))
    except OSError as error:
        raise BagError(f"{path} cannot be read: {error.strerror}") from error
    return next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "")


def _decompress(path: Path, workspace: Path) -> Path:
    """Decompress a file into a folder, of a damaged one what comes before the damage."""
    target = workspace / f"{len(list(workspace.iterdir()))}-{path.stem}"
    try:
        with path.open("rb") as packed, target.open("wb") as plain:
            reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
            try:
                while block := reader.read(1 << 20):
                    plain.write(block)
            except zstandard.ZstdError:
                pass  # what is missing is noticed when the file is read
    except OSError as error:
        raise BagError(
            f"{path.name} cannot be decompressed into {workspace.parent}: {error.strerror}; "
            "set TMPDIR to a folder with more room"
        ) from error
    return target
