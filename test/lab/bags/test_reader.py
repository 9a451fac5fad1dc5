from __future__ import annotations

import shutil
import sqlite3
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from made_bags import (
    BYTES,
    JAZZY,
    MCAP_OPTIONS,
    START,
    STEP,
    TEXT,
    Recorded,
    cdr,
    humble,
    mcap,
    numbers,
    rosbag2,
    sqlite,
    texts,
)
from mcap.writer import Writer as PlainMcapWriter
from mcap_ros2.writer import Writer as ForeignWriter
from rclpy.serialization import serialize_message

from vlam_ros.errors import BagError
from vlam_ros.lab.bags import BagReader, BagWriter
from vlam_ros.msg import (
    ActionChunk,
    ActionCommand,
    ActionDimension,
    ActionSpace,
    ActionToken,
)

MIXED = sorted(texts(40) + texts(20, topic="/other", first=7), key=lambda m: m.received)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        ("mcap", "none"), ("mcap", "file"), ("mcap", "message"), ("mcap", "storage"),
        ("sqlite3", "none"), ("sqlite3", "file"), ("sqlite3", "message"),
    ],
)  # fmt: skip
def test_bags_are_read_in_every_storage_and_compression(
    tmp_path: Path, temporary: Path, storage: str, compression: str
) -> None:
    path = rosbag2(tmp_path / "drive", MIXED, storage, compression)
    with BagReader(path) as bag:
        assert bag.name == "drive"
        assert bag.topics == {"/text": TEXT, "/other": TEXT}
        assert bag.counts == {"/text": 40, "/other": 20}
        assert (bag.start, bag.end) == (START, START + 39 * STEP)
        assert bag.size == sum(p.stat().st_size for p in path.iterdir() if p.suffix != ".yaml")
        found = [(m.topic, m.type, m.received, m.data) for m in bag.messages()]
        assert found == [tuple(message) for message in MIXED]
        assert numbers(list(bag.messages({"/other", "/nobody"}))) == list(range(7, 27))
        assert list(bag.messages([])) == []
        assert bag.notes == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("options", MCAP_OPTIONS.values(), ids=MCAP_OPTIONS)
def test_mcap_files_are_read_whatever_they_leave_out(
    tmp_path: Path, options: dict[str, object]
) -> None:
    with BagReader(mcap(tmp_path / "drive.mcap", MIXED, **options)) as bag:
        assert bag.name == "drive"
        assert bag.counts == {"/text": 40, "/other": 20}
        assert (bag.start, bag.end) == (START, START + 39 * STEP)
        assert [m.data for m in bag.messages()] == [m.data for m in MIXED]
        assert numbers(list(bag.messages(["/text"]))) == list(range(40))
        assert bag.notes == []


@pytest.mark.parametrize("chunked", [True, False])
def test_messages_that_were_written_late_come_in_their_order(tmp_path: Path, chunked: bool) -> None:
    late = texts(300, length=50)
    for i in range(0, 300, 3):
        late[i], late[i + 2] = late[i + 2], late[i]
    late = late[150:] + late[:150]
    for path in (
        mcap(tmp_path / "late.mcap", late, use_chunking=chunked),
        sqlite(tmp_path / "late.db3", late),
    ):
        with BagReader(path) as bag:
            assert numbers(list(bag.messages())) == list(range(300))
        path.unlink()


def test_messages_at_the_same_time_come_as_they_were_written(tmp_path: Path) -> None:
    same = [m._replace(received=START) for m in texts(50)]
    for path in (mcap(tmp_path / "a.mcap", same, chunk=100), sqlite(tmp_path / "a.db3", same)):
        with BagReader(path) as bag:
            assert numbers(list(bag.messages())) == list(range(50))


