"""Masks survive COCO's forms, and what is no mask is refused."""

import numpy as np
import pytest
from pycocotools import mask as rle

from vlam_ros.errors import LearningError
from vlam_ros.lab.training.data.segmentation import decode, encode, outline


def test_runs_go_down_the_columns_and_begin_with_zeros() -> None:
    mask = np.array([[0, 1, 1], [0, 0, 1]], np.bool_)
    np.testing.assert_array_equal(decode({"size": [2, 3], "counts": [2, 1, 1, 2]}, 2, 3), mask)
    assert encode(mask) == {"size": [2, 3], "counts": "2111"}


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_runs_mean_the_same_here_and_in_the_library(share: float) -> None:
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (3, 500), (97, 61), (240, 320)):
        mask = rng.random((height, width)) < share
        runs = encode(mask)
        assert (decode(runs, height, width) == mask).all()
        assert (rle.decode({**runs, "counts": runs["counts"].encode()}) == mask).all()


def test_a_long_run_takes_several_characters_and_a_shorter_next_one_a_negative_difference() -> None:
    mask = np.zeros((1000, 700), np.bool_)
    mask[:, 300:302], mask[5:9, 400] = True, True
    assert (decode(encode(mask), 1000, 700) == mask).all()


def test_polygons_are_put_together() -> None:
    square = [10.0, 10.0, 20.0, 10.0, 20.0, 20.0, 10.0, 20.0]
    other = [c + 5 for c in square]
    mask = decode([square, other], 40, 50)
    assert mask.shape == (40, 50)
    assert mask.sum() == 100 + 100 - 25
    assert mask[10:20, 10:20].all()
    assert decode([], 40, 50).sum() == 0


@pytest.mark.parametrize(
    "senseless",
    [
        None,
        7,
        "abc",
        {"size": [30, 40]},
        {"size": [40, 30], "counts": [1200]},
        {"size": [30, 40], "counts": [5, 2000]},
        {"size": [30, 40], "counts": [10, -5, 1195]},
        {"size": [30, 40], "counts": [[1200]]},
        {"size": [30, 40], "counts": "m~zzz00PPPPP"},
        {"size": [30, 40], "counts": "ä"},
        {"size": [30, 40], "counts": None},
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [["a"] * 6],
        [[1, 2, 3, 4, 5, float("nan")]],
        [[1, 2, 3, 4, 5, 1e12]],
    ],
)
def test_what_is_no_mask_is_refused_before_the_library_writes_past_its_memory(
    senseless: object,
) -> None:
    with pytest.raises(LearningError):
        decode(senseless, 30, 40)


def test_any_text_is_a_mask_or_refused() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        text = bytes(rng.integers(32, 127, int(rng.integers(40)), np.uint8)).decode()
        with pytest.raises(LearningError):
            decode({"size": [30, 40], "counts": text}, 30, 40)


@pytest.mark.parametrize(("radius", "overlap"), [(4, 0.99), (8, 0.93), (16, 0.98), (30, 0.98)])
def test_an_outline_keeps_its_mask_with_few_corners(radius: int, overlap: float) -> None:
    rows, columns = np.mgrid[:120, :160]
    mask = (columns - 70.3) ** 2 + (rows - 60.6) ** 2 < radius**2
    polygons = outline(mask)
    drawn = decode(polygons, 120, 160)
    assert (mask & drawn).sum() / (mask | drawn).sum() > overlap
    assert len(polygons) == 1
    assert len(polygons[0]) / 2 <= 16


def test_each_piece_has_an_outline_and_holes_are_filled() -> None:
    mask = np.zeros((60, 60), np.bool_)
    mask[5:25, 5:25], mask[40:50, 30:50] = True, True
    whole = mask.copy()
    mask[10:20, 10:20] = False
    polygons = outline(mask)
    assert len(polygons) == 2
    assert (decode(polygons, 60, 60) == whole).all()
    assert outline(np.zeros((9, 9), np.bool_)) == []
