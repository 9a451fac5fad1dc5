"""Windows around candidates, and masks seen in them put back into the image."""

import numpy as np
import pytest

from vlam_ros.perception.objects import Window, refined
from vlam_ros.types import SceneObject

IMAGE = (240, 320)
GRID = (80, 80)
"""A pixel of the mask is 3 rows high and 4 columns wide in the image."""


def candidate(rows: slice, columns: slice) -> SceneObject:
    mask = np.zeros(GRID, bool)
    mask[rows, columns] = True
    return SceneObject("cup", (0, 0, 4, 4), mask, 0.8, 0.8, 0.5)


def refine(
    coarse: SceneObject, window: Window, probability: np.ndarray, min_area: int = 1
) -> SceneObject | None:
    return refined(coarse, window, probability, IMAGE, mask_threshold=0.5, min_area=min_area)


def test_the_mask_of_a_crop_lands_where_the_crop_was_cut() -> None:
    window = Window(left=100, top=60, side=64)
    probability = np.zeros((64, 64), np.float32)
    probability[6:36, 20:52] = 0.9  # rows 66..96, columns 120..152 of the image
    seen = refine(candidate(slice(20, 40), slice(25, 45)), window, probability)
    assert seen is not None
    assert seen.box == (120, 66, 152, 96)
    assert seen.mask[22:32, 30:38].all()
    assert seen.mask.sum() == 10 * 8


def test_a_neighbour_in_the_same_crop_is_left_to_itself() -> None:
    probability = np.zeros((64, 64), np.float32)
    probability[10:30, 2:20] = probability[10:30, 40:62] = 0.9
    seen = refine(candidate(slice(24, 30), slice(26, 29)), Window(100, 60, 64), probability)
    assert seen is not None
    assert seen.box == (102, 70, 120, 90)


@pytest.mark.parametrize(
    "piece", [None, (slice(10, 30), slice(40, 62)), (slice(12, 15), slice(8, 12))]
)
def test_what_a_closer_look_does_not_find_is_no_object(piece: tuple[slice, slice] | None) -> None:
    """Nothing at all, only a neighbour, or too little of it."""
    probability = np.zeros((64, 64), np.float32)
    if piece:
        probability[piece] = 0.9
    coarse = candidate(slice(24, 30), slice(26, 29))
    assert refine(coarse, Window(100, 60, 64), probability, min_area=4) is None


def test_a_window_beyond_the_edge_keeps_its_place() -> None:
    probability = np.full((64, 64), 0.9, np.float32)
    seen = refine(candidate(slice(0, 5), slice(0, 5)), Window(-32, -32, 64), probability)
    assert seen is not None
    assert seen.box == (0, 0, 32, 32)
    assert seen.mask[:10, :8].all()
    assert not seen.mask[11:, :].any()


def test_the_part_of_a_crop_that_a_mask_covers() -> None:
    # Rows 60..120 and columns 100..160 of the image: the first 60 of each in the crop.
    mask = candidate(slice(20, 40), slice(25, 40)).mask
    part = Window(left=100, top=60, side=64).part_of(mask, IMAGE, 64)
    assert part[:60, :60].all()
    assert part.sum() == 60 * 60
    half = Window(left=100, top=60, side=64).part_of(mask, IMAGE, 32)
    assert half[:30, :30].all()
    assert half.sum() == 30 * 30


def test_nothing_beyond_the_edge_is_part_of_a_mask() -> None:
    part = Window(-32, -32, 64).part_of(np.ones(GRID, bool), IMAGE, 64)
    assert part[32:, 32:].all()
    assert part.sum() == 32 * 32


def test_a_mask_too_small_for_the_pixels_of_a_crop_is_judged_by_all_of_it() -> None:
    mask = candidate(slice(20, 21), slice(25, 26)).mask
    assert Window(left=0, top=0, side=240).part_of(mask, IMAGE, 2).all()
