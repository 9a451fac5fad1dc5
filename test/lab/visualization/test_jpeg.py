import cv2
import numpy as np
import pytest

from vlam_ros.errors import ImageError
from vlam_ros.lab.visualization.jpeg import jpeg

WIDE = np.zeros((60, 200, 3), np.uint8)
WIDE[..., 0] = 240  # red


def decoded(data: bytes) -> np.ndarray:
    return cv2.cvtColor(
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB
    )


def test_a_wide_image_is_made_smaller_in_its_proportions_and_keeps_its_colours() -> None:
    small = decoded(jpeg(WIDE, width=100, quality=90))
    assert small.shape == (30, 100, 3)
    assert np.abs(small.astype(int) - (240, 0, 0)).max() < 12


def test_a_small_image_is_not_made_larger() -> None:
    assert decoded(jpeg(WIDE, width=1000, quality=90)).shape == (60, 200, 3)


def test_a_line_of_pixels_does_not_vanish() -> None:
    assert decoded(jpeg(WIDE[:1], width=10, quality=90)).shape == (1, 10, 3)


def test_less_quality_is_less_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert len(jpeg(noise, 30, 64)) < 0.6 * len(jpeg(noise, 90, 64))


@pytest.mark.parametrize(
    "image", [WIDE[..., 0], WIDE[..., :2], WIDE.astype(np.float32), WIDE[:0]], ids=str
)
def test_what_is_no_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"an image must be uint8\[H,W,3\], got"):
        jpeg(image, 90, 100)


@pytest.mark.parametrize(("width", "quality"), [(0, 90), (100, 0), (100, 101)])
def test_a_size_or_quality_out_of_range_is_refused(width: int, quality: int) -> None:
    with pytest.raises(ImageError, match=f"got {width} and {quality}"):
        jpeg(WIDE, quality, width)
