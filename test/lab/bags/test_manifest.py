"""The bags of the tests are what their manifest says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from replayed import BAGS

from vlam_ros.lab.bags import BagReader, find_bags

MANIFEST: dict[str, dict[str, Any]] = yaml.safe_load(
    (BAGS / "manifest.yaml").read_text(encoding="utf-8")
)
LIMIT = 1_500_000
"""Bytes of all bags together."""


def path_of(name: str) -> Path:
    folder = BAGS / name
    return folder if folder.exists() else BAGS / f"{name}.mcap"


@pytest.mark.parametrize("name", MANIFEST)
def test_topics_counts_and_length_are_those_of_the_manifest(name: str) -> None:
    told = MANIFEST[name]
    with BagReader(path_of(name)) as bag:
        topics = {
            topic: {"type": bag.topics[topic], "count": bag.counts[topic]} for topic in bag.topics
        }
        assert topics == told["topics"]
        assert (bag.end - bag.start) / 1e9 == pytest.approx(told["seconds"])
        said = [topic for topic in topics if topic.endswith(("instruction", "voice"))]
        texts = [
            {"seconds": pytest.approx((m.received - bag.start) / 1e9), "text": m.read().data}
            for m in bag.messages(said)
        ]
        assert told["instructions"] == texts
        assert len(list(bag.messages())) == sum(bag.counts.values())
        assert bag.notes == []
    assert len(told["purpose"]) > 60


@pytest.mark.parametrize("name", MANIFEST)
def test_every_message_can_be_read(name: str) -> None:
    with BagReader(path_of(name)) as bag:
        for message in bag.messages():
            message.read()


def test_the_files_are_those_of_the_manifest_and_no_others_and_small() -> None:
    told = {name: about for bag in MANIFEST.values() for name, about in bag["files"].items()}
    there = {
        path.relative_to(BAGS).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in BAGS.rglob("*")
        if path.is_file() and path.name != "manifest.yaml"
    }
    assert there == told
    assert sum(about["bytes"] for about in told.values()) < LIMIT


def test_all_of_them_are_found() -> None:
    assert find_bags(BAGS) == sorted(path_of(name) for name in MANIFEST)
