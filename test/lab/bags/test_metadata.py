"""A bag's files are what they are, whatever its metadata.yaml says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_bags import mcap, numbers, rosbag2, texts

from vlam_ros.lab.bags import BagReader


def read(path: Path) -> tuple[list[int], list[str]]:
    """The numbers of the messages of a bag, and the notes after reading."""
    with BagReader(path) as bag:
        return numbers(list(bag.messages())), bag.notes


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("told", ["''", "leveldb", "mcap", "sqlite3", "null"])
def test_what_a_file_is_counts_and_not_what_is_said_of_it(
    tmp_path: Path, storage: str, told: str
) -> None:
    """`ros2 bag reindex` leaves it empty."""
    path = rosbag2(tmp_path / "drive", texts(5), storage)
    metadata = (path / "metadata.yaml").read_text()
    changed = metadata.replace(f"identifier: {storage}", f"identifier: {told}")
    (path / "metadata.yaml").write_text(changed)
    assert read(path) == (list(range(5)), [])
    without = "".join(line for line in metadata.splitlines(True) if "identifier" not in line)
    (path / "metadata.yaml").write_text(without)
    assert read(path) == (list(range(5)), [])


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_file_that_was_renamed_is_read_beside_its_old_metadata(
    tmp_path: Path, storage: str
) -> None:
    path = rosbag2(tmp_path / "drive", texts(5), storage)
    (old,) = (file for file in path.iterdir() if file.suffix != ".yaml")
    old.rename(old.with_name(f"kitchen{old.suffix}"))
    found, notes = read(path)
    assert found == list(range(5))
    assert notes == [f"metadata.yaml does not name kitchen{old.suffix}, read for {old.name}"]


def test_one_of_two_parts_that_was_renamed_is_read_but_no_stray_file(tmp_path: Path) -> None:
    path = rosbag2(tmp_path / "drive", texts(5))
    metadata = (path / "metadata.yaml").read_text()
    mcap(path / "drive_1.mcap", texts(5, first=5))
    assert read(path)[0] == list(range(5)), "it is not named, and none is missing"
    two = metadata.replace("paths:\n  - drive.mcap", "paths:\n  - drive.mcap\n  - drive_9.mcap")
    (path / "metadata.yaml").write_text(two)
    assert read(path)[0] == list(range(10))
    mcap(path / "copy.mcap", texts(5))
    assert read(path) == (
        list(range(5)),
        ["drive_9.mcap is missing: what was recorded in it is left out"],
    )


@pytest.mark.parametrize(
    "name", ["drive\\drive.mcap", "C:\\bags\\drive\\drive.mcap", "/home/me/drive/drive.mcap"]
)
def test_the_folder_before_a_files_name_does_not_matter(tmp_path: Path, name: str) -> None:
    path = rosbag2(tmp_path / "drive", texts(5))
    metadata = (path / "metadata.yaml").read_text()
    (path / "metadata.yaml").write_text(metadata.replace("- drive.mcap", f"- '{name}'"))
    assert read(path) == (list(range(5)), [])