def test_files_of_a_split_bag_are_merged_by_time(tmp_path: Path) -> None:
    path = rosbag2(tmp_path / "drive", texts(60), "mcap", "storage")
    (path / "drive.mcap").unlink()
    for part in range(3):  # each overlaps the next by 5 messages
        messages = texts(60)[20 * part : 20 * part + 25]
        mcap(path / f"drive_{part}.mcap", messages[::2] if part % 2 else messages)
    metadata = (path / "metadata.yaml").read_text()
    names = "\n  - ".join(f"drive_{part}.mcap" for part in (2, 0, 1))
    (path / "metadata.yaml").write_text(
        metadata.replace("paths:\n  - drive.mcap", f"paths:\n  - {names}")
    )
    with BagReader(path) as bag:
        received = [m.received for m in bag.messages()]
        assert received == sorted(received)
        assert bag.counts == {"/text": 58}
        assert len(received) == 58
        assert bag.notes == []


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_folder_without_metadata_is_read_and_noted(tmp_path: Path, storage: str) -> None:
    path = rosbag2(tmp_path / "drive", MIXED, storage, "message")
    (path / "metadata.yaml").unlink()
    with BagReader(path) as bag:
        assert bag.notes == ["there is no metadata.yaml: the files are read without it"]
        assert [m.data for m in bag.messages()] == [m.data for m in MIXED]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compression", ["none", "file"])
def test_a_file_without_its_folder_is_a_bag(tmp_path: Path, storage: str, compression: str) -> None:
    (file,) = (
        p for p in rosbag2(tmp_path / "drive", MIXED, storage, compression).iterdir()
        if p.suffix != ".yaml"
    )  # fmt: skip
    with BagReader(shutil.move(file, tmp_path / file.name)) as bag:
        assert bag.name == "drive"
        assert len(list(bag.messages())) == 60
        assert bag.notes == []


def test_a_file_that_was_decompressed_by_hand_is_found(tmp_path: Path) -> None:
    path = rosbag2(tmp_path / "drive", MIXED, "sqlite3", "file")
    (path / "drive.db3.zstd").unlink()
    shutil.copy(rosbag2(tmp_path / "plain", MIXED, "sqlite3") / "plain.db3", path / "drive.db3")
    with BagReader(path) as bag:
        assert len(list(bag.messages())) == 60


def test_bags_without_definitions_are_read_with_those_of_their_distribution(tmp_path: Path) -> None:
    event = "service_msgs/msg/ServiceEventInfo"  # not in Humble
    time = JAZZY.types["builtin_interfaces/msg/Time"](5, 6)
    data = cdr(event, 3, time, np.zeros(16, np.uint8), 7)
    messages = [*texts(3), Recorded("/event", event, START, data)]
    with BagReader(humble(tmp_path / "jazzy", messages, "jazzy")) as bag:
        assert numbers(list(bag.messages(["/text"]))) == [0, 1, 2]
        (read,) = [m.read() for m in bag.messages(["/event"])]
        assert (read.stamp.nanosec, read.sequence_number) == (6, 7)
    with BagReader(humble(tmp_path / "old", messages)) as bag:
        assert numbers(list(bag.messages(["/text"]))) == [0, 1, 2]
        (message,) = bag.messages(["/event"])
        with pytest.raises(BagError, match=rf"^a message of /event \({event}\) .*neither the bag"):
            message.read()


def test_the_definition_in_the_bag_counts(tmp_path: Path) -> None:
    path = tmp_path / "own.mcap"
    with path.open("wb") as stream, ForeignWriter(stream) as writer:
        schema = writer.register_msgdef("std_msgs/msg/String", "string data\nint32 extra")
        writer.write_message("/text", schema, {"data": "0", "extra": 9}, log_time=START)
        old = writer.register_msgdef(
            "my_msgs/Thing",
            "std_msgs/Header head\nfloat64[] values\n" + "=" * 80 + "\nMSG: std_msgs/Header\n"
            "builtin_interfaces/Time stamp\nstring frame_id\n" + "=" * 80 + "\n"
            "MSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec",
        )
        stamp = {"sec": 1, "nanosec": 2}
        thing = {"head": {"stamp": stamp, "frame_id": "map"}, "values": [1.5, 2.5]}
        writer.write_message("/thing", old, thing, log_time=START + 1)
    with BagReader(path) as bag:
        assert bag.topics["/thing"] == "my_msgs/msg/Thing"
        text, read = (m.read() for m in bag.messages())
        assert (text.data, text.extra) == ("0", 9)
        assert (read.head.stamp.nanosec, read.head.frame_id) == (2, "map")
        assert read.values.tolist() == [1.5, 2.5]


