"""Objects for learning something new: what they look like, and that nothing else knows them."""

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.extra_objects import (
    EXTRA_SHAPES,
    EXTRA_SIZES,
    extra_assets,
    extra_scene,
    extra_scene_of_seed,
    random_extra,
)
from vlam_ros.lab.simulation.scene import (
    COLOURS,
    SHAPES,
    CameraSpec,
    ObjectSpec,
    SceneSpec,
    footprint_radius,
    random_scene,
    scene_of_seed,
)
from vlam_ros.lab.simulation.world import World
from vlam_ros.lab.training.captions import known_words

FLAT = (1.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(320, 240, extra=True) as world:
        yield world


def from_above(world: World, shape: str) -> np.ndarray:
    """The mask of an object that lies below the camera."""
    lying = ObjectSpec(shape, "red", (0.8, 0.1, 0.1), (0.1, 0.1, 0.0), (0.5, 0.0, 0.02), FLAT, 2)
    world.load(SceneSpec((lying,), CameraSpec(x=0.5, height=0.5, tilt=math.pi / 2)))
    return world.render().labels == 1


def test_no_other_scene_and_no_word_of_the_embedded_model_is_about_them() -> None:
    assert len(EXTRA_SHAPES) == 5
    assert not set(EXTRA_SHAPES) & (set(SHAPES) | known_words())


def test_ordinary_scenes_are_what_they_were_before_there_were_extra_objects() -> None:
    splits = ("train", "validation", "test", "composition")
    text = "".join(repr(scene_of_seed(split, i)) for split in splits for i in range(25))
    text = re.sub(r"-?\d+\.\d+(e-?\d+)?", lambda m: f"{float(m[0]):.6f}", text)
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "7842840e818de5313e9a6990b00aa3a343102c4cfe281b230b9d9da8d3369593"
    )


def test_ordinary_scenes_look_the_same_in_a_world_with_extra_objects(world: World) -> None:
    with World(320, 240) as ordinary:
        for seed in range(3):
            scene = random_scene(np.random.default_rng(seed))
            ordinary.load(scene)
            world.load(scene)
            one, other = ordinary.render(), world.render()
            np.testing.assert_array_equal(one.image, other.image)
            np.testing.assert_array_equal(one.labels, other.labels)


def test_an_ordinary_world_refuses_them() -> None:
    with World(64, 48) as ordinary, pytest.raises(SimulationError, match=r"'ring' is an extra"):
        ordinary.load(extra_scene_of_seed("train", 0))


@pytest.mark.parametrize(
    ("shape", "filled"),
    [
        # The share of the square around an outline of this kind that it covers.
        ("ring", math.pi * (1 - 0.56**2) / 4),
        ("star", 0.39),
        ("cross", (2 * 0.6 * 2 - 0.6**2) / 4),
        ("wedge", 0.5),
        ("arch", math.pi / 2 * (1 - 0.6**2) / 2),
    ],
)
def test_each_has_its_outline(world: World, shape: str, filled: float) -> None:
    mask = from_above(world, shape)
    rows, columns = np.nonzero(mask)
    box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert mask.sum() / box == pytest.approx(filled, abs=0.07)


def test_one_looks_through_the_ring(world: World) -> None:
    mask = from_above(world, "ring")
    rows, columns = np.nonzero(mask)
    assert not mask[int(rows.mean()), int(columns.mean())]


def vertices(thing: ObjectSpec) -> np.ndarray:
    """float[N,3] of its mesh, m, as the object stands."""
    text = re.search(rf'name="{thing.shape}{thing.variant}" vertex="([^"]*)"', extra_assets())
    assert text
    w, *axis = thing.quaternion
    points, v = np.array(text[1].split(), float).reshape(-1, 3), np.array(axis)
    turned = points + 2 * np.cross(v, np.cross(v, points) + w * points)
    return turned + thing.position


@pytest.mark.parametrize("shape", EXTRA_SHAPES)
def test_they_stand_on_the_floor_within_their_footprint(shape: str) -> None:
    rng = np.random.default_rng(0)
    things = [random_extra(rng, shape, "red") for _ in range(12)]
    for thing in things:
        points = vertices(thing)
        assert points[:, 2].min() == pytest.approx(0.0, abs=1e-4)
        reach = np.hypot(points[:, 0], points[:, 1]).max()
        assert 0.85 * footprint_radius(thing) < reach < 1.01 * footprint_radius(thing)
    assert {thing.variant for thing in things} == set(range(len(EXTRA_SIZES)))
    stands = {thing.quaternion[1] != 0 for thing in things}
    assert len(stands) == (2 if shape in ("ring", "star", "cross") else 1)


@pytest.mark.parametrize("shape", ["wedge", "arch"])
def test_the_world_puts_them_there(world: World, shape: str) -> None:
    thing = random_extra(np.random.default_rng(0), shape, "red")
    world.load(SceneSpec((replace(thing, position=(3.0, 0.0, thing.position[2])),)))
    top = vertices(thing)[:, 2].max()
    back = np.array([[-1.0, 0.0, 0.0]])

    def is_hit(z: float) -> bool:
        ways = [world.cast(np.array([4.0, y, z]), back)[0] for y in np.linspace(-0.1, 0.1, 41)]
        return min(ways) < 1.5

    assert [is_hit(z) for z in (-0.004, 0.004, top - 0.004, top + 0.004)] == [
        False, True, True, False,
    ]  # fmt: skip


def test_scenes_hold_one_of_them_first_apart_from_ordinary_ones() -> None:
    shares = []
    for i in range(100):
        scene = extra_scene_of_seed("train", i)
        extra, *others = scene.objects
        assert extra.shape == EXTRA_SHAPES[i % 5]
        assert 0 < len(others) < 5
        assert {o.shape for o in others} <= set(SHAPES)
        for other in (*others, *scene.clutter):
            gap = math.dist(extra.position[:2], other.position[:2])
            assert gap > footprint_radius(extra) + footprint_radius(other)
        shares.append(any(o.colour == extra.colour for o in others))
    assert 0.5 < np.mean(shares) < 0.8
    assert {extra_scene_of_seed("test", i).objects[0].colour for i in range(60)} == set(COLOURS)


def test_a_seed_is_a_scene_and_splits_share_none() -> None:
    assert extra_scene_of_seed("test", 3) == extra_scene_of_seed("test", 3)
    splits = ("train", "validation", "test")
    assert len({repr(extra_scene_of_seed(split, 3)) for split in splits}) == 3
    assert extra_scene(np.random.default_rng(3), "ring") != extra_scene_of_seed("train", 3)
