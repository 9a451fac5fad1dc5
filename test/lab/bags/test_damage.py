"""Bags whose recorder was killed, whose disk was full, or that are none."""

from __future__ import annotations

import random
import sqlite3
import struct
import tempfile
from pathlib import Path

import pytest
import zstandard
from made_bags import MCAP_OPTIONS, mcap, numbers, rosbag2, sqlite, texts

from vlam_ros.errors import BagError
from vlam_ros.lab.bags import BagReader


def read(path: Path) -> tuple[list[int], list[str]]:
    """The numbers of the messages of a bag, and the notes after reading."""
    with BagReader(path) as bag:
        found = numbers(list(bag.messages()))
        assert bag.end >= bag.start
        return found, bag.notes


def cut(path: Path, size: int) -> Path:
    """The same file, cut off after so many bytes."""
    shorter = path.with_name(f"cut-{path.name}")
    shorter.write_bytes(path.read_bytes()[:size])
    return shorter


def chunks(path: Path) -> list[tuple[int, int]]:
    """Where each chunk of a file ends, and how many messages there are up to there."""
    data, position, found = path.read_bytes(), 8, [(0, 0)]
    while position + 9 <= len(data):
        kind, length = struct.unpack_from("<BQ", data, position)
        end = position + 9 + length
        if kind == 6:
            found.append((end, found[-1][1]))
        elif kind == 7:
            (size,) = struct.unpack_from("<I", data, position + 11)
            found[-1] = (found[-1][0], found[-1][1] + size // 16)
        position = end
    return found[1:]


def test_what_is_before_the_cut_of_an_mcap_file_is_read(tmp_path: Path) -> None:
    whole = mcap(tmp_path / "drive.mcap", texts(60, length=40))
    (_, messages), (end, _) = chunks(whole)[2:4]
    found, notes = read(cut(whole, end - 1))
    assert 35 < messages < 45
    assert found == list(range(messages))
    assert notes == ["the recording is cut off after 0.4 s: cut-drive.mcap was not closed"]


@pytest.mark.parametrize("options", MCAP_OPTIONS.values(), ids=MCAP_OPTIONS)
def test_a_file_cut_anywhere_gives_its_beginning(
    tmp_path: Path, options: dict[str, object]
) -> None:
    whole = mcap(tmp_path / "drive.mcap", texts(12, length=20), chunk=200, **options)
    size, longest = whole.stat().st_size, 0
    for length in range(9, size, 67):
        found, notes = read(cut(whole, length))
        assert found == list(range(len(found)))
        assert len(found) >= longest
        assert len(found) == 12 or [n for n in notes if n.startswith("the recording is cut off")]
        longest = len(found)
    assert longest == 12


@pytest.mark.parametrize("behind", [0, 5, 60])
def test_a_recorder_that_was_killed_behind_a_chunk_is_noted(tmp_path: Path, behind: int) -> None:
    """Before, in and behind the index of that chunk."""
    whole = mcap(tmp_path / "drive.mcap", texts(60, length=40))
    end, messages = chunks(whole)[2]
    found, notes = read(cut(whole, end + behind))
    assert found == list(range(messages))
    assert notes == ["the recording is cut off after 0.4 s: cut-drive.mcap was not closed"]


def test_zeros_behind_the_last_chunk_are_no_messages(tmp_path: Path) -> None:
    """As after a power failure, where the file has its length but not its contents."""
    whole = mcap(tmp_path / "drive.mcap", texts(60, length=40))
    end, messages = chunks(whole)[2]
    whole.write_bytes(whole.read_bytes()[:end] + bytes(5000))
    found, notes = read(whole)
    assert found == list(range(messages))
    assert notes == ["the recording is cut off after 0.4 s: drive.mcap was not closed"]


@pytest.mark.parametrize("indexed", [True, False])
def test_a_damaged_chunk_is_left_out(tmp_path: Path, indexed: bool) -> None:
    whole = mcap(tmp_path / "drive.mcap", texts(60, length=40), **MCAP_OPTIONS["zstd"])
    (_, first), (end, second) = chunks(whole)[:2]
    data = bytearray(whole.read_bytes())
    data[end - 30 : end - 20] = bytes(10)
    whole.write_bytes(data if indexed else data[:-500])
    found, notes = read(whole)
    assert found == [*range(first), *range(second, 60)]
    assert notes == ["drive.mcap is damaged: 1 chunk left out, the first after 0.1 s"]


def test_the_seconds_of_a_cut_count_from_the_beginning_of_the_bag(tmp_path: Path) -> None:
    path = rosbag2(tmp_path / "drive", texts(1))
    (path / "drive.mcap").unlink()
    (path / "metadata.yaml").unlink()
    mcap(path / "drive_0.mcap", texts(100))
    last = mcap(path / "drive_1.mcap", texts(100, length=40, first=100))
    end, messages = chunks(last)[4]
    last.write_bytes(last.read_bytes()[:end])
    found, notes = read(path)
    assert found == list(range(100 + messages))
    seconds = 1.0 + 0.01 * (messages - 1)
    assert notes[1:] == [
        f"the recording is cut off after {seconds:.1f} s: drive_1.mcap was not closed"
    ]


def test_a_truncated_sqlite_file_gives_its_beginning(tmp_path: Path) -> None:
    whole = sqlite(tmp_path / "drive.db3", texts(200, length=300))
    size, counts = whole.stat().st_size, []
    for length in range(size - 4096, size // 4, -8192 - 100):
        found, notes = read(cut(whole, length))
        assert found == sorted(set(found))
        counts.append(len(found))
        assert len(notes) == 1
        assert notes[0].startswith("cut-drive.db3 is damaged (database disk image is malformed): ")
        assert notes[0].endswith(f"{len(found)} messages of it can be found")
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 150
    assert counts[-1] > 15


def test_a_malformed_page_costs_only_its_own_messages(tmp_path: Path) -> None:
    whole = sqlite(tmp_path / "drive.db3", texts(200, length=300))
    data = bytearray(whole.read_bytes())
    page = len(data) // 2 // 4096 * 4096
    data[page : page + 4096] = b"\x55" * 4096
    whole.write_bytes(data)
    found, notes = read(whole)
    assert found == sorted(found)
    assert 170 < len(found) < 200
    assert 199 in found
    assert notes[0].startswith("drive.db3 is damaged (database disk image is malformed)")


def test_a_message_that_lies_in_a_lost_page_is_left_out(tmp_path: Path) -> None:
    """A message longer than a page, in the middle of which there is nothing."""
    whole = sqlite(
        tmp_path / "drive.db3", [*texts(5), *texts(1, 50_000, first=5), *texts(3, first=6)]
    )
    shorter = cut(whole, whole.stat().st_size - 5 * 4096)
    found, notes = read(shorter)
    assert [n for n in found if n != 5] == found
    assert found[:5] == [0, 1, 2, 3, 4]
    assert notes


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_random_damage_is_an_error_or_a_note_but_never_a_crash(
    tmp_path: Path, storage: str
) -> None:
    chance = random.Random(5)
    make = mcap if storage == "mcap" else sqlite
    data = make(tmp_path / "whole", texts(40, length=60)).read_bytes()
    path, complete, trials = tmp_path / "damaged", 0, 60
    for _ in range(trials):
        damaged = bytearray(data)
        for _ in range(chance.choice([1, 10, 100])):
            damaged[chance.randrange(16, len(data))] = chance.randrange(256)
        path.write_bytes(damaged)
        lines: list[str] = []
        try:
            with BagReader(path) as bag:
                messages = list(bag.messages())
            complete += len(messages) == 40
            lines = bag.notes
            for message in messages:
                message.read()
        except BagError as error:
            lines.append(str(error))
        assert "\n" not in "".join(lines)
    assert 0 < complete < trials


def test_a_file_that_was_cut_after_compression_gives_its_beginning(tmp_path: Path) -> None:
    path = rosbag2(tmp_path / "drive", texts(20, length=200_000), "mcap", "file")
    file = path / "drive.mcap.zstd"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    found, notes = read(path)
    assert found == list(range(len(found)))
    assert 5 <= len(found) <= 10
    assert notes[0].startswith("the recording is cut off after 0.")


def test_a_message_that_cannot_be_decompressed_is_left_out(tmp_path: Path) -> None:
    messages = texts(10)
    broken = messages[4]._replace(data=b"\x28\xb5\x2f\xfd" + b"\7" * 30)
    found, notes = read(mcap(tmp_path / "drive.mcap", [*messages[:4], broken, *messages[5:]]))
    assert found == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert notes == ["messages of /text cannot be decompressed and are left out"]


@pytest.mark.parametrize("text", ["", "{[", "a: 1", "rosbag2_bagfile_information: 3", "\xff\0"])
def test_a_bag_is_read_without_damaged_metadata(tmp_path: Path, text: str) -> None:
    path = rosbag2(tmp_path / "drive", texts(5))
    (path / "metadata.yaml").write_bytes(text.encode("latin-1"))
    found, notes = read(path)
    assert found == list(range(5))
    assert notes == ["metadata.yaml is damaged: the files are read without it"]


def test_a_missing_part_is_noted(tmp_path: Path) -> None:
    path = rosbag2(tmp_path / "drive", texts(5))
    metadata = (path / "metadata.yaml").read_text()
    (path / "metadata.yaml").write_text(
        metadata.replace("paths:\n  - drive.mcap", "paths:\n  - drive.mcap\n  - drive_1.mcap")
    )
    found, notes = read(path)
    assert found == list(range(5))
    assert notes == ["drive_1.mcap is missing: what was recorded in it is left out"]


def test_a_part_that_is_no_bag_is_noted(tmp_path: Path) -> None:
    path = rosbag2(tmp_path / "drive", texts(5))
    (path / "metadata.yaml").unlink()
    (path / "drive_1.mcap").write_bytes(b"")
    found, notes = read(path)
    assert found == list(range(5))
    assert "drive_1.mcap is empty: it is left out" in notes


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_bag_without_messages_is_read(tmp_path: Path, storage: str) -> None:
    path = rosbag2(tmp_path / "nothing", [], storage)
    with BagReader(path) as bag:
        assert (bag.topics, bag.counts, bag.start, bag.end) == ({}, {}, 0, 0)
        assert list(bag.messages()) == []
        assert bag.notes == ["there are no messages in it"]


BROKEN: dict[str, bytes] = {
    "empty file": b"",
    "ROS 1": b"#ROSBAG V2.0\nabc",
    "text": b"hello",
    "compressed text": zstandard.compress(b"hello"),
    "ruined database": b"SQLite format 3\0" + b"\7" * 5000,
    "only its magic": b"SQLite format 3\0",
}
CHANGED = {
    "compression": ("compression_format: ''", "compression_format: lzma"),
    "files": ("paths:\n  - drive.mcap", "paths:\n  - other.mcap"),
}


def broken_bag(path: Path, what: str) -> None:
    """Something that cannot be read."""
    if what in BROKEN:
        path.write_bytes(BROKEN[what])
    elif what == "empty folder":
        path.mkdir()
    elif what == "other database":
        sqlite3.connect(path).executescript("CREATE TABLE t(x)")
    elif what.startswith("chunk compression"):
        data = mcap(path, texts(30)).read_bytes().replace(b"zstd", b"brot")
        path.write_bytes(data[:-100] if "summary" in what else data)
    elif what in CHANGED:
        rosbag2(path, texts(3))
        text = (path / "metadata.yaml").read_text()
        (path / "metadata.yaml").write_text(text.replace(*CHANGED[what]))
        if what == "files":
            (path / "drive.mcap").unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "{path} does not exist: expected a bag's folder or file"),
        ("empty folder",
         "{path} is no bag: it has neither a good metadata.yaml nor files of a bag"),
        ("empty file", "{folder}: drive is empty"),
        ("ROS 1",
         "{folder}: drive is a bag of ROS 1: convert it with rosbags-convert --src drive "
         "--dst FOLDER"),
        ("text",
         "{folder}: drive is no bag: expected MCAP or SQLite, plain or compressed with zstd"),
        ("compressed text",
         "{folder}: drive is no bag: expected MCAP or SQLite, plain or compressed with zstd"),
        ("other database",
         "{folder}: drive is an SQLite file but no bag: it has no tables of a bag"),
        ("ruined database", "{folder}: drive cannot be read as a bag: file is not a database"),
        ("only its magic", "{folder}: drive cannot be read as a bag: file is not a database"),
        ("chunk compression",
         "{folder}: drive: chunks are compressed with 'brot', expected zstd or lz4: convert it "
         "with ros2 bag convert"),
        ("chunk compression without a summary",
         "{folder}: drive: chunks are compressed with 'brot', expected zstd or lz4: convert it "
         "with ros2 bag convert"),
        ("compression",
         "{path} is compressed with 'lzma', expected zstd: convert it with ros2 bag convert"),
        ("files", "{path} is not whole: none of the files in its metadata.yaml is there"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, message: str
) -> None:
    path = tmp_path / "drive"
    broken_bag(path, what)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with pytest.raises(BagError) as caught:
        BagReader(path)
    assert str(caught.value) == message.format(path=path, folder=path.parent)
    assert list(temporary.iterdir()) == []


def test_no_room_to_decompress_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rosbag2(tmp_path / "drive", texts(3), "mcap", "file")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    original = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r": full() if mode == "wb" else original(self, mode)
    )
    with pytest.raises(BagError, match="No space left on device; set TMPDIR to a folder"):
        BagReader(path)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_was_decompressed_is_deleted_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rosbag2(tmp_path / "drive", texts(3), "sqlite3", "file")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    used = []

    def fail() -> None:
        with BagReader(path) as bag:
            next(bag.messages())
            used.extend(temporary.iterdir())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert used != []
    assert list(temporary.iterdir()) == []