@pytest.mark.parametrize("definitions", [True, False])
def test_an_action_chunk_of_rclpy_is_read_back(tmp_path: Path, definitions: bool) -> None:
    """With and without its definition in the bag: this package knows its own."""
    chunk = ActionChunk(
        space=ActionSpace(
            commands=[ActionCommand(name="stop"), ActionCommand(name="pick", timed=True)],
            dimensions=[ActionDimension(name="x", unit="m", low=-1.0, high=1.0, bins=255)],
        ),
        tokens=[ActionToken(cmd=1, bins=[2, 3]), ActionToken()],
        instruction="hol den Würfel",
        epoch=2**63,
        outcome=ActionChunk.EXECUTE,
        confidence=0.25,
    )
    chunk.header.stamp.sec, chunk.header.frame_id = 7, "base_link"
    data = serialize_message(chunk)
    kind = "vlam_ros/msg/ActionChunk"
    if definitions:
        path = tmp_path / "drive"
        with BagWriter(path) as writer:
            writer.add("/action_chunk", kind)
            writer.write("/action_chunk", START, data)
    else:
        path = humble(tmp_path / "drive", [Recorded("/action_chunk", kind, START, data)])
    with BagReader(path) as bag:
        (message,) = bag.messages()
        read = message.read()
    assert message.data == data
    assert (read.header.stamp.sec, read.header.frame_id) == (7, "base_link")
    assert [(t.cmd, *t.bins) for t in read.tokens] == [(1, 2, 3), (0,)]
    assert [(c.name, c.timed) for c in read.space.commands] == [("stop", False), ("pick", True)]
    (x,) = read.space.dimensions
    assert (x.name, x.unit, x.low, x.high, x.bins) == ("x", "m", -1.0, 1.0, 255)
    assert (read.instruction, read.epoch) == ("hol den Würfel", 2**63)
    assert (read.outcome, read.EXECUTE, read.confidence) == (1, 1, 0.25)


def test_topics_that_nobody_understands_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "mixed.mcap"
    writer = PlainMcapWriter(str(path))
    writer.start(profile="", library="")
    for i, (topic, encoding, kind, language, definition) in enumerate(
        (
            ("/json", "json", "Thing", "jsonschema", "{}"),
            ("/proto", "protobuf", "a.Thing", "protobuf", "\0\1"),
            ("/broken", "cdr", "my_msgs/msg/Broken", "ros2msg", "this is no definition ]["),
            ("/unknown", "cdr", "my_msgs/msg/Unknown", "", ""),
            ("/text", "cdr", "std_msgs/msg/String", "ros2msg", "string data"),
        )
    ):
        schema = writer.register_schema(kind, language, definition.encode())
        writer.add_message(
            writer.register_channel(topic, encoding, schema), START + i, texts(1)[0].data, START
        )
    writer.add_message(writer.register_channel("/none", "", 0), START + 9, b"", START)
    writer.finish()
    with BagReader(path) as bag:
        *others, text, bare = bag.messages()
        assert text.read().data == "0"
        for message, reason in zip(
            [*others, bare],
            ("serialised as 'json'", "serialised as 'protobuf'", "definition", "neither", "as ''"),
            strict=True,
        ):
            with pytest.raises(BagError, match=reason) as caught:
                message.read()
            assert str(caught.value).startswith(f"a message of {message.topic} (")
            assert message.type in str(caught.value)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("\n", "\r"), ("", "\ufeff")])
