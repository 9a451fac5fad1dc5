"""Finds bags: one, all in a folder, or those of a list."""

from __future__ import annotations

import re
from pathlib import Path

from vlam_ros.errors import BagError
from vlam_ros.lab.bags.files import OLD_SUFFIX, SUFFIXES, kind_of
from vlam_ros.lab.bags.metadata import FILE_NAME


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
    if path.name.endswith((*SUFFIXES, OLD_SUFFIX)) or kind_of(path):
        return [path]
    return _in_list(path)


def _in_folder(folder: Path, seen: set[Path]) -> list[Path]:
    """A folder with metadata.yaml is one bag. Without, its files are one bag if they are named like
    the parts of one, and a bag each otherwise.
    """
    if folder.resolve() in seen:  # links in a circle
        return []
    seen.add(folder.resolve())
    if (folder / FILE_NAME).is_file():
        return [folder]
    try:
        entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise BagError(f"{folder} cannot be read: {error.strerror}") from error
    files = [p for p in entries if p.is_file() and p.name.endswith((*SUFFIXES, OLD_SUFFIX))]
    parts = {re.sub(r"_\d+$", "", file.name.partition(".")[0]) for file in files}
    numbered = all(re.search(r"_\d+\.", file.name) for file in files)
    if len(parts) == 1 and numbered and not any(p.is_dir() for p in entries):
        return [folder]
    found = []
    for entry in entries:
        found += _in_folder(entry, seen) if entry.is_dir() else [entry] * (entry in files)
    return found


def _in_list(path: Path) -> list[Path]:
    """The bags of a text file."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise BagError(f"{path} is neither a bag nor a list of bags") from error
    found: list[Path] = []
    entries = [path.parent / Path(line).expanduser() for line in lines if line and line[0] != "#"]
    for entry in entries:
        bags = _in_folder(entry, set()) if entry.is_dir() else []
        found += bags or [entry]
    if not any(entry.exists() for entry in entries):
        raise BagError(f"{path} names no bag that exists: expected the path of one in every line")
    return found
