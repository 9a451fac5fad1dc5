"""Batches are a function of seed and step, and masks stay on what they mark."""

from pathlib import Path

import numpy as np
import pytest
import torch
from coco_images import HEIGHT, WIDTH, box, coco_image, labelled, small_dataset

from vlam_ros.configuration import Settings
from vlam_ros.errors import LearningError
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.stream import BatchStream
from vlam_ros.lab.training.data.writer import DatasetWriter
from vlam_ros.lab.training.examples import Batch
from vlam_ros.lab.training.hard_negatives import HardNegatives

SIZE = 32


def same(one: Batch, other: Batch) -> bool:
    return (
        one.phrases == other.phrases
        and torch.equal(one.pixels, other.pixels)
        and torch.equal(one.asked, other.asked)
        and torch.equal(one.images, other.images)
        and torch.equal(one.masks, other.masks)
    )


def prompts(batch: Batch) -> list[str]:
    return [batch.phrases[i] for i in batch.asked]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(small_dataset(tmp_path), "train")


def test_a_step_is_drawn_the_same_whenever_it_is_asked_for(dataset: Dataset) -> None:
    first = BatchStream(dataset, SIZE, images=4, seed=3)
    steps = [first.batch(step) for step in range(7)]
    again = BatchStream(dataset, SIZE, images=4, seed=3)
    assert all(same(again.batch(step), steps[step]) for step in (5, 6, 2))
    assert not same(steps[0], steps[1])
    assert not same(steps[0], BatchStream(dataset, SIZE, images=4, seed=4).batch(0))


def test_a_image_looks_different_each_time(tmp_path: Path) -> None:
    stream = BatchStream(Dataset(small_dataset(tmp_path, count=1), "train"), SIZE, images=2)
    first, second = stream.batch(0), stream.batch(1)
    assert not torch.equal(first.pixels, second.pixels)
    assert not torch.equal(first.pixels[0], first.pixels[1])


def test_every_image_comes_as_often_as_any_other(dataset: Dataset) -> None:
    stream = BatchStream(dataset, SIZE, images=4, absent=0)
    # In 6 batches of 4 there are four passes; boxes are in half the images, cups in all.
    asked = [prompt for step in range(6) for prompt in prompts(stream.batch(step))]
    assert (asked.count("cup"), asked.count("box")) == (24, 12)


def test_a_mask_goes_with_its_image_and_absent_phrases_are_asked_too(tmp_path: Path) -> None:
    colours = {"cup": (255, 0, 0), "box": (0, 255, 0), "ball": (0, 0, 255)}
    with DatasetWriter(tmp_path, "a test") as writer:
        for i, (phrase, colour) in enumerate(colours.items()):
            image, mask = np.zeros((HEIGHT * 4, WIDTH * 4, 3), np.uint8), box(4, 6 + 4 * i, 12, 10)
            mask = mask.repeat(4, axis=0).repeat(4, axis=1)
            image[mask] = colour
            writer.add(encode_image(image), phrase, phrase, [labelled(phrase, mask)], split="train")
    stream = BatchStream(Dataset(tmp_path, "train"), 64, images=3, absent=1)
    overlaps = []
    for step in range(10):
        batch = stream.batch(step)
        assert batch.pixels.shape == (3, 3, 64, 64)
        assert batch.images.tolist() == [0, 0, 1, 1, 2, 2]
        assert 0 <= batch.pixels.min() <= batch.pixels.max() <= 1
        asked = zip(prompts(batch), batch.images, batch.masks > 0.5, strict=True)
        for number, (prompt, which, mask) in enumerate(asked):
            strongest = batch.pixels[which].max(dim=0)
            shown = (strongest.values > 0.4) & (strongest.indices == list(colours).index(prompt))
            if number % 2 == 0:  # what is there is asked before what is not
                overlaps.append(((shown & mask).sum() / (shown | mask).sum()).item())
            else:
                assert (mask.any(), shown.any()) == (False, False)
    assert min(overlaps) > 0.85


def test_another_image_stands_in_for_a_broken_one(tmp_path: Path) -> None:
    small_dataset(tmp_path, count=4)
    (tmp_path / "images" / "p0.png").unlink()
    dataset = Dataset(tmp_path, "train")
    stream = BatchStream(dataset, SIZE, images=1)
    assert [len(stream.batch(step).pixels) for step in range(12)] == 12 * [1]
    assert len(dataset.notes.lines) == 1
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with pytest.raises(LearningError, match="no image for train can be read"):
        BatchStream(dataset, SIZE).batch(0)


def test_what_is_wanted_is_always_asked_and_what_may_be_true_never_said_to_be_absent(
    tmp_path: Path,
) -> None:
    with DatasetWriter(tmp_path, "a test") as writer:
        cup = [labelled(name, box(2, 3, 6, 8)) for name in ("cup", "blue cup")]
        seen = [*cup, labelled("flat box", box(12, 3, 6, 8)), labelled("ring", box(12, 16, 6, 8))]
        for i in range(2):
            annotations = seen[: 3 + i]
            writer.add(encode_image(coco_image(i)), f"s{i}", f"p{i}", annotations, split="train")
    dataset = Dataset(tmp_path, "train")
    negatives = HardNegatives(Settings.load().perception, dataset.phrases)
    stream = BatchStream(
        dataset, SIZE, images=2, present=2, absent=99, wanted=["ring"], negatives=negatives
    )
    said: dict[str, set[str]] = {"with": set(), "without": set()}
    for step in range(4):
        batch = stream.batch(step)
        rows = [(batch.phrases[p], batch.images[i].item()) for i, p in enumerate(batch.asked)]
        for number in range(2):
            own = [phrase for phrase, which in rows if which == number]
            ring = own[0] == "ring"  # wanted: before all others
            assert len({*own[:2]} & {"cup", "blue cup", "flat box"}) == 2 - ring
            said["with" if ring else "without"] |= set(own[2:])
    assert "ring" in said["without"]
    assert "ring" not in said["with"]
    for absent in said.values():
        assert {"red cup", "ball", "blue cone"} <= absent
        assert not {"box", "red box", "glass cup", "cup"} & absent


def test_numbers_out_of_range_and_empty_splits_are_refused(dataset: Dataset) -> None:
    with pytest.raises(LearningError, match="got 32, 0, 4 and 2"):
        BatchStream(dataset, SIZE, images=0)
    with pytest.raises(LearningError, match="no images for validation"):
        BatchStream(Dataset(dataset.folder, "validation"), SIZE)


def test_a_image_without_masks_is_asked_for_what_is_not_there(tmp_path: Path) -> None:
    small_dataset(tmp_path, count=1)
    with DatasetWriter(tmp_path, "a test") as writer:
        writer.add(encode_image(coco_image(50)), "empty", "empty", [], split="train")
    batch = BatchStream(Dataset(tmp_path, "train"), SIZE, images=2).batch(0)
    assert prompts(batch) == ["cup", "cup"]
    assert sorted(mask.any().item() for mask in batch.masks) == [False, True]
