"""What random scenes hold."""

import math

import numpy as np
import pytest

from vlam_ros.lab.simulation.scene import (
    COLOURS,
    HELD_OUT_PAIRS,
    SHAPES,
    SPLIT_SEEDS,
    footprint_radius,
    random_scene,
    scene_of_seed,
)

SEEDS = range(200)


def test_the_vocabulary_has_8_colours_7_shapes_and_8_pairs_held_out_of_it() -> None:
    assert (len(COLOURS), len(SHAPES), len(HELD_OUT_PAIRS)) == (8, 7, 8)
    assert all(c in COLOURS and s in SHAPES for c, s in HELD_OUT_PAIRS)


def test_held_out_pairs_never_occur_where_models_learn_or_are_tuned() -> None:
    for split in ("train", "validation", "test"):
        scenes = [scene_of_seed(split, i) for i in SEEDS]
        pairs = {(o.colour, o.shape) for scene in scenes for o in scene.objects}
        assert not pairs & HELD_OUT_PAIRS
        assert len(pairs) == 8 * 7 - 8


def test_composition_scenes_are_half_made_of_held_out_pairs() -> None:
    objects = [o for i in SEEDS for o in scene_of_seed("composition", i).objects]
    share = np.mean([(o.colour, o.shape) in HELD_OUT_PAIRS for o in objects])
    assert 0.4 < share < 0.6


def test_a_seed_is_a_scene_and_splits_share_none() -> None:
    assert scene_of_seed("test", 3) == scene_of_seed("test", 3)
    assert len({repr(scene_of_seed(split, 3)) for split in SPLIT_SEEDS}) == len(SPLIT_SEEDS)


@pytest.mark.parametrize("seed", range(20))
def test_objects_stand_on_the_floor_apart_and_ahead(seed: int) -> None:
    scene = random_scene(np.random.default_rng(seed))
    everything = (*scene.objects, *scene.clutter)
    for i, a in enumerate(everything):
        assert a.position[0] > 0
        assert a.position[2] > 0
        for b in everything[:i]:
            distance = math.dist(a.position[:2], b.position[:2])
            assert distance > footprint_radius(a) + footprint_radius(b)
