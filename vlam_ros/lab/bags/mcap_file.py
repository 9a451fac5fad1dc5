"""Reads an MCAP file of a bag: chunk by chunk, past damaged ones, also one that was cut off."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

from mcap.opcode import Opcode
from mcap.records import Channel

from vlam_ros.lab.bags.mcap_index import (
    MESSAGE,
    DamagedPieceError,
    Piece,
    piece_records,
    read_index,
    records,
)
from vlam_ros.lab.bags.stored import Source, StoredFile, StoredMessage, StoredTopic, in_order

LANGUAGES = {"ros2msg": "ros2msg", "ros2idl": "ros2idl", "omgidl": "ros2idl"}


class McapFile(StoredFile):
    """An MCAP file with messages of ROS 2; other messages in it are passed by."""

    def __init__(self, path: Path, name: str, notes: list[str]) -> None:
        super().__init__(name, notes)
        self._stream = path.open("rb")
        try:
            self._index = read_index(self._stream)
        except BaseException:
            self._stream.close()
            raise
        self.cut = not self._index.whole
        self._topics = {i: self._topic(c) for i, c in self._index.channels.items()}
        self.topics = list(self._topics.values())
        for i, count in self._index.counts.items():
            if i in self._topics:
                topic = self._topics[i].name
                self.counts[topic] = self.counts.get(topic, 0) + count
        pieces = [piece for piece in self._index.pieces if piece.start <= piece.end]
        self.start = min((piece.start for piece in pieces), default=0)
        self.end = max((piece.end for piece in pieces), default=0)
        self._tell_of_loss(self._index.lost)

    def messages(self, topics: Collection[str] | None) -> Iterator[StoredMessage]:
        """The messages of some topics, or of all, in order of receive time."""
        wanted = {i: t for i, t in self._topics.items() if topics is None or t.name in topics}
        lost: list[tuple[int, int]] = []
        try:
            yield from in_order(
                Source(piece.start, partial(self._read, piece, wanted, lost))
                for piece in self._index.pieces
                if not wanted.keys().isdisjoint(piece.counts)
            )
        finally:
            self._tell_of_loss(lost)

    def close(self) -> None:
        """Give the file back."""
        self._stream.close()

    def _topic(self, channel: Channel) -> StoredTopic:
        schema = self._index.schemas.get(channel.schema_id)
        kind, language, text = "", "", ""
        if schema is not None:
            kind, language = schema.name, LANGUAGES.get(schema.encoding, "")
            text = schema.data.decode(errors="replace") if language else ""
        return StoredTopic.of(channel.topic, kind, channel.message_encoding, language, text)

    def _read(
        self, piece: Piece, wanted: dict[int, StoredTopic], lost: list[tuple[int, int]]
    ) -> Iterator[StoredMessage]:
        """The messages of one piece, as far as it can be read."""
        found: list[StoredMessage] = []
        try:
            data = piece_records(self._stream, piece)
            for kind, begin, end in records(data):
                if kind == Opcode.MESSAGE and end - begin >= MESSAGE.size:
                    channel, _, received, _ = MESSAGE.unpack_from(data, begin)
                    if channel in wanted:
                        content = data[begin + MESSAGE.size : end]
                        found.append(StoredMessage(received, wanted[channel], content))
        except DamagedPieceError:
            lost.append((piece.start, piece.end))
        found.sort(key=lambda message: message.received)
        return iter(found)

    def _tell_of_loss(self, lost: list[tuple[int, int]]) -> None:
        """One line for all chunks that cannot be read."""
        if lost:
            first = max(0.0, (min(start for start, _ in lost) - self.start) / 1e9)
            chunks = "1 chunk" if len(lost) == 1 else f"{len(lost)} chunks"
            self.note(f"{self.name} is damaged: {chunks} left out, the first after {first:.1f} s")