@pytest.mark.parametrize("language", ["ros2msg", "ros2idl"])
def test_definitions_are_read_whatever_their_lines_end_with(
    tmp_path: Path, language: str, change: tuple[str, str]
) -> None:
    kind, rule = "my_msgs/msg/Thing", "=" * 80 + "\n"
    definition = f"# of ours\nstd_msgs/String text\n{rule}MSG: std_msgs/String\nstring data\n"
    if language == "ros2idl":
        definition = (
            f'{rule}IDL: {kind}\n#include "std_msgs/msg/String.idl"\nmodule my_msgs {{ module msg '
            f"{{\nstruct Thing {{\nstd_msgs::msg::String text;\n}}; }}; }};\n{rule}"
            "IDL: std_msgs/msg/String\nmodule std_msgs { module msg {\n"
            "struct String {\nstring data;\n}; }; };\n"
        )
    definition = definition.replace(*change) if change[0] else change[1] + definition
    writer = PlainMcapWriter(str(tmp_path / "drive.mcap"))
    writer.start(profile="ros2", library="")
    schema = writer.register_schema(kind, language, definition.encode())
    channel = writer.register_channel("/thing", "cdr", schema)
    writer.add_message(channel, START, texts(1)[0].data, START)
    writer.finish()
    with BagReader(tmp_path / "drive.mcap") as bag:
        (message,) = bag.messages()
        assert message.read().text.data == "0"


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("ros1", "its messages are of ROS 1: convert the .bag that it was made of with "
         "rosbags-convert"),
        ("json", "messages are serialised as json, expected cdr"),
    ],
)  # fmt: skip
def test_a_file_of_other_messages_says_of_which(
    tmp_path: Path, encoding: str, message: str
) -> None:
    writer = PlainMcapWriter(str(tmp_path / "drive.mcap"))
    writer.start(profile=encoding, library="")
    schema = writer.register_schema("sensor_msgs/Image", f"{encoding}msg", b"uint32 height")
    writer.add_message(writer.register_channel("/image", encoding, schema), START, b"x", START)
    writer.finish()
    with pytest.raises(BagError) as caught:
        BagReader(tmp_path / "drive.mcap")
    assert str(caught.value) == f"{tmp_path}: drive.mcap: {message}"


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\1", b"\0\1\0\0\xff\xff\xff\xff", b"\0\1\0\0\4\0\0\0\xff\xff\xff\0", b"\7" * 40],
)
def test_a_damaged_message_is_an_error_only_when_it_is_read(tmp_path: Path, data: bytes) -> None:
    messages = [*texts(2), Recorded("/text", TEXT, START + 2 * STEP, data)]
    with BagReader(mcap(tmp_path / "a.mcap", messages)) as bag:
        first, second, damaged = bag.messages()
        assert numbers([first, second]) == [0, 1]
        with pytest.raises(BagError, match=r"^a message of /text \(std_msgs/msg/String\) cannot"):
            damaged.read()


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_long_bag_needs_little_memory(tmp_path: Path, storage: str) -> None:
    layout = JAZZY.types["std_msgs/msg/MultiArrayLayout"]([], 0)
    large = cdr(BYTES, layout, np.zeros(400_000, np.uint8))
    messages = [Recorded("/large", BYTES, START + i * STEP, large) for i in range(150)]  # 60 MB
    path = rosbag2(tmp_path / "long", messages, storage)
    del messages
    tracemalloc.start()
    with BagReader(path) as bag:
        assert sum(len(message.data) for message in bag.messages()) > 60_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 9_000_000


def test_a_log_that_a_killed_recorder_left_is_read(tmp_path: Path) -> None:
    original = sqlite(tmp_path / "original.db3", texts(10))
    recorder = sqlite3.connect(original)
    recorder.execute("PRAGMA journal_mode = WAL")
    late = texts(5, first=10)
    recorder.executemany(
        "INSERT INTO messages(topic_id, timestamp, data) VALUES(1, ?, ?)",
        [(m.received, m.data) for m in late],
    )
    recorder.commit()
    for suffix in ("", "-wal"):
        shutil.copy(f"{original}{suffix}", tmp_path / f"killed.db3{suffix}")
    recorder.close()
    with BagReader(tmp_path / "killed.db3") as bag:
        assert numbers(list(bag.messages())) == list(range(15))
