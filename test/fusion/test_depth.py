"""Projection against OpenCV, and what may not be projected."""

import cv2
import numpy as np
import pytest

from vlam_ros.fusion import densify, depth_image
from vlam_ros.lab.evaluation.fusion import LENSES, opencv_pixels
from vlam_ros.types import Camera, optical_rotation


def camera(lens: str, rotation: np.ndarray | None = None, focal: float = 420.0) -> Camera:
    model, distortion = LENSES[lens]
    return Camera(
        640, 480, focal, 1.02 * focal, 322.0, 238.5,
        rotation=optical_rotation(0.0) if rotation is None else rotation,
        position=np.array([0.1, 0.03, 0.6]),
        distortion=distortion,
        distortion_model=model,
    )  # fmt: skip


@pytest.mark.parametrize("lens", LENSES)
def test_projection_agrees_with_opencv_to_a_hundredth_of_a_pixel(lens: str) -> None:
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(20):
        turn, _ = cv2.Rodrigues(rng.uniform(-3, 3, 3))
        eye = camera(lens, turn)
        points = rng.uniform(-8, 8, (500, 3)).astype(np.float32)
        pixels, depth = eye.project(points)
        found = np.isfinite(depth)
        seen += np.count_nonzero(found)
        theirs = opencv_pixels(eye, points[found].astype(np.float64))
        assert np.abs(pixels[found] - theirs).max(initial=0) <= 0.01
        optical = (points - eye.position) @ eye.rotation
        np.testing.assert_allclose(depth[found], optical[found, 2], atol=1e-5)
    assert seen > 300


@pytest.mark.parametrize("lens", LENSES)
def test_a_pixel_and_its_ray_are_inverse(lens: str) -> None:
    u, v = np.meshgrid(np.linspace(0, 639, 9), np.linspace(0, 479, 7))
    pixels = np.stack([u.ravel(), v.ravel()], axis=1)
    eye = camera(lens)
    points = eye.position + 3 * eye.rays(pixels) @ eye.rotation.T
    np.testing.assert_allclose(eye.project(points)[0], pixels, atol=0.01)


@pytest.mark.parametrize("lens", LENSES)
def test_what_is_behind_beside_or_nowhere_is_not_projected(lens: str) -> None:
    eye = camera(lens)
    points = np.array(
        [
            [-2, 0, 0.6],
            [0.1, 2, 0.6],
            [2, 50, 0.6],
            [np.nan, 0, 0],
            [np.inf, 0, 0],
            [0.1, 0.03, 0.6],
        ]
    )
    pixels, depth = eye.project(points)
    assert np.isnan(pixels).all()
    assert np.isnan(depth).all()


def test_a_folding_lens_brings_nothing_from_outside_into_the_image() -> None:
    """A strong barrel maps far points back to the middle: OpenCV does, a camera does not."""
    eye = Camera(
        640, 480, 300, 300, 319.5, 239.5, optical_rotation(0), np.zeros(3),
        distortion=(-0.3, 0.0, 0.0, 0.0, 0.0),
    )  # fmt: skip
    outside = np.array([[1.0, y, 0.0] for y in np.linspace(1.4, 2.2, 20)])
    folded = opencv_pixels(eye, outside)
    assert ((folded[:, 0] >= 0) & (folded[:, 0] < 640)).any()
    assert np.isnan(eye.project(outside)[1]).all()


def test_the_nearest_of_several_points_wins_whatever_their_order() -> None:
    eye = camera("no distortion")
    axis = eye.rotation[:, 2]
    for depths in ((2.0, 1.5, 3.0), (1.5, 2.0, 3.0), (3.0, 2.0, 1.5)):
        image = depth_image(np.array([eye.position + d * axis for d in depths]), eye)
        assert np.isfinite(image).sum() == 1
        assert np.nanmin(image) == np.float32(1.5)


def test_a_wall_has_its_depth_at_every_pixel_it_is_hit() -> None:
    eye = camera("plumb_bob")
    y, z = np.meshgrid(np.linspace(-1, 1, 80), np.linspace(0, 1.2, 60))
    wall = np.stack([np.full(y.size, 2.1), y.ravel(), z.ravel()], axis=1)
    image = depth_image(wall, eye)
    assert image.dtype == np.float32
    assert np.isfinite(image).sum() > 2000
    np.testing.assert_allclose(image[np.isfinite(image)], 2.0, atol=1e-5)


def test_densifying_spreads_the_nearest() -> None:
    sparse = np.full((40, 40), np.nan, np.float32)
    sparse[20, 20], sparse[20, 24] = 2.0, 1.0
    dense = densify(sparse, radius=6)
    assert dense[20, 22] == pytest.approx(1.0)
    assert dense[20, 15] == pytest.approx(2.0)
    assert np.isnan(dense[0, 0])
    assert np.isnan(densify(np.full((4, 4), np.nan, np.float32))).all()
