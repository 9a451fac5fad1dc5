"""Rendered shards: finished ones stay, missing ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlam_ros.lab.training.scenes import load_splits, render_split


def test_finished_shards_are_not_rendered_again(cache: Path) -> None:
    shard = cache / "rooms-train-160-000000-000006.npz"
    before = shard.stat().st_mtime_ns
    render_split(cache, "rooms", "train", 6, 160)
    assert shard.stat().st_mtime_ns == before


def test_a_split_that_was_never_rendered_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"rooms-train-160-000000-000010.npz: render the split first"
    ):
        load_splits(tmp_path, {"rooms": 10}, "train", 160)
