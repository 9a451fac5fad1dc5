"""What a training step sees agrees with the scenes it comes from."""

import numpy as np
import torch

from vlam_ros.lab.simulation.scene import SHAPES
from vlam_ros.lab.training import batches
from vlam_ros.lab.training.captions import COLOUR_NAMES, TRAINED_PAIRS
from vlam_ros.lab.training.scenes import SceneData


def test_phrases_stand_at_their_rows() -> None:
    phrases = batches.phrases(np.random.default_rng(0))
    assert len(phrases) == batches.NONSENSE + batches.NONSENSE_COUNT
    for row, (colour, shape) in enumerate(TRAINED_PAIRS):
        assert f"{colour} {shape}" in phrases[row]
    assert "empty floor" in phrases[batches.FLOOR]
    assert all(SHAPES[i] in phrases[batches.NOUNS + i] for i in range(7))
    assert all(COLOUR_NAMES[i] in phrases[batches.COLOURS + i] for i in range(8))


def test_a_whole_scene_keeps_its_objects(data: SceneData) -> None:
    """Mirrored and noisy, but each label covers the colour of its object."""
    images, labels, pairs = batches.draw_scenes(data, np.random.default_rng(3), 6, 160)
    channels = [COLOUR_NAMES.index(name) for name in ("red", "green", "blue")]
    checked = 0
    for image, marks, scene in zip(images, labels, pairs, strict=True):
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
    _, labels, pairs = batches.draw_crops(data, np.random.default_rng(0), 40, 64)
    for marks, (colour, _) in zip(labels, pairs, strict=True):
        assert bool((marks == 1).any()) == (colour >= 0)


def test_patch_labels_by_hand() -> None:
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    labels[0, :8, 8:] = 1  # a whole patch
    labels[0, 8:, :8][:, :3] = 2  # three eighths of a patch: neither floor nor object
    rows = torch.tensor([[batches.FLOOR, 5, 7]])
    expected = [batches.FLOOR, 5, batches.IGNORE, batches.FLOOR]
    assert batches.patch_labels(labels, rows, 8)[0].tolist() == expected


def test_prompt_masks_are_the_pixels_of_what_is_named() -> None:
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[0, 0], labels[0, 1] = 1, 2
    red, blue = COLOUR_NAMES.index("red"), COLOUR_NAMES.index("blue")
    box, ball = SHAPES.index("box"), SHAPES.index("ball")
    pairs = np.full((1, 12, 2), -1)
    pairs[0, :2] = (red, box), (blue, box)
    rows = np.array(
        [
            batches.PAIR_ROW[red, box],
            batches.PAIR_ROW[red, ball],
            batches.NOUNS + box,
            batches.COLOURS + blue,
            batches.NONSENSE,
        ]
    )
    masks = batches.prompt_masks(labels, pairs, np.zeros(5, int), rows)
    assert [m.sum().item() for m in masks] == [4, 0, 8, 4, 0]
    assert masks[0, 0].all()
    assert masks[3, 1].all()


def test_half_of_the_prompts_are_there_and_a_third_of_the_others_share_the_colour(
    data: SceneData,
) -> None:
    rng = np.random.default_rng(0)
    _, labels, pairs = batches.draw_scenes(data, rng, 60, 160)
    positives = batches.scene_targets(labels, pairs)
    which, rows = batches.draw_prompts(positives, rng, 6)
    named = rows < batches.NONSENSE
    there = np.zeros(len(rows), bool)
    there[named] = positives[torch.from_numpy(which[named]), torch.from_numpy(rows[named])]
    assert 0.45 < there.mean() < 0.55
    similar = [
        any(TRAINED_PAIRS[r][0] == TRAINED_PAIRS[t][0] for t in np.flatnonzero(positives[w, :48]))
        for w, r in zip(which[~there], rows[~there], strict=True)
        if r < batches.PAIRS
    ]
    assert sum(similar) / (~there).sum() > 1 / 3
