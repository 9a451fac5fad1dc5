import cv2
import numpy as np
import pytest
from drawn import Written
from hypothesis import given, settings
from hypothesis import strategies as st

from vlam_ros.errors import ImageError
from vlam_ros.lab.visualization import draw_depth
from vlam_ros.lab.visualization.depth import DIM, TINT

HEIGHT, WIDTH = 480, 640
IMAGE = np.full((HEIGHT, WIDTH, 3), (200, 100, 50), np.uint8)
GREY = DIM * (0.299 * 200 + 0.587 * 100 + 0.114 * 50)
BAR = HEIGHT + 20
"""A row of the legend's bar."""
LEFT, RIGHT = 26, WIDTH - 27
"""The columns of its ends."""


def sparse(*values: tuple[int, int, float], shape: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Depth that is known of some pixels (row, column, metres)."""
    depth = np.full(shape, np.nan, np.float32)
    for row, column, metres in values:
        depth[row, column] = metres
    return depth


def warmth(pixel: np.ndarray) -> int:
    return int(pixel[0]) - int(pixel[2])


def test_near_is_warm_and_far_is_cold_as_in_the_legend() -> None:
    depths = [(100, 100 * (i + 1), metres) for i, metres in enumerate((1.0, 1.5, 2.0, 2.5, 3.0))]
    result = draw_depth(IMAGE, sparse(*depths))
    discs = [result[row, column] for row, column, _ in depths]
    shares = [(metres - 1.0) / 2.0 for *_, metres in depths]
    bar = [result[BAR, round(LEFT + share * (RIGHT - LEFT))] for share in shares]
    np.testing.assert_allclose(discs, bar, atol=6)
    assert warmth(discs[0]) > 150
    assert warmth(discs[4]) < -100
    hues = cv2.cvtColor(result[BAR : BAR + 1, LEFT:RIGHT], cv2.COLOR_RGB2HSV)[0, :, 0].astype(int)
    assert (np.diff(hues) >= -1).all()  # from red over yellow and green to blue
    assert hues[-1] - hues[0] > 90


def test_what_is_beyond_the_scale_has_the_colour_of_its_end() -> None:
    usual = np.linspace(1.0, 3.0, 300)
    depth = sparse(*((400, i, metres) for i, metres in enumerate(usual)))
    depth[100, 100], depth[100, 300] = 0.2, 90.0
    result = draw_depth(IMAGE, depth)
    assert (result[100, 100] == result[BAR, LEFT]).all()
    assert (result[100, 300] == result[BAR, RIGHT]).all()


def test_a_return_is_a_disc_of_some_pixels_and_the_image_is_grey_around_it() -> None:
    result = draw_depth(IMAGE, sparse((100, 100, 1.0)))
    coloured = np.ptp(result[:HEIGHT].astype(int), axis=2) > 30
    assert 12 <= coloured.sum() <= 40
    rows, columns = np.nonzero(coloured)
    assert (rows.mean(), columns.mean()) == pytest.approx((100, 100), abs=0.5)
    np.testing.assert_allclose(result[300, 300], GREY, atol=2)


def test_of_two_discs_the_nearer_one_is_whole() -> None:
    one, other = (100, 100), (100, 102)
    for near, far in ((one, other), (other, one)):
        result = draw_depth(IMAGE, sparse((*near, 1.0), (*far, 3.0)))
        assert (result[near] == result[BAR, LEFT]).all()
        assert (result[100, 101] == result[BAR, LEFT]).all()


def test_dense_depth_tints_what_is_known_and_nothing_else() -> None:
    depth = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    depth[200:300, 200:300] = np.nan
    result = draw_depth(IMAGE, depth)
    expected = TINT * result[BAR, LEFT] + (1 - TINT) * GREY
    np.testing.assert_allclose(result[100, 100], expected, atol=2)
    np.testing.assert_allclose(result[250, 250], GREY, atol=2)


@pytest.mark.parametrize("nothing", [np.nan, np.inf, 0.0, -1.0])
def test_without_any_depth_the_image_says_so(nothing: float, written: list[Written]) -> None:
    result = draw_depth(IMAGE, np.full((HEIGHT, WIDTH), nothing, np.float32))
    assert written[0].text.startswith("no depth")
    np.testing.assert_allclose(result[:HEIGHT], round(GREY), atol=2)


def test_the_legend_has_its_metres_in_their_places(written: list[Written]) -> None:
    draw_depth(IMAGE, sparse((1, 1, 0.02), (1, 2, 3.98)))
    ticks = {w.text: (w.left + w.right) / 2 for w in written if w.text[0].isdigit()}
    assert ticks["0.0"] == pytest.approx(LEFT, abs=1)
    assert ticks["2.0"] == pytest.approx((LEFT + RIGHT) / 2, abs=1)
    assert ticks["4.0"] == pytest.approx(RIGHT, abs=1)


def test_a_few_wild_returns_do_not_stretch_the_colours(written: list[Written]) -> None:
    depth = sparse()
    depth[::10, ::10] = np.linspace(1.0, 2.0, 64)
    depth[0, :20:10] = 0.01, 500.0
    draw_depth(IMAGE, depth)
    ticks = [float(w.text) for w in written if w.text[0].isdigit()]
    assert (ticks[0], ticks[-1]) == (1.0, 2.0)


def test_noise_on_a_wall_is_no_relief() -> None:
    depth = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    depth[::2] += 0.01
    result = draw_depth(IMAGE, depth)
    assert np.abs(result[100, 100].astype(int) - result[101, 100]).max() < 40


@pytest.mark.parametrize(
    ("shape", "drawn"), [((480, 640), (480, 640)), ((60, 80), (480, 640)), ((720, 960), (720, 960))]
)
def test_images_are_at_least_640_wide(shape: tuple[int, int], drawn: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 100, np.uint8)
    row, column = shape[0] // 2, shape[1] // 4
    result = draw_depth(image, sparse((row, column, 1.0), shape=shape))
    assert result.dtype == np.uint8
    assert result.shape[1] == drawn[1]
    assert 60 < (result.shape[0] - drawn[0]) * 640 / drawn[1] < 110
    scale = drawn[1] / shape[1]
    middle = round((row + 0.5) * scale - 0.5), round((column + 0.5) * scale - 0.5)
    assert warmth(result[middle]) > 150


def test_depth_of_another_image_is_refused() -> None:
    with pytest.raises(ImageError, match=r"640x480 image, got float\[240, 320\]"):
        draw_depth(IMAGE, np.ones((240, 320), np.float32))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 300), st.integers(1, 300), st.floats(0.001, 1e4), st.floats(0, 1), st.integers(0)
)
def test_any_depth_can_be_drawn(
    height: int, width: int, metres: float, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    depth = (metres * rng.random((height, width))).astype(np.float32)
    depth[rng.random((height, width)) > share] = np.nan
    before, image = depth.copy(), np.zeros((height, width, 3), np.uint8)
    assert draw_depth(image, depth).shape[1] >= 640
    np.testing.assert_array_equal(depth, before)
    assert not image.any()
