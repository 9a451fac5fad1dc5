"""What test/data/bags/manifest.yaml says of each bag. Needs nothing of vlam_ros."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

NAME = "manifest.yaml"
HEAD = """\
# What is in the bags of the tests, by tools/make_test_bags.py and tools/make_foreign_bag.py.
"""


def describe(
    path: Path, purpose: str, messages: Iterable[tuple[int, str, str]], **further: Any
) -> dict[str, Any]:
    """The entry of a bag.

    Args:
        path: its folder or file.
        purpose: what it is for.
        messages: receive time (ns), topic and type of each message.
        further: what else people and tests should know.
    """
    listed = list(messages)
    times = [received for received, _, _ in listed]
    counts = Counter(topic for _, topic, _ in listed)
    types = {topic: kind for _, topic, kind in sorted(listed, key=lambda item: item[1])}
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return {
        "purpose": purpose,
        "seconds": (max(times) - min(times)) / 1e9,
        "topics": {name: {"type": kind, "count": counts[name]} for name, kind in types.items()},
        **further,
        "files": {
            file.relative_to(path.parent).as_posix(): {
                "bytes": file.stat().st_size,
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            }
            for file in files
        },
    }


def enter(folder: Path, entries: Mapping[str, dict[str, Any]]) -> None:
    """Put entries into the manifest of a folder, in place of older ones of the same bags."""
    path = folder / NAME
    told = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    told = {**(told or {}), **entries}
    text = yaml.safe_dump(dict(sorted(told.items())), sort_keys=False, width=100)
    path.write_text(HEAD + text, encoding="utf-8")
