"""What a camera does to an image leaves its labels true."""

import numpy as np
import pytest

from vlam_ros.lab.generators import LabelledImage, Thing
from vlam_ros.lab.generators import camera as cameras
from vlam_ros.lab.generators.camera import photographed

RED = (210, 20, 20)


@pytest.fixture
def shown() -> LabelledImage:
    """A red square on grey, off the middle."""
    image = np.full((240, 320, 3), 120, np.uint8)
    labels = np.zeros((240, 320), np.uint8)
    labels[20:80, 30:110] = 1
    image[labels == 1] = RED
    return LabelledImage(image, labels, (Thing("box", "red"),))


def test_labels_follow_what_the_lens_moves(shown: LabelledImage) -> None:
    moved = 0
    for seed in range(30):
        taken = photographed(shown, np.random.default_rng(seed))
        red, _, blue = np.moveaxis(taken.image.astype(int), -1, 0)
        seen = red - blue > 60
        common = np.count_nonzero(seen & (taken.labels == 1))
        union = np.count_nonzero(seen | (taken.labels == 1))
        assert common / union > 0.85
        moved += not np.array_equal(taken.labels, shown.labels)
    assert 5 <= moved <= 16


def test_the_same_draw_takes_the_same_image(shown: LabelledImage) -> None:
    one, two = (photographed(shown, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    assert not np.array_equal(one.image, photographed(shown, np.random.default_rng(8)).image)


def test_a_camera_without_faults_shows_what_was_rendered(
    shown: LabelledImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISTORTED", "BLURRED", "EXPOSED", "NOISY", "COMPRESSED"):
        monkeypatch.setattr(cameras, name, 0.0)
    taken = photographed(shown, np.random.default_rng(0))
    np.testing.assert_array_equal(taken.image, shown.image)
    np.testing.assert_array_equal(taken.labels, shown.labels)
