"""What procedural images show, and that it never is what tests are kept for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations

import cv2
import numpy as np
import pytest

from vlam_ros.errors import SimulationError
from vlam_ros.lab.generators import NONE, UNDECIDED, LabelledImage
from vlam_ros.lab.generators.generator import MAX_THINGS
from vlam_ros.lab.generators.procedural import Procedural
from vlam_ros.lab.generators.procedural.arrangements import WIDTHS, Arrangement, arrangement
from vlam_ros.lab.generators.procedural.bodies import Body, pattern_pool
from vlam_ros.lab.generators.procedural.meshes import MAKINGS, TRAINED, mesh, numbers
from vlam_ros.lab.generators.procedural.nameless_solids import dented, spikes
from vlam_ros.lab.generators.procedural.paint import BETWEEN, RANGES
from vlam_ros.lab.generators.procedural.solids import box
from vlam_ros.lab.generators.vocabulary import vocabulary
from vlam_ros.lab.simulation.extra_objects import EXTRA_SHAPES
from vlam_ros.lab.simulation.scene import HELD_OUT_PAIRS, SHAPES

SPLITS = ("train", "validation", "test")


@cache
def drawn(split: str) -> tuple[Arrangement, ...]:
    return tuple(arrangement(split, index) for index in range(150))


def bodies(split: str) -> list[Body]:
    return [body for shown in drawn(split) for body in shown.bodies]


@pytest.fixture(scope="module")
def generator() -> Iterator[Procedural]:
    with Procedural() as made:
        yield made


@pytest.fixture(scope="module")
def images(generator: Procedural) -> list[LabelledImage]:
    return [generator.draw("train", index) for index in range(6)]


def test_nothing_is_made_that_stands_for_shapes_never_trained() -> None:
    kept = {*EXTRA_SHAPES, "torus", "plus", "half ring", "prism"}
    made = {making.name for making in MAKINGS} | {making.noun for making in MAKINGS}
    assert not made & kept
    assert not kept & {name for names in vocabulary().synonyms.values() for name in names}


def test_an_outline_has_neither_the_points_of_a_star_nor_the_arms_of_a_cross() -> None:
    rng = np.random.default_rng(0)
    assert all(spikes(np.hypot(*dented(rng).T)) <= 2 for _ in range(100))


@pytest.mark.parametrize("split", SPLITS)
def test_no_held_out_pair_is_shown_even_in_a_pattern(split: str) -> None:
    shown = {(body.thing.colour, body.thing.noun) for body in bodies(split)}
    for body in bodies(split):
        if body.pattern is not None:
            own = pattern_pool()[body.pattern].colours
            shown |= {(colour, body.thing.noun) for colour in own}
    assert len(shown) > 200
    assert not shown & HELD_OUT_PAIRS


def test_a_pattern_of_two_colours_leaves_the_colour_undecided() -> None:
    patterned = [body for body in bodies("train") if body.pattern is not None]
    two = [body for body in patterned if pattern_pool()[body.pattern or 0].colours]
    assert len(two) > 10
    assert {body.thing.colour for body in two} == {UNDECIDED}


def test_everything_is_called_by_a_word_of_the_vocabulary() -> None:
    for body in bodies("train"):
        vocabulary().indices(body.thing)
    nouns = Counter(body.thing.noun for body in bodies("train"))
    assert {*SHAPES, NONE, UNDECIDED} < set(nouns)
    assert len(nouns) == len(SHAPES) + 14 + 2


def test_training_sees_none_of_the_meshes_that_validation_sees() -> None:
    seen = {
        split: {body.number for body in bodies(split) if body.kind == "mesh"} for split in SPLITS
    }
    assert max(seen["train"]) < TRAINED <= min(seen["validation"] | seen["test"])
    assert all(numbers(making.noun, trained=False) for making in MAKINGS)


def test_no_tint_has_two_names() -> None:
    assert set(RANGES) == set(vocabulary().colours)
    for one, other in combinations([*RANGES.values(), *BETWEEN], 2):
        (hues, *rest), (other_hues, *other_rest) = one, other
        turns = ([h + turn for h in other_hues] for turn in (-360, 0, 360))
        apart = all(_apart(hues, turned) for turned in turns)
        assert apart or any(map(_apart, rest, other_rest)), (one, other)


def _apart(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[1] < other[0] or other[1] < one[0]


def test_things_stand_on_their_surface_apart_and_neither_large_nor_small() -> None:
    for shown in drawn("train"):
        for i, body in enumerate(shown.bodies):
            u, v, ahead = shown.view.seen(body.position)
            assert 0 < u < shown.view.width
            assert 0 < v < shown.view.height_px
            share = 2 * body.reach() * shown.view.focal / ahead / shown.view.width
            assert WIDTHS[0] < share < WIDTHS[1]
            assert body.position[2] - body.lowest() == pytest.approx(
                shown.bodies[0].position[2] - shown.bodies[0].lowest()
            )
            x, y = body.position[:2]
            for wall in shown.walls:
                assert (x, y, -y)[wall.side] + body.reach() < wall.distance
            for other in shown.bodies[:i]:
                gap = np.hypot(*(body.position - other.position)[:2])
                assert gap > body.reach() + other.reach() - 1e-9


def test_some_images_show_nothing_that_has_a_name_and_none_too_much() -> None:
    named = [
        sum(body.thing.noun not in (NONE, UNDECIDED) for body in shown.bodies)
        for shown in drawn("train")
    ]
    assert min(named) == 0
    assert max(named) >= 10
    assert max(len(shown.bodies) for shown in drawn("train")) <= MAX_THINGS


def test_meshes_are_closed_and_seen_from_outside() -> None:
    for number in range(len(MAKINGS)):
        solid = mesh(number).solid
        a, b, c = solid.vertices[solid.faces].transpose(1, 0, 2)
        assert np.einsum("ij,ij->", a, np.cross(b, c)) > 0, MAKINGS[number].name
        edges = np.concatenate([solid.faces[:, [i, (i + 1) % 3]] for i in range(3)])
        assert Counter(map(tuple, edges)) == Counter(map(tuple, edges[:, ::-1]))


def test_the_edges_of_a_box_are_sharp() -> None:
    normals = box(1, 2, 3).corner_normals()
    assert np.allclose(np.abs(normals).max(axis=1), 1)


def test_an_image_is_the_same_whenever_it_is_asked_for(
    generator: Procedural, images: list[LabelledImage]
) -> None:
    again = generator.draw("train", 2)
    assert np.array_equal(again.image, images[2].image)
    assert np.array_equal(again.labels, images[2].labels)
    assert again.things == images[2].things


def test_labels_lie_where_the_things_are(images: list[LabelledImage]) -> None:
    seen = 0
    for index, image in enumerate(images):
        shown = arrangement("train", index)
        assert image.image.shape == (shown.view.height_px, shown.view.width, 3)
        assert image.labels.shape == image.image.shape[:2]
        assert image.labels.max() <= len(image.things) == len(shown.bodies)
        for i, body in enumerate(shown.bodies):
            if body.kind == "mesh":
                points = mesh(body.number).solid.vertices @ body.matrix.T + body.position
                corners = np.array([shown.view.seen(point)[:2] for point in points])
                hull = cv2.convexHull(np.round(corners - 0.5).astype(np.int32))
                outline = cv2.fillConvexPoly(np.zeros_like(image.labels), hull, 1)
                outside = cv2.dilate(outline, np.ones((3, 3), np.uint8)) == 0
                assert not (outside & (image.labels == i + 1)).any()
                seen += int((image.labels == i + 1).any())
    assert seen > 10


def test_a_split_that_is_none_is_refused() -> None:
    with pytest.raises(SimulationError, match="a split is one of"):
        arrangement("composition", 0)
