"""Where the messages of an MCAP file are: from its summary, or found by going through the file.

A recorder that was killed leaves no summary, and its last chunk may be cut.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Channel, Chunk, Schema
from mcap.stream_reader import get_chunk_data_stream

from vlam_ros.errors import BagError
from vlam_ros.lab.bags.stored import PIECE_BYTES

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")
"""Of a record: what it is, and how many bytes follow."""
MESSAGE = struct.Struct("<HIQQ")
"""Before the data of a message: channel, sequence number, times of receiving and publishing."""
CHUNK = struct.Struct("<QQQI")
"""Before the records of a chunk: first and last receive time, size, checksum; more follows."""
INDEX = struct.Struct("<HI")
"""Of the index of one channel in a chunk: the channel, and how many bytes of entries follow."""
INDEX_ENTRY = 16
COMPRESSIONS = ("", "zstd", "lz4")
MAX_NAME = 16
"""Bytes; of the name of a compression."""
MALFORMED = (McapError, ValueError, OverflowError, struct.error)
"""What reading a record raises that makes no sense."""


class DamagedPieceError(Exception):
    """The records of a piece cannot be read, or not all of them."""


@dataclass
class Piece:
    """A chunk, or a run of records outside of chunks, from `offset`, `length` bytes.

    `start` and `end` are receive times, ns. `counts` are the messages by channel.
    """

    offset: int
    length: int
    start: int
    end: int
    chunk: bool
    counts: dict[int, int] = field(default_factory=dict)

    def count(self, channel: int, received: int) -> None:
        """Take a message of a run."""
        self.counts[channel] = self.counts.get(channel, 0) + 1
        self.start, self.end = min(self.start, received), max(self.end, received)


@dataclass
class McapIndex:
    """What is in an MCAP file and where. `whole`: it was closed properly; `lost` are the times (ns)
    of chunks that cannot be read. Of pieces whose index says which channels they hold but not how
    often, the counts are 1.
    """

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    lost: list[tuple[int, int]] = field(default_factory=list)
    whole: bool = True


def read_index(stream: BinaryIO) -> McapIndex:
    """The index of an MCAP file, by its summary if it has a good one.

    Raises:
        BagError: the chunks are compressed in an unknown way.
    """
    return _from_summary(stream) or _Search(stream).index()


def records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """What the records in `data` are, and where their contents begin and end.

    Raises:
        DamagedPieceError: the last one is not whole.
    """
    position = 0
    while position < len(data):
        begin = position + HEAD.size
        if begin > len(data):
            raise DamagedPieceError
        kind, length = HEAD.unpack_from(data, position)
        position = begin + length
        if position > len(data):
            raise DamagedPieceError
        yield kind, begin, position


def piece_records(stream: BinaryIO, piece: Piece) -> bytes:
    """The records of a piece, decompressed.

    Raises:
        DamagedPieceError: it cannot be read or does not have its checksum.
    """
    try:
        stream.seek(piece.offset)
        data = stream.read(piece.length)
        if not piece.chunk:
            return data
        ((kind, begin, end),) = records(data)
        if kind != Opcode.CHUNK:
            raise DamagedPieceError
        chunk = Chunk.read(ReadDataStream(BytesIO(data[begin:end])))
        inner, size = get_chunk_data_stream(chunk, validate_crc=True)
        if size != chunk.uncompressed_size:
            raise DamagedPieceError
        return inner.read(size)
    except (*MALFORMED, RuntimeError, MemoryError, zstandard.ZstdError) as error:
        raise DamagedPieceError from error


def _from_summary(stream: BinaryIO) -> McapIndex | None:
    """None if there is no summary, or it does not say all."""
    try:
        summary = make_reader(stream).get_summary()
    except Exception:  # whatever the damage is, the file itself is gone through then
        return None
    if summary is None or summary.statistics is None:
        return None
    counts = summary.statistics.channel_message_counts
    known = set(summary.channels) >= set(counts) and set(summary.schemas) | {0} >= {
        channel.schema_id for channel in summary.channels.values()
    }
    indexed = len(summary.chunk_indexes) == summary.statistics.chunk_count
    if not known or not indexed or sum(counts.values()) != summary.statistics.message_count:
        return None
    if not summary.chunk_indexes and summary.statistics.message_count:
        return None  # messages outside of chunks
    size = stream.seek(0, 2)
    for chunk in summary.chunk_indexes:
        if chunk.chunk_start_offset + chunk.chunk_length > size:
            return None  # damaged
        _check_compression(chunk.compression)
    return McapIndex(
        summary.schemas,
        summary.channels,
        counts,
        [
            Piece(
                chunk.chunk_start_offset,
                chunk.chunk_length,
                chunk.message_start_time,
                chunk.message_end_time,
                chunk=True,
                counts=dict.fromkeys(chunk.message_index_offsets or counts, 1),
            )
            for chunk in summary.chunk_indexes
        ],
    )


def _check_compression(name: str) -> None:
    if name not in COMPRESSIONS:
        raise BagError(
            f"chunks are compressed with {name!r}, expected zstd or lz4: convert it with ros2 bag "
            "convert"
        )


class _Search:
    """Goes through a file from record to record. Chunks are decompressed only where the index
    that follows each of them does not say what is in it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size = stream.seek(0, 2)
        self._found = McapIndex(whole=False)
        self._chunk: Piece | None = None
        self._run: Piece | None = None

    def index(self) -> McapIndex:
        """All that is in the file up to where it ends or makes no sense."""
        found, position = self._found, len(MAGIC)
        while position + HEAD.size <= self._size:
            self._stream.seek(position)
            kind, length = HEAD.unpack(self._stream.read(HEAD.size))
            end = position + HEAD.size + length
            if kind in (Opcode.DATA_END, Opcode.FOOTER):
                found.whole = end <= self._size
                break
            if kind == 0 or end > self._size:
                break
            try:
                self._take(kind, position, length)
            except MALFORMED:
                break  # a record of zeros or garbage: nothing behind it can be found
            position = end
        self._finish_chunk(indexed=found.whole)
        self._finish_run()
        for piece in found.pieces:
            for channel, count in piece.counts.items():
                found.counts[channel] = found.counts.get(channel, 0) + count
        return found

    def _take(self, kind: int, position: int, length: int) -> None:
        """A whole record; the stream stands at its contents."""
        if kind == Opcode.MESSAGE_INDEX:
            if self._chunk is not None:
                channel, size = INDEX.unpack(self._stream.read(INDEX.size))
                self._chunk.counts[channel] = size // INDEX_ENTRY
            return
        self._finish_chunk(indexed=True)
        self._stream.seek(position + HEAD.size)
        whole = HEAD.size + length
        if kind == Opcode.CHUNK:
            self._finish_run()
            start, end, _, _ = CHUNK.unpack(self._stream.read(CHUNK.size))
            (size,) = struct.unpack("<I", self._stream.read(4))
            if size > MAX_NAME:
                raise ValueError("no name of a compression is so long")
            _check_compression(self._stream.read(size).decode())
            self._chunk = Piece(position, whole, start, end, chunk=True)
        elif kind == Opcode.MESSAGE and length >= MESSAGE.size:
            channel, _, received, _ = MESSAGE.unpack(self._stream.read(MESSAGE.size))
            if self._run is not None and position - self._run.offset > PIECE_BYTES:
                self._finish_run()
            if self._run is None:
                self._run = Piece(position, 0, received, received, chunk=False)
            self._run.count(channel, received)
            self._run.length = position + whole - self._run.offset
        elif kind in (Opcode.SCHEMA, Opcode.CHANNEL):
            self._describe(kind, self._stream.read(length))

    def _describe(self, kind: int, data: bytes) -> None:
        stream = ReadDataStream(BytesIO(data))
        if kind == Opcode.SCHEMA:
            schema = Schema.read(stream)
            self._found.schemas[schema.id] = schema
        else:
            channel = Channel.read(stream)
            self._found.channels[channel.id] = channel

    def _finish_run(self) -> None:
        if self._run is not None:
            self._found.pieces.append(self._run)
        self._run = None

    def _finish_chunk(self, indexed: bool) -> None:
        """Keep the chunk, `indexed` if the index behind it may be whole."""
        chunk, self._chunk = self._chunk, None
        if chunk is None:
            return
        chunk.counts = {channel: count for channel, count in chunk.counts.items() if count}
        if not indexed or not chunk.counts or not set(chunk.counts) <= set(self._found.channels):
            try:
                self._look_into(chunk)
            except (DamagedPieceError, *MALFORMED):
                self._found.lost.append((chunk.start, chunk.end))
                return
        self._found.pieces.append(chunk)

    def _look_into(self, chunk: Piece) -> None:
        data = piece_records(self._stream, chunk)
        chunk.counts = {}
        for kind, begin, end in records(data):
            if kind in (Opcode.SCHEMA, Opcode.CHANNEL):
                self._describe(kind, data[begin:end])
            elif kind == Opcode.MESSAGE and end - begin >= MESSAGE.size:
                channel, _, _, _ = MESSAGE.unpack_from(data, begin)
                chunk.counts[channel] = chunk.counts.get(channel, 0) + 1
