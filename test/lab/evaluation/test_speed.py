"""What a race measures is measured of the same masks, and its figures follow from them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from exported import exported_tiny
from random_policy import random_policy

from vlam_ros.lab.evaluation.report import Metric
from vlam_ros.lab.evaluation.speed import perception, race, ways
from vlam_ros.lab.evaluation.speed.perception import tokenizer_rows
from vlam_ros.lab.evaluation.speed.policy import policy_rows
from vlam_ros.lab.evaluation.speed.race import COUNTS, chart, ious
from vlam_ros.lab.evaluation.speed.start import rows as start_rows
from vlam_ros.lab.evaluation.speed.subjects import Subject
from vlam_ros.lab.evaluation.speed.ways import ONE_BY_ONE, RATIOS, Float32Array, Way
from vlam_ros.types import Uint8Array

PROMPTS = [f"thing {i}" for i in range(16)]


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject("tiny", *exported_tiny(), trained=False)


@pytest.fixture(scope="module")
def images() -> list[Uint8Array]:
    return [np.random.default_rng(i).integers(0, 256, (60, 80, 3), np.uint8) for i in range(2)]


@pytest.fixture(scope="module")
def measured(subject: Subject, images: list[Uint8Array]) -> perception.Measured:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "NAMES", (ONE_BY_ONE, "torch, float32", "onnxruntime, int8"))
        # One process of its own will do.
        patch.setattr(
            perception.start, "rows", lambda it, names, *rest: start_rows(it, names[-1:], *rest)
        )
        return perception.measure(subject, images, PROMPTS)


def test_all_ways_make_the_same_masks(measured: perception.Measured) -> None:
    laps = {(lap.way.name, lap.prompts): lap for lap in measured.laps}
    assert set(laps[ONE_BY_ONE, 8].overlaps) == {1.0}
    # Pillow and torch round differently when they shrink an image.
    assert laps["torch, float32", 8].error < 0.05
    assert min(laps["torch, float32", 8].overlaps) > 0.9
    assert laps["torch, float32", 8].error < laps["onnxruntime, int8", 8].error < 0.2


def test_a_batch_of_prompts_is_masks_one_by_one(subject: Subject, images: list[Uint8Array]) -> None:
    one_by_one, batch = (ways.load(name, subject) for name in (ONE_BY_ONE, ways.BATCH))
    masks, others = (way.masks(images[0], PROMPTS[:3]) for way in (one_by_one, batch))
    assert masks.shape[0] == 3
    assert np.abs(masks - others).max() < 1e-4 * np.ptp(masks)


def test_each_way_has_its_figures_before_and_after_the_first_image(
    measured: perception.Measured,
) -> None:
    rows = {row.name: row for row in measured.rows}
    for name in ("torch, float32", "onnxruntime, int8"):
        title = f"tiny, {name}, 8 prompts"
        parts = ("preprocess", "vision", "text and decoder", "objects", "positions")
        whole = sum(rows[f"{title}: {part} (s)"].value for part in parts)
        assert rows[f"{title}: whole step (s)"].value == pytest.approx(whole, rel=0.3)
        assert rows[f"{title}: texts never seen (s)"].value > 0
        assert rows[f"{title}: second look at two of them (s)"].value > 0
    started = "tiny, 8 prompts, onnxruntime, int8"
    assert rows[f"{started}: load (s)"].value > 0
    assert rows[f"{started}: first image (s)"].value > 0
    assert 100 < rows[f"{started}: peak memory (MB)"].value < 10_000


def test_what_this_machine_cannot_do_is_said(
    subject: Subject, images: list[Uint8Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openvino.Core.get_property", lambda *_: ["FP32"])
    monkeypatch.setattr(ways, "NAMES", (ONE_BY_ONE, "openvino, bfloat16"))
    monkeypatch.setattr(perception.start, "rows", lambda *_: ())
    measured = perception.measure(subject, images[:1], PROMPTS)
    (remark,) = measured.remarks
    assert remark.startswith("tiny, openvino, bfloat16: not measured: this CPU")
    assert {lap.way.name for lap in measured.laps} == {ONE_BY_ONE}


def test_masks_are_compared_one_by_one_and_specks_are_none() -> None:
    one = np.full((3, 10, 10), -1.0, np.float32)
    one[0, :4], one[1, :4], one[2, 0, :5] = 1.0, 1.0, 1.0
    other = one.copy()
    other[1, :2] = -1.0
    assert ious(one, one, trained=True) == [1.0, 1.0]
    assert ious(one, other, trained=True) == [1.0, 0.5]
    assert ious(one - 7.0, other - 7.0, trained=True) == []
    assert ious(one[:2] - 7.0, other[:2] - 7.0, trained=False) == [1.0, 0.5]


def told(seconds: float, clock: list[float], sign: float = 1.0) -> ways.Masks:
    """A way that lets the clock go on."""

    def masks(image: Uint8Array, prompts: Sequence[str]) -> Float32Array:
        clock[0] += seconds * len(prompts)
        ramp = np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)
        return sign * np.stack([ramp] * len(prompts))

    return masks


def run(monkeypatch: pytest.MonkeyPatch, sign: float = 1.0, **fields: Any) -> list[Metric]:
    """The rows of a race in which ours takes a tenth of the time, on a clock of its own."""
    clock = [0.0]
    monkeypatch.setattr(race.time, "perf_counter", lambda: clock[0])
    ours = replace(Way("ours", told(0.1, clock, sign)), **fields)
    raced = [Way(ONE_BY_ONE, told(1.0, clock)), ours]
    images = [np.zeros((4, 4, 3), np.uint8)] * 3
    laps = race.race("it", True, raced, images, PROMPTS)
    image = cv2.imdecode(np.frombuffer(chart(laps), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[0] > 300
    return list(race.rows(laps))


def test_ratios_are_of_medians_and_gates_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {row.name: row for row in run(monkeypatch, ratios=RATIOS["int8"], overlap=0.95)}
    for count in COUNTS:
        title = f"it, {count} prompts" if count > 1 else "it, 1 prompt"
        assert rows[f"{title}, {ONE_BY_ONE} (s)"].value == pytest.approx(count)
        ratio = rows[f"{title}, ours: times as fast as one by one"]
        assert (ratio.value, ratio.cases) == (pytest.approx(10.0), 3)
        assert ratio.gate == {8: 16.0, 16: 28.0}.get(count)
        assert ratio.passed is (False if count >= 8 else None)
        assert rows[f"{title}, ours: mean IoU with one by one"].gate == 0.95


def test_masks_that_differ_miss_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    overlaps = [row for row in run(monkeypatch, -1.0, overlap=0.95) if "mean IoU" in row.name]
    assert {(row.value, row.passed) for row in overlaps} == {(0.0, False)}


def test_the_tokenizer_is_measured_both_ways() -> None:
    rows = {row.name: row.value for row in tokenizer_rows()}
    assert len(rows) == 4
    for what in ("encode", "decode"):
        at_once = rows[f"tokenizer, 1000 rows: {what} (µs)"]
        assert 0 < at_once < rows[f"tokenizer, 1000 rows: {what} one by one (µs)"]


def test_the_machine_is_told() -> None:
    told = perception.machine()
    assert re.match(r"\d+ × \w", str(told["processor"]))
    assert {"threads", "torch", "onnxruntime", "openvino"} <= told.keys()


def test_decisions_of_a_learned_policy_are_timed(tmp_path: Path) -> None:
    median, slow = policy_rows(str(random_policy(tmp_path)), 3)
    assert median.name.endswith(": a decision, p50 (ms)")
    assert 0 < median.value <= slow.value
    assert (median.cases, median.gate, slow.gate) == (3, 80.0, 120.0)
