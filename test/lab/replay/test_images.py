import numpy as np
import pytest

from vlam_ros.errors import ReplayError
from vlam_ros.lab.replay.images import DecisionImages, ImageAlbum


class Painter:
    """Draws images that tell their decision, and counts them."""

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def of(self, index: int):
        def draw() -> DecisionImages:
            self.drawn.append(index)
            return DecisionImages(str(index).encode(), None)

        return draw


def filled(limit: int, count: int, important: set[int] = frozenset()) -> ImageAlbum:
    album, painter = ImageAlbum(limit), Painter()
    for i in range(count):
        album.offer(i, painter.of(i), i in important)
        assert len(album.images) <= limit
    assert all(p.overlay == str(i).encode() for i, p in album.images.items())
    return album


def test_all_images_of_a_short_run_are_kept() -> None:
    assert list(filled(8, 4).images) == [0, 1, 2, 3]


def test_a_longer_run_keeps_evenly_spread_ones() -> None:
    assert list(filled(8, 5).images) == [0, 2, 4]
    assert list(filled(8, 16).images) == [0, 4, 8, 12]


@pytest.mark.parametrize("count", [1, 7, 100, 101, 2000, 2049])
def test_between_a_quarter_and_half_of_the_limit_is_spread_over_any_run(count: int) -> None:
    kept = list(filled(200, count).images)
    assert min(count, 50) <= len(kept) <= 100
    assert len(set(np.diff(kept))) <= 1  # evenly
    assert count - 1 - kept[-1] <= (kept[1] if len(kept) > 1 else 0)


def test_important_ones_have_a_half_of_their_own() -> None:
    album = filled(20, 1000, important={501, 502, 503, 999})
    assert {501, 502, 503, 999} <= set(album.images)
    assert len(album.images) == 4 + 8  # 0, 128, … beside them


def test_many_important_ones_are_thinned_out_too() -> None:
    kept = set(filled(20, 1000, important=set(range(400, 600))).images)
    among = sorted(kept & set(range(400, 600)) - {512})
    assert among == list(range(400, 600, 32))


def test_only_what_is_kept_is_drawn_and_once() -> None:
    album, painter = ImageAlbum(4), Painter()
    for i in range(64):
        album.offer(i, painter.of(i), important=True)
    assert painter.drawn == [0, 1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize(("limit", "kept"), [(0, []), (1, [0]), (2, [0]), (3, [0, 8])])
def test_small_limits_are_kept_to(limit: int, kept: list[int]) -> None:
    assert list(filled(limit, 16).images) == kept


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ReplayError, match="must be at least 0, got -1"):
        ImageAlbum(-1)
