from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlam_ros.configuration import PerceptionSettings
from vlam_ros.errors import ModelError
from vlam_ros.perception import Perceiver
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.perception.familiarity import Density, Familiarity
from vlam_ros.types import Missing, Observation

WIDTH = 48


def statistics(count: int, seed: int = 0, offset: float = 0.0) -> np.ndarray:
    """Of images that vary in few directions, as those of one camera do."""
    directions = np.random.default_rng(99).normal(size=(6, WIDTH))
    rng = np.random.default_rng(seed)
    varied = rng.normal(size=(count, 6)) @ directions + 0.1 * rng.normal(size=(count, WIDTH))
    return (varied + offset).astype(np.float32)


def test_one_in_a_hundred_of_the_same_kind_is_unfamiliar_and_all_of_another_kind() -> None:
    density = Density.fit(statistics(200))
    same, other = statistics(2000, seed=1), statistics(100, seed=2, offset=1.0)
    assert 0 < np.mean(density.distances(same) > 1) <= 0.02
    assert density.distances(other).min() > 1


def test_few_images_of_a_wide_tower_suffice() -> None:
    wide = np.random.default_rng(3).normal(size=(WIDTH, 2304)).astype(np.float32)
    density = Density.fit(statistics(40) @ wide)
    assert np.mean(density.distances(statistics(500, seed=1) @ wide) > 1) < 0.1
    assert density.distances(np.ones((1, 2304), np.float32) * 100)[0] > 1


def test_a_density_of_fewer_numbers_is_of_the_last_ones() -> None:
    images, earlier = statistics(60), np.full((60, 7), 3, np.float32)
    density = Density.fit(images)
    np.testing.assert_array_equal(
        density.distances(np.concatenate([earlier, images], 1)), density.distances(images)
    )


@pytest.mark.parametrize("images", [statistics(19), np.ones((50, WIDTH), np.float32)])
def test_too_few_images_and_copies_of_one_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ModelError, match="20 different ones are the least"):
        Density.fit(images)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    known = Familiarity(Density.fit(statistics(60)), Density.fit(statistics(90, seed=5)))
    known.save(tmp_path)
    again = Familiarity.load(tmp_path)
    images = statistics(10, seed=6)
    assert again.width == WIDTH
    for part in ("image", "crop"):
        expected = getattr(known, part).distances(images)
        np.testing.assert_array_equal(getattr(again, part).distances(images), expected)


@pytest.mark.parametrize(
    "change",
    [
        {"mean": np.zeros(WIDTH - 1, np.float32)},
        {"limit": np.float32(0)},
        {"rest": np.float32("nan")},
        {"deviations": np.zeros(0, np.float32)},
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, change: dict[str, np.ndarray]) -> None:
    density = Density.fit(statistics(60))
    path = Familiarity(density, density).save(tmp_path)
    arrays = dict(np.load(path))
    arrays |= {f"crop.{name}": value for name, value in change.items()}
    np.savez(path, **arrays)
    with pytest.raises(ModelError, match="calibrate the checkpoint again"):
        Familiarity.load(tmp_path)


@pytest.mark.parametrize("data", [None, b"", b"PK\x03\x04 torn", b"{}"])
def test_a_missing_or_torn_file_is_refused(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "familiarity.npz").write_bytes(data)
    with pytest.raises(ModelError, match=r"cannot read .*familiarity.npz"):
        Familiarity.load(tmp_path)


def test_distances_do_not_depend_on_the_company() -> None:
    density = Density.fit(statistics(60))
    images = statistics(8, seed=4)
    alone = np.concatenate([density.distances(image[None]) for image in images])
    np.testing.assert_allclose(density.distances(images), alone, rtol=1e-5)
    assert dataclasses.replace(density, limit=density.limit * 2).distances(images) == pytest.approx(
        alone / 2
    )


def test_an_image_in_which_nothing_is_found_is_judged_like_any_other(
    tiny_checkpoint: Path, settings: PerceptionSettings
) -> None:
    grounder = ClipsegGrounder.from_pretrained(tiny_checkpoint, "cpu")
    assert grounder.calibration is not None
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    width = grounder.statistics(grounder.encode_image(image)).shape[1]
    density = Density.fit(np.random.default_rng(1).normal(size=(40, width)).astype(np.float32))
    grounder.calibration = replace(
        grounder.calibration, mask_threshold=1.0, familiarity=Familiarity(density, density)
    )
    seen = Observation(0, 0, image, Missing("no camera is needed"))
    scene, _ = Perceiver(grounder, settings).perceive(seen, ["red cup"], ["red cup"])
    assert scene.objects == ()
    assert scene.unfamiliarity > 0
