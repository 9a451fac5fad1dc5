"""Opens the files of a bag, whatever they are: by their first bytes, not by their names."""

from __future__ import annotations

from pathlib import Path

import zstandard

from vlam_ros.errors import BagError
from vlam_ros.lab.bags.mcap_file import MAGIC, McapFile
from vlam_ros.lab.bags.sqlite_file import SqliteFile
from vlam_ros.lab.bags.stored import StoredFile

SUFFIXES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd", ".mcap.zst", ".db3.zst")
OLD_SUFFIX = ".bag"
ZSTD = b"\x28\xb5\x2f\xfd"
_KINDS = {
    MAGIC: "mcap",
    b"SQLite format 3\0": "sqlite3",
    ZSTD: "zstd",
    b"#ROSBAG V": "rosbag1",
}


def kind_of(path: Path) -> str:
    """What a file is: "mcap", "sqlite3", "zstd" (something compressed), "rosbag1", "" otherwise.

    Raises:
        BagError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(max(map(len, _KINDS)))
    except OSError as error:
        raise BagError(f"{path} cannot be read: {error.strerror}") from error
    return next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "")


def open_file(path: Path, workspace: Path, notes: list[str]) -> StoredFile:
    """Open a file of a bag. A compressed one is decompressed into `workspace` first.

    Raises:
        BagError: it is no file of a bag, or one that cannot be read.
    """
    kind, name = kind_of(path), path.name
    if kind == "zstd":
        path = decompress(path, workspace)
        kind = kind_of(path)
    if kind == "mcap":
        try:
            return McapFile(path, name, notes)
        except BagError as error:
            raise BagError(f"{name}: {error}") from error
    if kind == "sqlite3":
        return SqliteFile(path, name, notes)
    if kind == "rosbag1":
        raise BagError(
            f"{name} is a bag of ROS 1: convert it with rosbags-convert --src {name} --dst FOLDER"
        )
    if not path.stat().st_size:
        raise BagError(f"{name} is empty")
    raise BagError(f"{name} is no bag: expected MCAP or SQLite, plain or compressed with zstd")


def decompress(path: Path, workspace: Path) -> Path:
    """Decompress a file into a folder, of a damaged one what comes before the damage.

    Raises:
        BagError: there is no room for it.
    """
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
