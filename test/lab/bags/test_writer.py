"""Bags that are written: whole or not at all, and as others read them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_bags import START, STEP, TEXT, numbers, texts
from mcap.reader import make_reader
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability, QosLiveliness, QosReliability
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from vlam_ros.errors import BagError
from vlam_ros.lab.bags import BagReader, BagWriter, RecordedQos
from vlam_ros.msg import ActionChunk, ActionToken

STORED = [(s, c) for s in ("mcap", "sqlite3") for c in (True, False)]
CHUNK = "vlam_ros/msg/ActionChunk"


@cache
def serialized_chunk() -> bytes:
    """Once: what the middleware leaves between aligned fields differs from time to time."""
    tokens = [ActionToken(cmd=1, bins=[2]), ActionToken()]
    return bytes(serialize_message(ActionChunk(tokens=tokens, instruction="go there")))


def written(path: Path, storage: str = "mcap", compression: bool = True) -> Path:
    """A bag with 20 texts and an action chunk."""
    with BagWriter(path, storage, compression) as writer:
        writer.add("/text", TEXT)
        writer.add("/action_chunk", CHUNK)
        for message in texts(20):
            writer.write("/text", message.received, message.data)
        writer.write("/action_chunk", START + 20 * STEP, serialized_chunk())
    return path


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize(("storage", "compression"), STORED)
def test_others_read_the_same_messages(tmp_path: Path, storage: str, compression: bool) -> None:
    """By the definitions in the bag alone."""
    path = written(tmp_path / "drive", storage, compression)
    store = get_typestore(Stores.EMPTY)
    with AnyReader([path], default_typestore=None if storage == "mcap" else store) as reader:
        found: list[tuple[str, int, Any]] = [
            (c.topic, received, reader.deserialize(data, c.msgtype))
            for c, received, data in reader.messages()
        ]
    assert [(t, r) for t, r, _ in found[:-1]] == [("/text", START + i * STEP) for i in range(20)]
    assert [m.data for _, _, m in found[:-1]] == [str(i) for i in range(20)]
    topic, _, chunk = found[-1]
    assert topic == "/action_chunk"
    assert chunk.instruction == "go there"
    assert [(token.cmd, *token.bins) for token in chunk.tokens] == [(1, 2), (0,)]
    assert left(tmp_path) == ["drive"]
    suffix = "mcap" if storage == "mcap" else "db3"
    assert left(path) == [f"drive.{suffix}", "metadata.yaml"]


@pytest.mark.parametrize(("storage", "compression"), STORED)
def test_it_is_read_here_too(tmp_path: Path, storage: str, compression: bool) -> None:
    with BagReader(written(tmp_path / "drive", storage, compression)) as bag:
        *listed, last = bag.messages()
        assert numbers(listed) == list(range(20))
        assert last.read().instruction == "go there"
        assert bag.notes == []


def test_the_metadata_are_those_of_jazzy(tmp_path: Path) -> None:
    text = (written(tmp_path / "drive") / "metadata.yaml").read_text()
    told = yaml.safe_load(text)["rosbag2_bagfile_information"]
    assert told["version"] == 9
    assert told["storage_identifier"] == "mcap"
    assert told["message_count"] == 21
    assert told["starting_time"]["nanoseconds_since_epoch"] == START
    assert told["duration"]["nanoseconds"] == 20 * STEP
    assert told["relative_file_paths"] == ["drive.mcap"]
    # Chunks are compressed inside of the file, which the metadata do not tell.
    assert told["compression_format"] == told["compression_mode"] == ""
    topics = {t["topic_metadata"]["name"]: t for t in told["topics_with_message_count"]}
    assert topics["/action_chunk"]["topic_metadata"]["type"] == CHUNK
    assert topics["/text"]["message_count"] == 20
    assert topics["/text"]["topic_metadata"]["serialization_format"] == "cdr"


def test_the_qualities_of_service_are_kept(tmp_path: Path) -> None:
    profiles = {
        "/plain": None,
        "/latched": RecordedQos(depth=1, transient_local=True),
        "/image": RecordedQos(reliable=False, depth=5),
        "/chunk": RecordedQos(deadline=100_000_000, lease=1_200_000_000),
    }
    with BagWriter(tmp_path / "drive") as writer:
        for topic, profile in profiles.items():
            writer.add(topic, TEXT, profile)
            writer.write(topic, START, texts(1)[0].data)
    with Reader(tmp_path / "drive") as reader:
        got = {c.topic: c.ext.offered_qos_profiles[0] for c in reader.connections}  # type: ignore[union-attr]
    assert {topic: qos.depth for topic, qos in got.items()} == {
        "/plain": 10, "/latched": 1, "/image": 5, "/chunk": 10,
    }  # fmt: skip
    reliable, best = QosReliability.RELIABLE, QosReliability.BEST_EFFORT
    assert [q.reliability for q in got.values()] == [reliable, reliable, best, reliable]
    assert got["/latched"].durability == QosDurability.TRANSIENT_LOCAL
    assert got["/plain"].durability == QosDurability.VOLATILE
    assert (got["/chunk"].deadline.sec, got["/chunk"].deadline.nsec) == (0, 100_000_000)
    assert (got["/chunk"].liveliness_lease_duration.sec,
            got["/chunk"].liveliness_lease_duration.nsec) == (1, 200_000_000)  # fmt: skip
    assert got["/chunk"].liveliness == QosLiveliness.MANUAL_BY_TOPIC
    assert got["/plain"].liveliness == QosLiveliness.AUTOMATIC
    assert got["/plain"].deadline.sec == 9223372036


def test_the_definitions_of_this_package_are_in_the_bag(tmp_path: Path) -> None:
    with (written(tmp_path / "drive") / "drive.mcap").open("rb") as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    schemas = {s.name: s for s in summary.schemas.values()}
    text = schemas[CHUNK].data.decode()
    assert schemas[CHUNK].encoding == "ros2msg"
    for inner in ("vlam_ros/ActionToken", "vlam_ros/ActionCommand", "std_msgs/Header"):
        assert f"MSG: {inner}\n" in text.replace("/msg/", "/")
    written(tmp_path / "other", "sqlite3")
    database = sqlite3.connect(tmp_path / "other" / "other.db3")
    rows = dict(
        database.execute("SELECT topic_type, encoded_message_definition FROM message_definitions")
    )
    database.close()
    assert "uint16[] bins" in rows[CHUNK]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_the_same_messages_give_the_same_bytes(tmp_path: Path, storage: str) -> None:
    one, other = (written(tmp_path / n / "drive", storage) for n in ("one", "other"))
    for name in left(one):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_there_is_nothing_at_the_path_before_the_end(tmp_path: Path, storage: str) -> None:
    with BagWriter(tmp_path / "drive", storage) as writer:
        writer.add("/text", TEXT)
        writer.write("/text", START, texts(1)[0].data)
        assert not (tmp_path / "drive").exists()
        (hidden,) = left(tmp_path)
        assert hidden.startswith(".drive.")
    assert left(tmp_path) == ["drive"]


def interrupted(path: Path, storage: str) -> None:
    with BagWriter(path, storage) as writer:
        writer.add("/text", TEXT)
        writer.write("/text", START, texts(1)[0].data)
        raise KeyboardInterrupt


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_nothing_is_left_after_an_exception(tmp_path: Path, storage: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "drive", storage)
    assert left(tmp_path) == []


def test_a_bag_may_be_closed_before_the_end_of_its_context(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "drive") as writer:
        writer.add("/text", TEXT)
        writer.write("/text", START, texts(1)[0].data)
        writer.close()
        assert left(tmp_path) == ["drive"]
    assert left(tmp_path) == ["drive"]


def test_folders_above_are_made(tmp_path: Path) -> None:
    assert written(tmp_path / "a" / "b" / "drive").is_dir()


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "drive"
    path.mkdir()
    yield path
    assert left(tmp_path) == ["drive"]
    assert left(path) == []


def test_a_path_that_exists_is_not_written_to(taken: Path) -> None:
    with pytest.raises(BagError) as caught:
        BagWriter(taken)
    assert str(caught.value) == (
        f"{taken} exists already: choose another name, or delete it first"
    )  # fmt: skip


def test_a_path_that_comes_to_be_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "drive")
    (tmp_path / "drive").write_text("mine")
    with pytest.raises(BagError, match="exists already"):
        writer.close()
    assert left(tmp_path) == ["drive"]
    assert (tmp_path / "drive").read_text() == "mine"


@pytest.mark.parametrize(
    ("topic", "kind", "message"),
    [
        ("/a", "my_msgs/msg/Thing",
         "/a cannot be recorded: the type 'my_msgs/msg/Thing' is not known here"),
        ("/text", TEXT, "/text was added to the bag already"),
    ],
)  # fmt: skip
def test_a_topic_that_cannot_be_added_is_an_error(
    tmp_path: Path, topic: str, kind: str, message: str
) -> None:
    with BagWriter(tmp_path / "drive") as writer:
        writer.add("/text", TEXT)
        with pytest.raises(BagError) as caught:
            writer.add(topic, kind)
        assert str(caught.value) == message


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"^a bag is stored as mcap or sqlite3, not as 'leveldb'$"):
        BagWriter(tmp_path / "drive", "leveldb")
    with (
        BagWriter(tmp_path / "drive") as writer,
        pytest.raises(BagError, match=r"^/nobody was not added to the bag$"),
    ):
        writer.write("/nobody", START, b"")
    with pytest.raises(BagError, match=r"cannot hold \?, # or %; write MCAP$"):
        BagWriter(tmp_path / "50%", "sqlite3")
    written(tmp_path / "50%")
    (tmp_path / "file").write_text("")
    with pytest.raises(BagError, match="cannot be written: "):
        BagWriter(tmp_path / "file" / "drive")
    assert left(tmp_path) == ["50%", "drive", "file"]


def test_a_link_to_nowhere_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "drive").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BagError, match="exists already"):
        BagWriter(tmp_path / "drive")
