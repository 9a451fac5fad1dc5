"""What a training step sees agrees with the scenes it comes from."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vlam_ros.lab.generators import NONE, UNDECIDED, Thing, generator_named
from vlam_ros.lab.generators.vocabulary import NO_THING, vocabulary
from vlam_ros.lab.simulation.scene import HELD_OUT_PAIRS
from vlam_ros.lab.training import batches
from vlam_ros.lab.training.batches import TextRows
from vlam_ros.lab.training.scenes import SceneData, load_splits, render_split, resize

WORDS = vocabulary()
RED, GREEN, BLUE = (WORDS.colour_names.index(name) for name in ("red", "green", "blue"))
BOX, BALL, CUP = (WORDS.nouns.index(name) for name in ("box", "ball", "cup"))


@pytest.fixture
def rows() -> TextRows:
    return TextRows(
        np.array([(RED, BOX), (RED, BALL), (BLUE, BOX)]),
        np.array([BOX, BALL, CUP]),
        np.array([RED, BLUE]),
    )


def of(*things: tuple[str, str]) -> batches.Things:
    """(colour, noun) indices."""
    return np.array([WORDS.indices(Thing(noun, colour)) for colour, noun in things], np.int16)


def test_phrases_stand_at_their_rows(rows: TextRows) -> None:
    phrases = rows.phrases(np.random.default_rng(0))
    assert len(phrases) == rows.nonsense + batches.NONSENSE
    named = ["red box", "red ball", "blue box", "empty floor", "box", "ball", "", "red ", "blue "]
    assert all(name in phrase for name, phrase in zip(named, phrases[: rows.nonsense], strict=True))
    assert any(name in phrases[6] for name in WORDS.synonyms["cup"])
    assert phrases[rows.vocabularies["colours"]] == phrases[7:9]


def test_what_is_true_of_a_thing_and_what_is_undecided(rows: TextRows) -> None:
    things = of(("red", "box"), ("red", UNDECIDED), (UNDECIDED, "ball"), ("green", NONE))
    truth = rows.truth(np.concatenate([things, np.full((1, 2), NO_THING, np.int16)]))
    meaningless = [-1] * batches.NONSENSE
    # red box, red ball, blue box; floor; box, ball, cup; red, blue
    assert truth.tolist() == [
        [1, -1, -1, -1, 1, -1, -1, 1, -1, *meaningless],
        [0, 0, -1, -1, 0, 0, 0, 1, -1, *meaningless],
        [-1, 0, -1, -1, -1, 1, -1, 0, 0, *meaningless],
        [-1, -1, -1, -1, -1, -1, -1, -1, -1, *meaningless],
        [-1, -1, -1, 1, -1, -1, -1, -1, -1, *meaningless],
    ]


def test_a_step_has_rows_for_its_things_and_none_for_pairs_held_out() -> None:
    own = of(("red", "box"), ("white", "box"), ("green", "ball"))
    drawn = batches.text_rows(np.random.default_rng(0), own)
    pairs = {(WORDS.colour_names[c], WORDS.nouns[n]) for c, n in drawn.pairs.tolist()}
    every = len(WORDS.colours) * len(WORDS.nouns) - len(HELD_OUT_PAIRS)
    assert len(drawn.pairs) == len(pairs) == min(batches.PAIRS, every)
    assert {("red", "box"), ("green", "ball")} <= pairs
    assert not pairs & HELD_OUT_PAIRS


def test_a_whole_scene_keeps_its_objects(data: SceneData) -> None:
    """Mirrored and noisy, but each label covers the colour of its object."""
    images, labels, things = batches.draw_scenes(data, np.random.default_rng(3), 6, 160)
    channels = [RED, GREEN, BLUE]
    checked = 0
    for image, marks, scene in zip(images, labels, things, strict=True):
        for i, (colour, _) in enumerate(scene):
            here = marks == i + 1
            if colour in channels and here.sum() > 50:
                assert image[:, here].mean(1).argmax() == channels.index(colour)
                checked += 1
    assert checked > 0


def test_every_window_shows_an_object(data: SceneData) -> None:
    images, labels, _ = batches.draw_scenes(data, np.random.default_rng(0), 40, 96)
    assert images.shape == (40, 3, 96, 96)
    assert all((marks > 0).any() for marks in labels)


def test_the_object_of_a_crop_is_in_its_middle(data: SceneData) -> None:
    _, labels, things = batches.draw_crops(data, np.random.default_rng(0), 40, 64)
    for marks, (colour, _) in zip(labels, things, strict=True):
        assert bool((marks == 1).any()) == (colour != NO_THING)


def labels_and_truth(rows: TextRows) -> tuple[torch.Tensor, torch.Tensor]:
    """An image with a red box above a green ball of undecided colour, above a speck of blue box."""
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    labels[0, :4], labels[0, 4:8], labels[0, 8, :3] = 1, 2, 3
    things = of(("red", "box"), (UNDECIDED, "ball"), ("blue", "box"))
    return labels, torch.from_numpy(rows.truth(batches.scene_things(things[None])))


def test_patch_labels_by_hand(rows: TextRows) -> None:
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    labels[0, :8, 8:] = 1  # a whole patch
    labels[0, 8:, :8][:, :3] = 2  # three eighths of a patch: neither floor nor object
    labels[0, 8:, 8:][:, :5] = 3  # five eighths
    things = of(("red", "ball"), ("blue", "box"), (UNDECIDED, "ball"))
    truth = torch.from_numpy(rows.truth(batches.scene_things(things[None])))
    named, others = batches.patch_labels(labels, truth, 8)
    assert named[0].tolist() == [rows.floor, 1, batches.IGNORE, 5]
    # What is true of it too, and what may be.
    assert [o.nonzero()[:, 0].tolist() for o in others[0][[0, 1, 3]]] == [[], [5, 7], [1, 7, 8]]


def test_what_shows_little_is_neither_there_nor_not(rows: TextRows) -> None:
    truth = batches.seen_truth(*labels_and_truth(rows))
    # The red ball and blue things are undecided: of the ball's colour nothing is known, and the
    # blue box can hardly be seen.
    assert truth[0, : rows.nonsense].tolist() == [1, 0, 0, -1, 1, 1, -1, 1, 0]


def test_prompt_masks_are_the_pixels_of_what_is_named(rows: TextRows) -> None:
    labels, truth = labels_and_truth(rows)
    asked = torch.tensor([0, 1, 4, 8, rows.nonsense])
    masks, judged = batches.prompt_masks(labels, truth, torch.zeros(5, dtype=torch.long), asked)
    assert [m.sum().item() for m in masks] == [64, 0, 67, 3, 0]
    # Whether the ball is a red one, or a blue thing, is not known.
    assert [j.sum().item() for j in judged] == [256, 192, 256, 192, 256]
    assert masks[0, 0].all()


def test_half_of_the_prompts_are_there_and_a_third_of_the_others_share_the_colour(
    data: SceneData,
) -> None:
    rng = np.random.default_rng(0)
    _, labels, things = batches.draw_scenes(data, rng, 60, 160)
    rows = batches.text_rows(rng, things.reshape(-1, 2))
    truth = batches.seen_truth(
        labels, torch.from_numpy(rows.truth(batches.scene_things(things)))
    ).numpy()
    which, asked = batches.draw_prompts(truth, rows, rng, 6)
    answers = truth[which, asked]
    assert 0 not in answers
    assert 0.45 < (answers == 1).mean() < 0.55
    absent = [(w, r) for w, r in zip(which, asked, strict=True) if truth[w, r] == -1]
    colours = {w: {rows.pairs[t][0] for t in np.flatnonzero(truth[w, : rows.floor] == 1)}
               for w, _ in absent}  # fmt: skip
    similar = [rows.pairs[r][0] in colours[w] for w, r in absent if r < rows.floor]
    assert sum(similar) / len(absent) > 1 / 3


def test_an_image_is_as_a_camera_takes_it_unless_it_is_not_photographed(tmp_path: Path) -> None:
    taken, drawn = tmp_path / "taken", tmp_path / "drawn"
    for folder, photograph in ((taken, True), (drawn, False)):
        render_split(folder, "rooms", "train", 1, 480, photograph=photograph)
    with generator_named("rooms") as rooms:
        shown = rooms.draw("train", 0).image
    images = [load_splits(f, {"rooms": 1}, "train", 480).images[0] for f in (taken, drawn)]
    assert np.array_equal(images[1], resize(shown, 480))
    assert not np.array_equal(*images)
