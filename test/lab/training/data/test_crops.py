"""Crops show the thing they are named after, and what varies leaves its names true."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vlam_ros.configuration import Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.training.data.crops import CropStream, crops, plain_crops
from vlam_ros.lab.training.data.dataset import Dataset, Labelled
from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.index import Annotation
from vlam_ros.lab.training.data.segmentation import encode
from vlam_ros.lab.training.data.writer import DatasetWriter
from vlam_ros.lab.training.examples import Batch
from vlam_ros.lab.training.hard_negatives import HardNegatives
from vlam_ros.types.arrays import BoolArray

SIZE = 32
RGB = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (40, 40, 200)}


def scene(
    *things: tuple[str, tuple[int, int], int], grey: int = 120
) -> tuple[Labelled, list[BoolArray]]:
    """A grey image 240 x 320 of discs: names, joined by "/", middle (x, y) and radius."""
    image = np.full((240, 320, 3), grey, np.uint8)
    found, masks = [], []
    for names, middle, radius in things:
        mask = np.zeros((240, 320), np.uint8)
        cv2.circle(mask, middle, radius, 1, -1)
        colour = next((RGB[c] for c in RGB if c in names), (230, 230, 230))
        image[mask > 0] = colour
        masks.append(mask > 0)
        found += [(name, mask > 0) for name in names.split("/")]
    return Labelled(image, found), masks


def dataset(folder: Path, *scenes: Labelled) -> Dataset:
    with DatasetWriter(folder, "a test") as writer:
        for i, (image, things) in enumerate(scenes):
            # No two images may be the same.
            image[0, 0] = i
            seen = [Annotation(name, encode(mask)) for name, mask in things]
            writer.add(encode_image(image), f"s{i}", f"p{i}", seen, split="train")
    return Dataset(folder, "train")


@pytest.fixture
def old(tmp_path: Path) -> Dataset:
    return dataset(
        tmp_path / "old",
        scene(("cup/green cup", (100, 100), 30), ("box/blue box", (220, 100), 40), grey=50)[0],
        scene(("ball/blue ball", (150, 100), 40), grey=50)[0],
    )


@pytest.fixture
def new(tmp_path: Path) -> Dataset:
    return dataset(
        tmp_path / "new",
        scene(("ring", (60, 60), 20), ("box", (200, 150), 30))[0],
        scene(("red star", (60, 60), 25), ("ring", (200, 150), 30))[0],
        scene(("ring", (160, 120), 60))[0],
    )


def negatives(*some: Dataset) -> HardNegatives:
    return HardNegatives(Settings.load().perception, [p for each in some for p in each.phrases])


def test_a_thing_fills_its_crop_and_has_all_its_names() -> None:
    labelled, masks = scene(("cup/red cup", (100, 100), 20), ("cup", (130, 100), 8))
    large, small = crops(labelled, 68)
    assert large.names == ("cup", "red cup")
    # 41 pixels and 0.7 of it around are a window of 70.
    assert large.cover.sum() == pytest.approx(masks[0].sum() * (68 / 70) ** 2, rel=0.01)
    # What is called "cup" is both; "red cup" is one.
    assert large.masks["cup"].sum() > large.masks["red cup"].sum() == large.cover.sum()
    assert large.around == (("cup",),)
    assert np.allclose(large.pixels[large.cover].mean(0), np.array(RGB["red"]) / 255, atol=0.05)
    assert masks[1].sum() > 60
    assert small.names == ("cup",)


def test_a_thing_at_the_edge_keeps_its_proportions_and_specks_are_left_out() -> None:
    labelled, _ = scene(("cup", (5, 100), 30), ("box", (300, 200), 3))
    (edge,) = crops(labelled, 60)
    rows, columns = (np.flatnonzero(edge.cover.any(axis=axis)) for axis in (1, 0))
    # 61 high and 36 wide in the image, of which nothing is left of the edge.
    assert np.ptp(rows) / np.ptp(columns) == pytest.approx(61 / 36, rel=0.08)


def same(one: Batch, other: Batch) -> bool:
    return one.phrases == other.phrases and torch.equal(one.pixels, other.pixels)


def test_a_step_is_drawn_the_same_whenever_it_is_asked_for(new: Dataset, old: Dataset) -> None:
    def stream(seed: int = 0) -> CropStream:
        known = negatives(new, old)
        before = CropStream(old, SIZE, 4, known, seed=seed)
        return CropStream(new, SIZE, 6, known, phrases=["ring"], few=True, before=before, seed=seed)

    first = stream()
    steps = [first.batch(step) for step in range(3)]
    assert same(stream().batch(2), steps[2])
    assert not same(steps[0], steps[1])
    assert not same(stream(seed=1).batch(0), steps[0])


def test_every_phrase_comes_as_often_as_any_other(new: Dataset) -> None:
    stream = CropStream(new, SIZE, 3, negatives(new))
    assert stream.phrases == ("box", "red star", "ring")
    batches = [stream.batch(step) for step in range(6)]
    counts = Counter(
        batch.phrases[column] for batch in batches for column in batch.positives.nonzero()[:, 1]
    )
    assert counts == {"box": 6, "red star": 6, "ring": 6}


def test_what_is_asked_is_true_and_then_false(new: Dataset, old: Dataset) -> None:
    known = negatives(new, old)
    stream = CropStream(old, SIZE, 6, known)
    absent = set()
    for step in range(20):
        batch = stream.batch(step)
        assert batch.pixels.shape == (6, 3, SIZE, SIZE)
        assert batch.images.tolist() == [i for i in range(6) for _ in range(2)]
        for pair, (image, phrase) in enumerate(zip(batch.images, batch.asked, strict=True)):
            true = batch.positives[image, phrase].item()
            assert true == (pair % 2 == 0) == batch.masks[pair].any().item()
            names = tuple(batch.phrases[i] for i in batch.positives[image].nonzero()[:, 0])
            if not true:
                absent.add(batch.phrases[phrase])
                assert known.excludes(names, batch.phrases[phrase])
    assert {"ring", "box", "ball"} <= absent
    assert {"red cup", "blue cup"} & absent


def test_few_things_get_other_surroundings_and_colours_but_a_red_one_stays_red(
    new: Dataset, old: Dataset
) -> None:
    known = negatives(new, old)
    before = CropStream(old, SIZE, 4, known)
    stream = CropStream(new, SIZE, 6, known, phrases=["ring", "red star"], few=True, before=before)
    colours: dict[str, list[torch.Tensor]] = {"ring": [], "red star": []}
    around = []
    for step in range(8):
        batch = stream.batch(step)
        for pair in range(0, len(batch.asked), 2):
            pixels, mask = batch.pixels[batch.images[pair]], batch.masks[pair] > 0.5
            colours[batch.phrases[batch.asked[pair]]].append(pixels[:, mask].mean(1))
            around.append(pixels[:, ~mask].median())
    red = torch.stack(colours["red star"])
    assert (red[:, 0] > 2 * red[:, 1:].amax(1)).all()
    assert torch.stack(colours["ring"]).std(0).min() > 0.15
    # Where the old things are it is darker.
    assert 0.5 < np.mean([level < 0.33 for level in around]) < 0.9


def test_what_the_background_has_of_the_same_name_is_not_said_to_be_absent(tmp_path: Path) -> None:
    """A blue ring before a blue ball: both are blue objects."""
    few = dataset(tmp_path / "few", scene(("ring/blue object", (160, 120), 20))[0])
    around = dataset(tmp_path / "around", scene(("ball/blue object", (190, 120), 40))[0])
    known = negatives(few, around)
    stream = CropStream(few, SIZE, 4, known, few=True, before=CropStream(around, SIZE, 4, known))
    areas: dict[str, list[float]] = {"ring": [], "blue object": []}
    for batch in map(stream.batch, range(10)):
        for mask, phrase in zip(batch.masks, batch.asked, strict=True):
            if mask.any():
                areas[batch.phrases[phrase]].append(mask.mean().item())
    # In the same place and of the same size, but the ball is seen where the ring is cut away.
    assert max(areas["blue object"]) >= max(areas["ring"])
    assert len(areas["ring"]) > 5


def test_things_that_are_not_few_stay_as_they_are_but_for_light_and_place(new: Dataset) -> None:
    stream = CropStream(new, SIZE, 6, negatives(new), phrases=["ring"])
    for batch in map(stream.batch, range(4)):
        for pair in range(0, len(batch.asked), 2):
            inside = batch.pixels[batch.images[pair]][:, batch.masks[pair] > 0.5].mean(1)
            assert inside.max() - inside.min() < 0.06


def test_plain_crops_show_everything_once(new: Dataset) -> None:
    (batch,) = plain_crops(new, SIZE, negatives(new), ["ring", "red star"])
    assert len(batch.pixels) == 4
    asked = [batch.phrases[i] for i in batch.asked]
    there = [batch.positives[p, a].item() for p, a in zip(batch.images, batch.asked, strict=True)]
    assert sorted(p for p, t in zip(asked, there, strict=True) if t) == ["red star", *["ring"] * 3]
    assert sorted(p for p, t in zip(asked, there, strict=True) if not t) == [
        *["red star"] * 3, "ring"
    ]  # fmt: skip
    assert [mask.any().item() for mask in batch.masks] == there


def test_what_cannot_be_drawn_is_refused(new: Dataset, tmp_path: Path) -> None:
    with pytest.raises(LearningError, match="names no cup in its images of train"):
        CropStream(new, SIZE, 2, negatives(new), phrases=["cup", "ring"])
    specks = dataset(tmp_path / "specks", scene(("ring", (50, 50), 3))[0])
    with pytest.raises(LearningError, match="step 0 shows nothing of ring"):
        CropStream(specks, SIZE, 2, negatives(specks)).batch(0)
    (note,) = specks.notes.lines
    assert note.startswith("no crop can be cut of 'ring'")
