"""Reads bags of rosbag2, whole or damaged, from Humble on: MCAP and SQLite, compressed or not.

The package `rosbags` knows the types of messages and deserialises them. The files are read here,
because `rosbags` gives up on a file whose recorder was killed, and on a whole bag for one topic
that it does not understand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import zstandard

from vlam_ros.errors import BagError
from vlam_ros.lab.bags.definitions import Definitions
from vlam_ros.lab.bags.files import SUFFIXES, ZSTD, BagParts, bag_parts, open_file
from vlam_ros.lab.bags.mcap_file import McapFile
from vlam_ros.lab.bags.sqlite_file import SqliteFile
from vlam_ros.lab.bags.stored import MessageSource, StoredTopic, in_order


@dataclass(frozen=True)
class BagMessage:
    """A message of a topic, its type as "sensor_msgs/msg/Image", received at a time in ns; `data`
    as it was serialised (CDR).
    """

    topic: str
    type: str
    received: int
    data: bytes = field(repr=False)
    _stored: StoredTopic = field(repr=False, compare=False)
    _definitions: Definitions = field(repr=False, compare=False)

    def read(self) -> Any:
        """The message: attributes as in ROS, arrays in NumPy.

        Raises:
            BagError: its type is unknown or the definition no good, or the data are damaged.
        """
        return self._definitions.deserialise(self._stored, self.data)


class BagReader:
    """An open bag: a folder, or a single file.

    `topics` are the types by topic, "sensor_msgs/msg/Image"; `counts` the messages of each; `start`
    and `end` the receive times (ns) of the first and last message, 0 if there is none; `size` the
    bytes on disk. `notes` say what was found damaged, a line each; more come while reading.

    Raises:
        BagError: it is no bag, or nothing of it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        self.name = _name(path)
        self._files: list[McapFile | SqliteFile] = []
        with ExitStack() as stack:
            parts = bag_parts(path, self.notes)
            workspace = Path(stack.enter_context(TemporaryDirectory(prefix="vlam-bag-")))
            self._open(parts.files, workspace, stack)
            self.size = sum(file.stat().st_size for file in parts.files)
            self._describe(parts)
            self._open_files = stack.pop_all()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give files back, and delete what was decompressed."""
        self._open_files.close()

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """The messages of some topics, or of all, in order of receive time.

        However long the bag, only a few megabytes of it are in memory.
        """
        wanted = None if topics is None else frozenset(topics)
        for received, topic, data in in_order(
            MessageSource(file.start, partial(file.messages, wanted)) for file in self._files
        ):
            plain = data
            if data.startswith(ZSTD):  # compressed by itself: CDR never begins like that
                try:
                    plain = zstandard.ZstdDecompressor().decompressobj().decompress(data)
                except zstandard.ZstdError:
                    self._note(f"messages of {topic.name} cannot be decompressed and are left out")
                    continue
            yield BagMessage(topic.name, topic.type, received, plain, topic, self._definitions)

    def _open(self, paths: list[Path], workspace: Path, stack: ExitStack) -> None:
        """Open the files; one that cannot be read is left out if there are others."""
        errors: list[BagError] = []
        for path in paths:
            try:
                file = open_file(path, workspace, self.notes)
            except BagError as error:
                errors.append(error)
            except OSError as error:
                errors.append(BagError(f"{path.name} cannot be read: {error.strerror}"))
            else:
                stack.callback(file.close)
                self._files.append(file)
        if not self._files:
            raise BagError(f"{paths[0].parent}: {errors[0]}") from errors[0]
        for left_out in errors:
            self._note(f"{left_out}: it is left out")

    def _describe(self, parts: BagParts) -> None:
        filled = [file for file in self._files if file.counts]
        self.start = min((file.start for file in filled), default=0)
        self.end = max((file.end for file in filled), default=0)
        stored = [topic for file in self._files for topic in file.topics]
        self.topics: dict[str, str] = {}
        for topic in stored:
            if self.topics.setdefault(topic.name, topic.type) != topic.type:
                self._note(f"{topic.name} has messages of more than one type")
        for name, kind in parts.topics.items():
            self.topics.setdefault(name, kind)
        self.counts = dict.fromkeys(self.topics, 0)
        for file in self._files:
            for name, count in file.counts.items():
                self.counts[name] += count
            if file.cut:
                seconds = max(0.0, (file.end - self.start) / 1e9)
                self._note(
                    f"the recording is cut off after {seconds:.1f} s: {file.name} was not closed"
                )
            if file.damage:
                total = sum(file.counts.values())
                self._note(
                    f"{file.name} is damaged ({file.damage}): {total} messages of it can be found"
                )
        distros = [parts.distro, *(file.distro for file in self._files)]
        self._definitions = Definitions(stored, next(filter(None, distros), ""))
        if not filled:
            self._note("there are no messages in it")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _name(path: Path) -> str:
    name = path.resolve().name
    suffix = next((s for s in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(s)), "")
    return name.removesuffix(suffix) or name
