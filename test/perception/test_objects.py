from collections.abc import Mapping

import numpy as np
import pytest

from vlam_ros.perception import find_objects
from vlam_ros.types import SceneObject

SHAPE = (20, 40)


def logits_of(**patches: tuple[slice, slice, float]) -> np.ndarray:
    """One mask per prompt: logit -4, and the given logit in one rectangle."""
    masks = np.full((len(patches), *SHAPE), -4.0, np.float32)
    for mask, (rows, columns, value) in zip(masks, patches.values(), strict=True):
        mask[rows, columns] = value
    return masks


def find(
    logits: np.ndarray,
    prompts: tuple[str, ...],
    opponents: Mapping[str, tuple[str, ...]],
    min_area: int = 4,
    tolerance: float = 0.0,
) -> tuple[SceneObject, ...]:
    return find_objects(
        logits, prompts, opponents, (240, 480),
        mask_threshold=0.5, tolerance=tolerance, min_area=min_area,
    )  # fmt: skip


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def test_a_patch_becomes_an_object_with_box_score_and_margin() -> None:
    logits = logits_of(cup=(slice(5, 9), slice(10, 16), 2.0), ball=(slice(0, 20), slice(0, 40), 0))
    (found,) = find(logits, ("cup", "ball"), {"cup": ("ball",)})
    assert found.phrase == "cup"
    assert found.box == (120, 60, 192, 108)
    assert found.mask.shape == SHAPE
    assert found.mask.sum() == 24
    assert found.mask_score == pytest.approx(sigmoid(2.0), abs=1e-6)
    assert found.score == found.mask_score
    assert found.margin == pytest.approx(sigmoid(2.0) - 0.5, abs=1e-6)
    assert not found.second_look


def test_boxes_cover_their_mask_pixels_where_the_scale_is_not_whole() -> None:
    logits = logits_of(cup=(slice(5, 9), slice(10, 15), 2.0))
    (found,) = find_objects(
        logits, ("cup",), {"cup": ()}, (50, 90), mask_threshold=0.5, tolerance=0.0, min_area=1
    )
    assert found.box == (22, 12, 34, 23)


def test_with_tolerance_a_piece_stays_whole_where_an_opponent_leads_a_little() -> None:
    everywhere, left = (slice(5, 15), slice(5, 15), 1.0), (slice(5, 15), slice(5, 10), 1.5)
    logits = logits_of(cup=everywhere, ball=left)
    opponents = {"cup": ("ball",)}
    lead = sigmoid(1.5) - sigmoid(1.0)
    (torn,) = find(logits, ("cup", "ball"), opponents, tolerance=lead - 0.01)
    (whole,) = find(logits, ("cup", "ball"), opponents, tolerance=lead + 0.01)
    assert (torn.mask.sum(), whole.mask.sum()) == (50, 100)
    assert whole.margin == pytest.approx((sigmoid(1.0) - sigmoid(-4.0) - lead) / 2, abs=1e-6)


def test_a_piece_that_is_taken_for_a_lookalike_is_looked_at_and_one_of_a_rival_is_not() -> None:
    logits = logits_of(
        cup=(slice(0, 1), slice(0, 1), -4.0),
        box=(slice(5, 9), slice(10, 16), 2.0),
        ball=(slice(12, 16), slice(10, 16), 2.0),
    )
    prompts, opponents = ("cup", "box", "ball"), {"cup": ("box", "ball")}
    assert find(logits, prompts, opponents) == ()
    (found,) = find_objects(
        logits, prompts, opponents, (240, 480),
        mask_threshold=0.5, tolerance=0.0, min_area=4, lookalikes={"cup": ("box",)},
    )  # fmt: skip
    assert (found.phrase, found.box) == ("cup", (120, 60, 192, 108))
    assert found.mask_score == pytest.approx(sigmoid(2.0), abs=1e-6)
    assert found.margin == pytest.approx(sigmoid(-4.0) - sigmoid(2.0), abs=1e-6)


def test_a_pixel_belongs_to_its_best_prompt_only() -> None:
    everywhere = (slice(5, 15), slice(5, 15), 1.0)
    left = (slice(5, 15), slice(5, 10), 3.0)
    logits = logits_of(cup=everywhere, ball=left)
    found = find(logits, ("cup", "ball"), {"cup": ("ball",), "ball": ("cup",)})
    cup, ball = (next(o for o in found if o.phrase == p) for p in ("cup", "ball"))
    assert not (cup.mask & ball.mask).any()
    assert cup.mask.sum() == ball.mask.sum() == 50
    assert found[0] is ball  # best first


def test_an_opponent_that_is_as_good_leaves_nothing() -> None:
    same = (slice(5, 15), slice(5, 15), 1.0)
    assert find(logits_of(cup=same, ball=same), ("cup", "ball"), {"cup": ("ball",)}) == ()


def test_phrases_that_do_not_compete_share_their_pixels() -> None:
    same = (slice(5, 15), slice(5, 15), 1.0)
    found = find(logits_of(a=same, b=same), ("cup", "red cup"), {"cup": (), "red cup": ()})
    assert {o.phrase for o in found} == {"cup", "red cup"}
    assert np.array_equal(found[0].mask, found[1].mask)


def test_pixels_below_the_threshold_and_small_pieces_are_left_out() -> None:
    logits = logits_of(cup=(slice(0, 3), slice(0, 3), 2.0), ball=(slice(9, 19), slice(9, 19), -0.1))
    assert find(logits, ("cup", "ball"), {"cup": (), "ball": ()}, min_area=10) == ()
    assert len(find(logits, ("cup", "ball"), {"cup": (), "ball": ()}, min_area=9)) == 1


def test_separate_pieces_are_separate_objects() -> None:
    logits = logits_of(cup=(slice(2, 6), slice(2, 6), 2.0))
    logits[0, 10:14, 20:24] = 3.0
    found = find(logits, ("cup",), {"cup": ()})
    assert [o.box for o in found] == [(240, 120, 288, 168), (24, 24, 72, 72)]


@pytest.mark.filterwarnings("error")
def test_large_logits_do_not_overflow() -> None:
    logits = logits_of(cup=(slice(0, 5), slice(0, 5), 1e4), ball=(slice(0, 5), slice(0, 5), -1e4))
    (found,) = find(logits, ("cup", "ball"), {"cup": ("ball",)})
    assert (found.mask_score, found.margin) == (1.0, 1.0)
