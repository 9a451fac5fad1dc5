"""What a race measures is measured of the same masks, and its figures follow from them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_clipseg import save_tiny_checkpoint

from vlam_ros.evaluation import speed
from vlam_ros.evaluation.speed import BATCH, COUNTS, OURS, SAME_IOU, Subject, evaluate_speed
from vlam_ros.models import load_checkpoint
from vlam_ros.types import Uint8Array

PROMPTS = [f"thing {i}" for i in range(16)]


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    checkpoint = load_checkpoint(save_tiny_checkpoint(tmp_path), "cpu", "float32")
    return Subject.of("tiny", checkpoint, trained=False, gate=1.0)


@pytest.fixture
def pictures() -> list[Uint8Array]:
    return [np.random.default_rng(i).integers(0, 256, (60, 80, 3), np.uint8) for i in range(2)]


def test_all_ways_make_the_same_masks(subject: Subject, pictures: list[Uint8Array]) -> None:
    masks = [way(subject, pictures[0], PROMPTS[:3]) for way in speed.WAYS.values()]
    assert masks[0].shape[0] == 3
    for other in masks[1:]:
        # Pillow and torch round differently when they shrink a picture.
        assert np.abs(other - masks[0]).max() < 0.05 * np.ptp(masks[0])
        assert speed.iou(other, masks[0], trained=False) > 0.9


def test_the_least_overlap_counts() -> None:
    one = np.array([[[1.0, -1.0], [-1.0, -1.0]], [[1.0, 1.0], [-1.0, -1.0]]], np.float32)
    other = one.copy()
    other[1, 0, 1] = -1.0
    assert speed.iou(one, one, trained=True) == 1.0
    assert speed.iou(one, other, trained=True) == 0.5
    assert speed.iou(one - 7.0, other - 7.0, trained=False) == 0.5
    assert speed.iou(-np.ones_like(one), -np.ones_like(one), trained=True) == 1.0


def test_ratios_are_of_medians_and_gates_where_they_belong(
    subject: Subject, pictures: list[Uint8Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(10_000))
    monkeypatch.setattr(speed.time, "perf_counter", lambda: float(next(now)))
    report = evaluate_speed([subject], pictures, PROMPTS, progress=False)
    rows = {row.name: row for row in report.rows}
    for count in COUNTS:
        title = f"tiny, {count} prompts"
        assert rows[f"{title}: {OURS} (s)"].value == 1.0  # one look at the clock later
        assert rows[f"{title}: {BATCH} (s)"].cases == 2
        ratio = rows[f"{title}: times as fast as one by one"]
        assert (ratio.value, ratio.gate) == (1.0, 1.0 if count == 8 else None)
        assert rows[f"{title}: least IoU with one by one"].gate == SAME_IOU
    stages = [name for name in rows if name.startswith("tiny, 8 prompts: ") and "(s)" in name]
    assert [name.partition(": ")[2] for name in stages][-3:] == [
        "preprocess (s)",
        "vision (s)",
        "decoder (s)",
    ]


def test_masks_that_differ_miss_the_gate(
    subject: Subject, pictures: list[Uint8Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    upside_down = {**speed.WAYS, OURS: lambda s, p, t: -speed.WAYS[BATCH](s, p, t)}
    monkeypatch.setattr(speed, "WAYS", upside_down)
    report = evaluate_speed([replace(subject, gate=None)], pictures, PROMPTS, progress=False)
    assert not report.passed
