from itertools import combinations

import numpy as np
import pytest

from vlam_ros.lab.visualization.floor_map import LEFT_FIRST, RIGHT_FIRST, Labels, Named
from vlam_ros.visualization.canvas import Rectangle, overlap

WIDTH, HEIGHT = 300, 200
SIZE = (60, 16)
BLANK = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def drawn(labels: Labels) -> list[Rectangle]:
    """Where the labels are drawn."""
    labels.draw(BLANK.copy())
    places, PLACES[:] = list(PLACES), []
    return places


PLACES: list[Rectangle] = []


def draw(_: np.ndarray, place: Rectangle) -> None:
    PLACES.append(place)


def labels(details: np.ndarray | None = None) -> Labels:
    return Labels(np.zeros((HEIGHT, WIDTH), bool) if details is None else details)


@pytest.mark.parametrize(("directions", "left"), [(RIGHT_FIRST, 160), (LEFT_FIRST, 80)])
def test_a_label_lies_beside_what_it_names(directions: tuple[int, ...], left: int) -> None:
    some = labels()
    some.add(Named((150, 100), 7), SIZE, draw, gap=3, directions=directions)
    assert drawn(some) == [(left, 92, left + 60, 108)]


def test_labels_lie_in_the_image_and_not_on_each_other_or_on_symbols() -> None:
    some = labels()
    some.keep_free((150, 100), 12)
    for corner in [(150, 100)] * 15 + [(0, 0), (299, 199), (0, 199)]:
        some.add(Named(corner, 12), SIZE, draw)
    places = drawn(some)
    assert len(places) > 10
    assert all(x0 >= 0 and y0 >= 0 and x1 <= WIDTH and y1 <= HEIGHT for x0, y0, x1, y1 in places)
    pairs = combinations([*places, (138, 88, 163, 113)], 2)
    assert not any(overlap(a, b) for a, b in pairs)


def test_details_are_covered_only_where_there_is_no_other_place() -> None:
    details = np.zeros((HEIGHT, WIDTH), bool)
    details[:, 150:] = True
    some = labels(details)
    some.add(Named((150, 100), 7), SIZE, draw)
    assert drawn(some)[0][2] <= 150
    some = labels(np.ones((HEIGHT, WIDTH), bool))
    some.add(Named((150, 100), 7), SIZE, draw)
    assert len(drawn(some)) == 1


def test_what_finds_no_place_near_enough_is_left_out() -> None:
    some = labels()
    some.keep_free((150, 100), 60)
    some.add(Named((150, 100), 7), SIZE, draw, farthest=30)
    some.add(Named((150, 100), 7), (400, 16), draw)
    assert drawn(some) == []


def test_leaders_are_under_the_labels_and_begin_at_the_symbol() -> None:
    some, image = labels(), BLANK.copy()
    red = (255, 0, 0)

    def fill(image: np.ndarray, place: Rectangle) -> None:
        image[place[1] : place[3], place[0] : place[2]] = 255

    some.add(Named((150, 100), 10), SIZE, fill, gap=20)
    some.add(Named((150, 100), 10, red), SIZE, fill, gap=80, directions=(0,))
    some.draw(image)
    assert (image[100, 180:240] == 255).all()  # the first label, under which the leader goes on
    np.testing.assert_allclose(image[100, 165], red, atol=30)
    assert not image[100, 141:159].any()
