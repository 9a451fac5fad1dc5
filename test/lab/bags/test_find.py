"""Which bags a path stands for."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_bags import humble, mcap, rosbag2, sqlite, texts

from vlam_ros.errors import BagError
from vlam_ros.lab.bags import find_bags

FEW = texts(2)


def fleet(path: Path) -> Path:
    """A folder with bags of all kinds, and other things."""
    (path / "monday").mkdir(parents=True)
    (path / "tuesday" / "late").mkdir(parents=True)
    rosbag2(path / "monday" / "a", FEW)
    rosbag2(path / "monday" / "b", FEW, "sqlite3", "file")
    humble(path / "tuesday" / "old", FEW)
    mcap(path / "tuesday" / "single.mcap", FEW)
    sqlite(path / "tuesday" / "late" / "other.db3", FEW)
    mcap(path / "tuesday" / "late" / "third.mcap", FEW)
    (path / "readme.txt").write_text("hello")
    (path / "tuesday" / "map.png").write_bytes(b"\x89PNG")
    (path / ".hidden").mkdir()
    mcap(path / ".hidden" / "c.mcap", FEW)
    return path


def names(path: Path, root: Path) -> list[str]:
    return [found.relative_to(root).as_posix() for found in find_bags(path)]


def test_all_bags_below_a_folder_are_found_in_order(tmp_path: Path) -> None:
    assert names(fleet(tmp_path / "fleet"), tmp_path / "fleet") == [
        "monday/a", "monday/b", "tuesday/late/other.db3", "tuesday/late/third.mcap", "tuesday/old",
        "tuesday/single.mcap",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["folder", "file", "compressed file", "another name", "ROS 1"])
def test_a_bag_stands_for_itself(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "drive"
    if kind == "folder":
        rosbag2(path, FEW)
    elif kind == "compressed file":
        path = next(rosbag2(path, FEW, "mcap", "file").glob("*.zstd"))
    elif kind == "ROS 1":
        path = tmp_path / "drive.bag"
        path.write_bytes(b"#ROSBAG V2.0\n")
    else:
        mcap(path, FEW)
        path = path.rename(tmp_path / "drive.mcap") if kind == "file" else path
    assert find_bags(path) == [path]


def test_numbered_files_without_metadata_are_the_parts_of_one_bag(tmp_path: Path) -> None:
    path = tmp_path / "drive"
    path.mkdir()
    for part in (0, 1, 10):
        mcap(path / f"drive_{part}.mcap", FEW)
    assert find_bags(path) == [path]
    assert find_bags(tmp_path) == [path]
    # Files that are not parts of the same are bags by themselves.
    mcap(path / "other_0.mcap", FEW)
    assert len(find_bags(path)) == 4


def test_files_with_other_names_are_a_bag_each(tmp_path: Path) -> None:
    for name in ("night.mcap", "day.mcap"):
        mcap(tmp_path / name, FEW)
    assert names(tmp_path, tmp_path) == ["day.mcap", "night.mcap"]
    (tmp_path / "night.mcap").unlink()
    assert names(tmp_path, tmp_path) == ["day.mcap"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    mcap(tmp_path / "a.mcap", FEW)
    (tmp_path / "again").symlink_to(tmp_path)
    assert names(tmp_path, tmp_path) == ["a.mcap"]


def test_a_list_names_bags_and_folders_relative_to_itself(tmp_path: Path) -> None:
    fleet(tmp_path / "fleet")
    mcap(tmp_path / "elsewhere.mcap", FEW)
    listed = tmp_path / "bags.txt"
    listed.write_text(
        "# of this week\n\nfleet/tuesday/single.mcap\n  fleet/monday  \n"
        f"{tmp_path / 'elsewhere.mcap'}\nfleet/missing.mcap\n"
    )
    assert names(listed, tmp_path) == [
        "fleet/tuesday/single.mcap", "fleet/monday/a", "fleet/monday/b", "elsewhere.mcap",
        "fleet/missing.mcap",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "{path} does not exist: expected a bag, a folder of bags, or a list of them"),
        ("folder", "there is no bag in {path}: expected .mcap or .db3 files in it"),
        ("empty list", "{path} names no bag that exists: expected the path of one in every line"),
        ("wrong list", "{path} names no bag that exists: expected the path of one in every line"),
        ("image", "{path} is neither a bag nor a list of bags"),
    ],
)
def test_a_path_without_bags_is_an_error_that_says_what_is_expected(
    tmp_path: Path, what: str, message: str
) -> None:
    path = tmp_path / "here"
    if what == "folder":
        path.mkdir()
        (path / "notes.txt").write_text("none")
    elif what == "image":
        path.write_bytes(b"\x89PNG\r\n\xff\xfe")
    elif what != "missing":
        path.write_text("# none" if what == "empty list" else "a.mcap\nb.mcap")
    with pytest.raises(BagError) as caught:
        find_bags(path)
    assert str(caught.value) == message.format(path=path)
