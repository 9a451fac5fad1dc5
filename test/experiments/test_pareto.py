"""The front of a sweep against a search over all pairs, and its image."""

import math
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
from pareto import FRONT, OTHER, SweepPoint, pareto_front, plot_front

from vlam_ros.errors import LearningError


def run(a: float, b: float, weight: float = 0.5) -> SweepPoint:
    return SweepPoint({"a": weight, "b": 1 - weight}, {"a": a, "b": b})


def test_what_another_beats_is_not_on_the_front() -> None:
    best_b, middle, best_a, beaten, level = (
        run(4, 1), run(2, 2), run(1, 4), run(3, 3), run(2, 3),
    )  # fmt: skip
    assert pareto_front([best_b, beaten, middle, level, best_a]) == [best_a, middle, best_b]


def test_equal_runs_stay_both_and_diverged_ones_do_not() -> None:
    twins = [run(1, 1, 0.2), run(1, 1, 0.3)]
    assert pareto_front([run(math.nan, 0), *twins, run(0.5, math.inf), run(0, -math.inf)]) == twins
    assert pareto_front([]) == []
    assert pareto_front([run(math.nan, 1)]) == []


@pytest.mark.parametrize("seed", range(3))
def test_the_front_equals_a_search_over_all_pairs(seed: int) -> None:
    draw = random.Random(seed)
    points = [SweepPoint({}, {n: draw.randint(0, 6) for n in "abc"}) for _ in range(60)]

    def beats(one: SweepPoint, other: SweepPoint) -> bool:
        pairs = [(one.losses[n], other.losses[n]) for n in "abc"]
        return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)

    expected = [p for p in points if not any(beats(q, p) for q in points)]
    front = pareto_front(points)
    assert 0 < len(front) < 60
    assert sorted(map(id, front)) == sorted(map(id, expected))
    assert [p.losses["a"] for p in front] == sorted(p.losses["a"] for p in front)


def centres(image: np.ndarray, colour: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Centres of the discs of a colour, from left to right."""
    mask = cv2.erode(np.all(image == colour, axis=2).astype(np.uint8), np.ones((5, 5)))
    _, _, _, found = cv2.connectedComponentsWithStats(mask)
    return sorted((round(x), round(y)) for x, y in found[1:])


def test_the_plot_shows_the_front_and_what_it_beats_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "front.png"
    points = [run(1, 3, 0.9), run(2, 2.9, 0.5), run(3, 1, 0.1), run(3, 3), run(math.nan, 0)]
    plot_front(points, "a", "b", path)
    image = cv2.imread(str(path))
    assert image.shape == (540, 720, 3)
    # Axes from 0.8 to 3.2 over columns 90..650 and rows 460..60.
    places = [
        (90 + (a - 0.8) / 2.4 * 560, 460 - (b - 0.8) / 2.4 * 400)
        for a, b in [(1, 3), (2, 2.9), (3, 1)]
    ]
    for seen, expected in zip(centres(image, FRONT), places, strict=True):
        assert seen == pytest.approx(expected, abs=1)
    (beaten,) = centres(image, OTHER)
    assert beaten == pytest.approx((90 + 2.2 / 2.4 * 560, 460 - 2.2 / 2.4 * 400), abs=1)


def test_the_front_that_is_drawn_is_that_of_the_two_tasks(tmp_path: Path) -> None:
    points = [
        SweepPoint({"a": 1}, dict(zip("abc", v, strict=True))) for v in [(1, 1, 9), (2, 2, 1)]
    ]
    assert len(pareto_front(points)) == 2
    plot_front(points, "a", "b", tmp_path / "front.png")
    assert len(centres(cv2.imread(str(tmp_path / "front.png")), FRONT)) == 1


@pytest.mark.parametrize("loss", [0.0, 2.5, -1.0])
def test_a_single_run_is_drawn_inside_the_axes(tmp_path: Path, loss: float) -> None:
    plot_front([run(loss, loss)], "a", "b", tmp_path / "front.png")
    ((x, y),) = centres(cv2.imread(str(tmp_path / "front.png")), FRONT)
    assert 90 <= x <= 650
    assert 60 <= y <= 460


def test_sweeps_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "front.png"
    other = SweepPoint({}, {"a": 1.0})
    with pytest.raises(LearningError, match=r"same tasks, a, b among them, got \['a'\]"):
        pareto_front([run(1, 1), other])
    with pytest.raises(LearningError, match=r"same tasks, a, c among them, got \['a', 'b'\]"):
        plot_front([run(1, 1)], "a", "c", path)
    for points in ([], [run(math.nan, 1)]):
        with pytest.raises(LearningError, match="a run with finite losses, got none"):
            plot_front(points, "a", "b", path)
    with pytest.raises(OSError, match="missing"):
        plot_front([run(1, 1)], "a", "b", tmp_path / "missing" / "front.png")
