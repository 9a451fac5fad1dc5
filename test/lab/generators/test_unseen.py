"""The unseen generator is another world: its images, their labels, and what it is not used for."""

import ast
from pathlib import Path

import numpy as np
import pytest

import vlam_ros.lab.generators
from vlam_ros.errors import SimulationError
from vlam_ros.lab.generators import LabelledImage, generator_named
from vlam_ros.lab.generators.unseen.lens import photographed
from vlam_ros.lab.generators.unseen.solids import SOLIDS, Mesh, rgb_of
from vlam_ros.lab.simulation.scene import COLOURS, HELD_OUT_PAIRS, SHAPES

COUNT = 8


@pytest.fixture(scope="module")
def images() -> list[LabelledImage]:
    with generator_named("unseen") as generator:
        return [generator.draw("test", index) for index in range(COUNT)]


def test_an_image_is_a_function_of_its_index(images: list[LabelledImage]) -> None:
    with generator_named("unseen") as generator:
        again = generator.draw("test", 1)
    assert (again.image == images[1].image).all()
    assert (again.labels == images[1].labels).all()
    assert again.things == images[1].things != images[2].things


@pytest.mark.parametrize("split", ["train", "validation", "composition"])
def test_nothing_is_trained_or_chosen_on_it(split: str) -> None:
    with pytest.raises(SimulationError, match="nothing is trained or chosen"):
        generator_named("unseen").draw(split, 0)


def test_labels_are_of_things_and_no_pair_is_held_out(images: list[LabelledImage]) -> None:
    for drawn in images:
        assert drawn.image.shape == (*drawn.labels.shape, 3)
        assert 1 <= drawn.labels.max() <= len(drawn.things) <= 7
        assert not {(thing.colour, thing.noun) for thing in drawn.things} & HELD_OUT_PAIRS
    assert {thing.noun for drawn in images for thing in drawn.things} == set(SHAPES)
    assert len({drawn.labels.shape for drawn in images}) > 1


def test_a_label_covers_pixels_of_its_colour(images: list[LabelledImage]) -> None:
    wrong, seen = [], 0
    for drawn in images:
        for i, thing in enumerate(drawn.things):
            pixels = drawn.image[drawn.labels == i + 1]
            if thing.colour in ("red", "green", "blue") and len(pixels) > 200:
                strongest = np.median(pixels, axis=0).argmax()
                seen += 1
                if ("red", "green", "blue")[strongest] != thing.colour:
                    wrong.append(thing)
    assert seen >= 5
    assert not wrong


@pytest.mark.parametrize("noun", SHAPES)
def test_a_solid_stands_on_the_floor_within_its_circle(noun: str) -> None:
    for seed in range(30):
        solid = SOLIDS[noun](np.random.default_rng(seed))
        for part in solid.parts:
            if isinstance(part, Mesh):
                x, y, z = part.vertices.T
                # As it lies, its axis is on the floor.
                across, up = (np.hypot(y, z), x) if solid.lies else (np.hypot(x, y), z)
                assert across.max() <= solid.radius + 1e-9
                assert up.min() >= -solid.height - 1e-9


def test_colours_are_read_in_its_own_way_and_unlike_each_other() -> None:
    rng = np.random.default_rng(0)
    tints = {name: np.array([rgb_of(rng, name) for _ in range(50)]) for name in COLOURS}
    for name, rgb in tints.items():
        others = np.concatenate([tint for other, tint in tints.items() if other != name])
        apart = np.linalg.norm(rgb[:, None] - others, axis=-1)
        assert apart.min() > 0.1, name


def test_the_lens_bends_image_and_labels_alike() -> None:
    rows, columns = np.mgrid[:480, :640] // 80
    labels = ((rows + columns) % 2).astype(np.uint8)
    image = np.repeat((labels * 200)[..., None], 3, axis=2)
    for seed in range(10):
        seen, where = photographed(np.random.default_rng(seed), image, labels)
        light = seen.mean(axis=2)
        assert np.mean((light > light.mean()) == where) > 0.98


def test_it_shares_no_code_with_other_generators() -> None:
    parts = ("images", "lens", "solids", "surfaces")
    allowed = {*(f"generators.unseen.{part}" for part in parts), "generators.generator"}
    allowed |= {"simulation.engine", "simulation.scene"}
    paths = sorted((Path(vlam_ros.lab.generators.__path__[0]) / "unseen").glob("*.py"))
    assert {path.stem for path in paths} == {"__init__", *parts}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and ".lab." in node.module:
                assert node.module.removeprefix("vlam_ros.lab.") in allowed
                if node.module.endswith(".scene"):
                    assert {n.name for n in node.names} <= {"COLOURS", "SHAPES", "HELD_OUT_PAIRS"}
