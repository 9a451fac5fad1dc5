"""Reads an SQLite file of a bag, and of a damaged one what can be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vlam_ros.errors import BagError
from vlam_ros.lab.bags.stored import (
    PIECE_BYTES,
    Source,
    StoredFile,
    StoredMessage,
    StoredTopic,
    in_order,
)

PIECE_ROWS = 1000
ERRORS = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged file raises; SQLite's own messages may quote damaged names."""
MAX_SKIP = 1 << 24
"""Rows behind a damaged place that are tried before the rest is given up."""


@dataclass
class Piece:
    """Rows that follow each other; receive times in ns, `topics` by their number."""

    first: int
    last: int
    start: int
    end: int
    size: int = 0
    topics: set[int] = field(default_factory=set)


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
                self._pieces = list(self._index())
            except ERRORS as error:
                raise BagError(f"{name} cannot be read as a bag: {error}") from error
            stack.pop_all()
        self.topics = list(self._topics.values())
        self.start = min((piece.start for piece in self._pieces), default=0)
        self.end = max((piece.end for piece in self._pieces), default=0)

    def messages(self, topics: Collection[str] | None) -> Iterator[StoredMessage]:
        """The messages of some topics, or of all, in order of receive time."""
        wanted = {i for i, t in self._topics.items() if topics is None or t.name in topics}
        return in_order(
            Source(piece.start, partial(self._read, piece, wanted))
            for piece in self._pieces
            if not wanted.isdisjoint(piece.topics)
        )

    def close(self) -> None:
        """Give the file back."""
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
            for kind, *definition in self._texts(
                "topic_type, encoding, encoded_message_definition", "message_definitions"
            ):
                definitions[kind] = (definition[0], definition[1])
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

    def _index(self) -> Iterator[Piece]:
        """The rows in pieces, each of about the same size; counts the messages on the way."""
        piece: Piece | None = None
        for row, number, received, size in self._all_rows():
            topic = self._topics.get(number)
            if topic is None or not isinstance(received, int) or not isinstance(size, int):
                continue
            self.counts[topic.name] = self.counts.get(topic.name, 0) + 1
            if piece is not None and (
                row != piece.last + 1 or piece.size > PIECE_BYTES or row - piece.first >= PIECE_ROWS
            ):
                yield piece
                piece = None
            if piece is None:
                piece = Piece(row, row, received, received)
            piece.last, piece.size = row, piece.size + size
            piece.start, piece.end = min(piece.start, received), max(piece.end, received)
            piece.topics.add(number)
        if piece is not None:
            yield piece

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

    def _read(self, piece: Piece, wanted: set[int]) -> Iterator[StoredMessage]:
        """The wanted messages of a piece."""
        query = (
            "SELECT timestamp, topic_id, data FROM messages WHERE rowid BETWEEN ? AND ? "
            f"AND topic_id IN ({','.join(map(str, sorted(wanted)))}) ORDER BY timestamp, rowid"
        )
        try:
            rows = self._database.execute(query, (piece.first, piece.last)).fetchall()
        except ERRORS:
            rows = []
            for row in range(piece.first, piece.last + 1):
                try:
                    rows += self._database.execute(query, (row, row)).fetchall()
                except ERRORS:
                    seconds = (piece.start - self.start) / 1e9
                    self.note(f"{self.name} is damaged: messages left out after {seconds:.1f} s")
            rows.sort(key=lambda found: found[0])
        for received, number, data in rows:
            if isinstance(data, bytes):
                yield StoredMessage(received, self._topics[number], data)
