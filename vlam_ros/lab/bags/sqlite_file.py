"""Reads an SQLite file of a bag, and of a damaged one what can be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import BagError
from vlam_ros.lab.bags.stored import StoredFile, StoredMessage, StoredTopic

ERRORS = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged file raises; SQLite's own messages may quote damaged names."""
MAX_SKIP = 1 << 24
"""Rows behind a damaged place that are tried before the rest is given up."""


class SqliteFile(StoredFile):
    """A .db3 file.

    Raises:
        BagError: it has no tables of a bag, or nothing of them can be read.
    """

    def __init__(self, path: Path, name: str, notes: list[str]) -> None:
        super().__init__(name, notes)
        with ExitStack() as stack:
            try:
                self._database = self._connect(path)
                stack.callback(self.close)
                self._topics = self._read_topics()
                self._index = self._find_messages()
            except ERRORS as error:
                raise BagError(f"{name} cannot be read as a bag: {error}") from error
            stack.pop_all()
        self.topics = list(self._topics.values())
        if len(self._index):
            self.start, self.end = (int(self._index["received"][i]) for i in (0, -1))

    def messages(self, topics: Collection[str] | None) -> Iterator[StoredMessage]:
        """The messages of some topics, or of all, in order of receive time."""
        wanted = [i for i, t in self._topics.items() if topics is None or t.name in topics]
        lost = False
        query = "SELECT data FROM messages WHERE rowid = ?"
        for found in self._index[np.isin(self._index["topic"], wanted)]:
            received, row, number = found.item()
            try:
                data = self._database.execute(query, (row,)).fetchall()
            except ERRORS:
                data = []
            if not data and not lost:
                seconds = (received - self.start) / 1e9
                self.note(f"{self.name} is damaged: messages left out after {seconds:.1f} s")
            lost = lost or not data
            if data and isinstance(data[0][0], bytes):
                yield StoredMessage(received, self._topics[number], data[0][0])

    def close(self) -> None:
        self._database.close()

    def _connect(self, path: Path) -> sqlite3.Connection:
        """Nothing is written beside the bag, unless a recorder that was killed left a log of its
        last messages there, which SQLite needs to work on.
        """
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            try:
                return self._open(path, "mode=ro")
            except sqlite3.OperationalError:  # nothing can be written there
                self.note(f"{log.name} cannot be read: what was recorded last is left out")
        return self._open(path, "mode=ro&immutable=1")

    def _open(self, path: Path, mode: str) -> sqlite3.Connection:
        database = sqlite3.connect(
            f"{path.resolve().as_uri()}?{mode}", uri=True, check_same_thread=False
        )
        database.text_factory = partial(str, encoding="utf-8", errors="replace")
        try:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            database.close()
            raise
        except ERRORS as error:
            self.damage = str(error)
            # else a file that is shorter than its header says is not read at all
            database.execute("PRAGMA writable_schema = ON")
        return database

    def _read_topics(self) -> dict[int, StoredTopic]:
        tables = {row[0] for row in self._texts("name", "sqlite_master")}
        if not tables >= {"topics", "messages"}:
            raise BagError(f"{self.name} is an SQLite file but no bag: it has no tables of a bag")
        definitions: dict[str, tuple[str, str]] = {}
        if "message_definitions" in tables:
            columns = "topic_type, encoding, encoded_message_definition"
            for kind, language, text in self._texts(columns, "message_definitions"):
                definitions[kind] = language, text
        if "schema" in tables:
            self.distro = next((row[0] for row in self._texts("ros_distro", "schema")), "")
        topics = self._texts("name, type, serialization_format", "topics")
        numbers = self._database.execute("SELECT id FROM topics ORDER BY rowid").fetchall()
        return {
            number: StoredTopic.of(topic, kind, encoding, *definitions.get(kind, ("", "")))
            for (number,), (topic, kind, encoding) in zip(numbers, topics, strict=True)
        }

    def _texts(self, columns: str, table: str) -> list[tuple[str, ...]]:
        rows = self._database.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()
        return [tuple(v if isinstance(v, str) else "" for v in row) for row in rows]

    def _find_messages(self) -> npt.NDArray[Any]:
        """All messages that can be found, in order of receive time; counts them on the way."""

        def rows() -> Iterator[tuple[int, int, int]]:
            for row, number, received, size in self._all_rows():
                topic = self._topics.get(number)
                if topic is not None and isinstance(received, int) and isinstance(size, int):
                    self.counts[topic.name] = self.counts.get(topic.name, 0) + 1
                    yield received, row, number

        found = np.fromiter(rows(), [(name, np.int64) for name in ("received", "row", "topic")])
        return found[np.argsort(found["received"], kind="stable")]

    def _all_rows(self) -> Iterator[tuple[int, Any, Any, Any]]:
        """Row, topic, time and size of all messages; damaged places are skipped."""
        last, skip = -1, 0
        while skip <= MAX_SKIP:
            try:
                for found in self._database.execute(
                    "SELECT rowid, topic_id, timestamp, length(data) FROM messages "
                    "WHERE rowid > ? ORDER BY rowid",
                    (last + skip,),
                ):
                    if found[0] <= last:
                        raise sqlite3.DatabaseError("its rows are out of order")
                    last, skip = found[0], 0
                    yield found
                return
            except ERRORS as error:
                self.damage = self.damage or str(error)
                skip = max(1, 2 * skip)
