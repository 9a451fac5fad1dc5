"""Reads an MCAP file of a bag: chunk by chunk, past damaged ones, also one that was cut off.

The library `mcap` reads the summary and decompresses chunks. Where there is no good summary, as
after a recorder that was killed, the file is gone through from record to record.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile, McapError
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Channel, Chunk, Schema
from mcap.stream_reader import get_chunk_data_stream

from vlam_ros.errors import BagError
from vlam_ros.lab.bags.stored import MessageSource, StoredFile, StoredMessage, StoredTopic, in_order

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")
"""Of a record: what it is, and how many bytes follow."""
MESSAGE = struct.Struct("<HIQQ")
"""Before the data of a message: channel, sequence number, times of receiving and publishing."""
RUN_BYTES = 1 << 20
"""Messages that no chunk holds together are read in pieces of about that size."""
MALFORMED = (
    McapError, ValueError, OverflowError, struct.error, RuntimeError, MemoryError,
    zstandard.ZstdError,
)  # fmt: skip
"""What reading something raises that makes no sense."""
LANGUAGES = {"ros2msg": "ros2msg", "ros2idl": "ros2idl", "omgidl": "ros2idl"}


@dataclass
class _Piece:
    """A chunk, or a run of records outside of chunks, of `length` bytes; receive times in ns."""

    offset: int
    length: int
    start: int
    end: int
    is_chunk: bool = True
    channels: set[int] = field(default_factory=set)


class McapFile(StoredFile):
    """An MCAP file with messages of ROS 2; other messages in it are passed by.

    Raises:
        BagError: its chunks are compressed in an unknown way.
    """

    def __init__(self, path: Path, name: str, notes: list[str]) -> None:
        super().__init__(name, notes)
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._counts: dict[int, int] = {}
        self._pieces: list[_Piece] = []
        lost: list[_Piece] = []
        self._stream = path.open("rb")
        try:
            if not self._read_summary():
                self._search(lost)
        except BaseException:
            self.close()
            raise
        self._topics = {i: self._topic(channel) for i, channel in self._channels.items()}
        self.topics = list(self._topics.values())
        for i, count in self._counts.items():
            if i in self._topics:
                topic = self._topics[i].name
                self.counts[topic] = self.counts.get(topic, 0) + count
        if self.counts:
            pieces = [piece for piece in self._pieces if piece.start <= piece.end]
            self.start = min((piece.start for piece in pieces), default=0)
            self.end = max((piece.end for piece in pieces), default=0)
        self._tell_of_loss(lost)

    def messages(self, topics: Collection[str] | None) -> Iterator[StoredMessage]:
        """The messages of some topics, or of all, in order of receive time."""
        wanted = {i: t for i, t in self._topics.items() if topics is None or t.name in topics}
        lost: list[_Piece] = []
        try:
            yield from in_order(
                MessageSource(piece.start, partial(self._read, piece, wanted, lost))
                for piece in self._pieces
                if not wanted.keys().isdisjoint(piece.channels)
            )
        finally:
            self._tell_of_loss(lost)

    def close(self) -> None:
        self._stream.close()

    def _read_summary(self) -> bool:
        """Whether there is a summary that says all."""
        try:
            summary = make_reader(self._stream).get_summary()
        except Exception:  # whatever the damage is, the file itself is gone through then
            return False
        if summary is None or summary.statistics is None:
            return False
        total, chunks = summary.statistics, summary.chunk_indexes
        counts, size = total.channel_message_counts, self._stream.seek(0, 2)
        if (
            not summary.channels.keys() >= counts.keys()
            or not summary.schemas.keys() | {0} >= {c.schema_id for c in summary.channels.values()}
            or len(chunks) != total.chunk_count
            or sum(counts.values()) != total.message_count
            or (total.message_count and not chunks)  # they are outside of chunks
            or any(chunk.chunk_start_offset + chunk.chunk_length > size for chunk in chunks)
        ):
            return False
        self._schemas, self._channels, self._counts = summary.schemas, summary.channels, counts
        for c in chunks:
            _check_compression(c.compression)
            times, found = (c.message_start_time, c.message_end_time), c.message_index_offsets
            piece = _Piece(c.chunk_start_offset, c.chunk_length, *times)
            piece.channels = set(found or counts)
            self._pieces.append(piece)
        return True

    def _search(self, lost: list[_Piece]) -> None:
        """Go through the file up to where it ends or makes no sense; `lost` takes what chunks
        cannot be read.
        """
        self.cut, position, size = True, len(MAGIC), self._stream.seek(0, 2)
        while position + HEAD.size <= size:
            self._stream.seek(position)
            kind, length = HEAD.unpack(self._stream.read(HEAD.size))
            piece = _Piece(position, HEAD.size + length, 0, 0, kind == Opcode.CHUNK)
            position += piece.length
            if not kind or position > size:
                return
            if kind in (Opcode.DATA_END, Opcode.FOOTER):
                self.cut = False
                return
            try:
                if piece.is_chunk:
                    self._take_chunk(piece, lost)
                elif kind in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE):
                    self._take(piece, [(kind, memoryview(self._stream.read(length)))])
            except MALFORMED:
                return  # a record of zeros or garbage: nothing behind it can be found

    def _take_chunk(self, piece: _Piece, lost: list[_Piece]) -> None:
        chunk = Chunk.read(ReadDataStream(BytesIO(self._stream.read(piece.length - HEAD.size))))
        piece.start, piece.end = chunk.message_start_time, chunk.message_end_time
        _check_compression(chunk.compression)
        try:
            self._take(piece, self._records(piece))
        except MALFORMED:
            lost.append(piece)

    def _take(self, piece: _Piece, records: Iterable[tuple[int, memoryview]]) -> None:
        """Keep what the records describe, and a piece in which there are messages."""
        counts: dict[int, int] = {}
        for kind, data in records:
            if kind == Opcode.SCHEMA:
                schema = Schema.read(ReadDataStream(BytesIO(data)))
                self._schemas[schema.id] = schema
            elif kind == Opcode.CHANNEL:
                channel = Channel.read(ReadDataStream(BytesIO(data)))
                self._channels[channel.id] = channel
            elif kind == Opcode.MESSAGE and len(data) >= MESSAGE.size:
                number, _, received, _ = MESSAGE.unpack_from(data)
                counts[number] = counts.get(number, 0) + 1
                if not piece.is_chunk:
                    piece.start = piece.end = received
        if not counts:
            return
        for number, count in counts.items():
            self._counts[number] = self._counts.get(number, 0) + count
        piece.channels = set(counts)
        run = self._pieces[-1] if self._pieces else piece
        if piece.is_chunk or run.is_chunk or run is piece or run.length > RUN_BYTES:
            self._pieces.append(piece)
            return
        run.length = piece.offset + piece.length - run.offset
        run.start, run.end = min(run.start, piece.start), max(run.end, piece.end)
        run.channels |= piece.channels

    def _records(self, piece: _Piece) -> Iterator[tuple[int, memoryview]]:
        """What the records of a piece are, and their contents.

        Raises:
            one of MALFORMED: it cannot be read, or not all of it.
        """
        self._stream.seek(piece.offset)
        data = self._stream.read(piece.length)
        if piece.is_chunk:
            if data[0] != Opcode.CHUNK:
                raise ValueError("there is no chunk")
            chunk = Chunk.read(ReadDataStream(BytesIO(data[HEAD.size :])))
            stream, size = get_chunk_data_stream(chunk, validate_crc=True)
            if size != chunk.uncompressed_size:
                raise EndOfFile
            data = stream.read(size)
        records, position = memoryview(data), 0
        while position < len(data):
            kind, length = HEAD.unpack_from(data, position)
            begin, position = position + HEAD.size, position + HEAD.size + length
            if position > len(data):
                raise EndOfFile
            yield kind, records[begin:position]

    def _read(
        self, piece: _Piece, wanted: dict[int, StoredTopic], lost: list[_Piece]
    ) -> Iterator[StoredMessage]:
        """The messages of one piece, as far as it can be read."""
        found: list[StoredMessage] = []
        try:
            for kind, data in self._records(piece):
                if kind == Opcode.MESSAGE and len(data) >= MESSAGE.size:
                    number, _, received, _ = MESSAGE.unpack_from(data)
                    if number in wanted:
                        content = bytes(data[MESSAGE.size :])
                        found.append(StoredMessage(received, wanted[number], content))
        except MALFORMED:
            lost.append(piece)
        found.sort(key=lambda message: message.received)
        return iter(found)

    def _topic(self, channel: Channel) -> StoredTopic:
        schema = self._schemas.get(channel.schema_id)
        kind, language, text = "", "", ""
        if schema is not None:
            kind, language = schema.name, LANGUAGES.get(schema.encoding, "")
            text = schema.data.decode(errors="replace") if language else ""
        return StoredTopic.of(channel.topic, kind, channel.message_encoding, language, text)

    def _tell_of_loss(self, lost: list[_Piece]) -> None:
        if lost:
            first = max(0.0, (min(piece.start for piece in lost) - self.start) / 1e9)
            chunks = "1 chunk" if len(lost) == 1 else f"{len(lost)} chunks"
            self.note(f"{self.name} is damaged: {chunks} left out, the first after {first:.1f} s")


def _check_compression(name: str) -> None:
    if name not in ("", "zstd", "lz4"):
        raise BagError(
            f"chunks are compressed with {name!r}, expected zstd or lz4: convert it with ros2 bag "
            "convert"
        )
