"""Small bags for tests, written by other libraries than the package reads them with."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as PlainMcapWriter
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

START = 1_700_000_000_000_000_000
STEP = 10_000_000
JAZZY = get_typestore(Stores.ROS2_JAZZY)
TEXT, BYTES = "std_msgs/msg/String", "std_msgs/msg/ByteMultiArray"


class Recorded(NamedTuple):
    """A message of a bag."""

    topic: str
    kind: str
    received: int
    data: bytes


def cdr(kind: str, *values: Any) -> bytes:
    """A message of a type with these fields, serialised."""
    return bytes(JAZZY.serialize_cdr(JAZZY.types[kind](*values), kind))


def texts(count: int, length: int = 0, topic: str = "/text", first: int = 0) -> list[Recorded]:
    """Messages "0", "1", … every 10 ms, filled up with letters that do not compress."""
    letters = np.random.default_rng(first).integers(97, 123, (count, length), dtype=np.uint8)
    return [
        Recorded(
            topic,
            TEXT,
            START + (first + i) * STEP,
            cdr(TEXT, f"{first + i} {bytes(letters[i]).decode()}".strip()),
        )
        for i in range(count)
    ]


def numbers(messages: Sequence[Any]) -> list[int]:
    """What `texts` counted, of messages that were read."""
    return [int(message.read().data.split()[0]) for message in messages]


def rosbag2(
    path: Path,
    messages: Sequence[Recorded],
    storage: str = "mcap",
    compression: str = "none",
) -> Path:
    """A bag of Jazzy, compressed by "file", "message" or "storage" (chunks of MCAP), or not."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    with writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=JAZZY)
            for topic, kind in {m.topic: m.kind for m in messages}.items()
        }
        for message in messages:
            writer.write(connections[message.topic], message.received, message.data)
    return path


def mcap(path: Path, messages: Sequence[Recorded], chunk: int = 1000, **options: Any) -> Path:
    """A single MCAP file with small chunks, by the writer of the format's authors."""
    writer = PlainMcapWriter(str(path), chunk_size=chunk, **options)
    writer.start(profile="ros2", library="made for a test")
    channels = {}
    for topic, kind in {m.topic: m.kind for m in messages}.items():
        text = JAZZY.generate_msgdef(kind, ros_version=2)[0] if kind in JAZZY.fielddefs else ""
        schema = writer.register_schema(kind, "ros2msg" if text else "", text.encode())
        channels[topic] = writer.register_channel(topic, "cdr", schema)
    for message in messages:
        writer.add_message(
            channels[message.topic], message.received, message.data, message.received
        )
    writer.finish()
    return path


MCAP_OPTIONS: dict[str, dict[str, Any]] = {
    "zstd": {"compression": CompressionType.ZSTD},
    "lz4": {"compression": CompressionType.LZ4},
    "uncompressed": {"compression": CompressionType.NONE},
    "without chunks": {"use_chunking": False},
    "without an index": {"index_types": IndexType.NONE},
    "without statistics": {"use_statistics": False},
    "without a summary": {
        "index_types": IndexType.NONE,
        "repeat_channels": False,
        "repeat_schemas": False,
        "use_statistics": False,
        "use_summary_offsets": False,
    },
    "without channels in the summary": {"repeat_channels": False, "repeat_schemas": False},
    "without checksums": {"enable_crcs": False},
}
"""What else MCAP files may look like."""


def humble(path: Path, messages: Sequence[Recorded], distro: str = "") -> Path:
    """A folder as Humble wrote it: SQLite without definitions of messages."""
    path.mkdir()
    name = f"{path.name}_0.db3"
    sqlite(path / name, messages)
    kinds = {m.topic: m.kind for m in messages}
    topics = "".join(
        f"    - topic_metadata: {{name: {topic}, type: {kind}, serialization_format: cdr, "
        "offered_qos_profiles: ''}\n"
        f"      message_count: {sum(m.topic == topic for m in messages)}\n"
        for topic, kind in kinds.items()
    )
    (path / "metadata.yaml").write_text(
        "rosbag2_bagfile_information:\n  version: 5\n  storage_identifier: sqlite3\n"
        f"  relative_file_paths: [{path.name}/{name}]\n  topics_with_message_count:\n{topics}"
        f"  compression_format: ''\n  compression_mode: ''\n  ros_distro: '{distro}'\n"
    )
    return path


def sqlite(path: Path, messages: Sequence[Recorded]) -> Path:
    """A single file as Humble wrote it."""
    database = sqlite3.connect(path)
    database.executescript(
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, "
        "serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);"
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, "
        "timestamp INTEGER NOT NULL, data BLOB NOT NULL);"
        "CREATE INDEX timestamp_idx ON messages (timestamp ASC);"
    )
    topics = {topic: i for i, topic in enumerate({m.topic: 0 for m in messages}, start=1)}
    kinds = {m.topic: m.kind for m in messages}
    for topic, number in topics.items():
        database.execute(
            "INSERT INTO topics VALUES(?, ?, ?, 'cdr', '')", (number, topic, kinds[topic])
        )
    for message in messages:
        database.execute(
            "INSERT INTO messages(topic_id, timestamp, data) VALUES(?, ?, ?)",
            (topics[message.topic], message.received, message.data),
        )
    database.commit()
    database.close()
    return path
