"""Batches are a function of seed and step, and masks stay on what they mark."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from coco_pictures import HEIGHT, WIDTH, box, labelled, picture, small_dataset
from torch.utils.data import DataLoader

from vlam_ros.errors import LearningError
from vlam_ros.learning.data import Batch, BatchStream, Dataset, DatasetWriter
from vlam_ros.learning.data.files import encode_picture

SIZE = 32


def same(one: Batch, other: Batch) -> bool:
    return (
        torch.equal(one.images, other.images)
        and one.prompts == other.prompts
        and torch.equal(one.which, other.which)
        and torch.equal(one.masks, other.masks)
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(small_dataset(tmp_path), "train")


def test_a_run_that_goes_on_sees_what_an_unbroken_one_sees(dataset: Dataset) -> None:
    unbroken = list(islice(BatchStream(dataset, SIZE, pictures=4, seed=3), 7))
    resumed = list(islice(BatchStream(dataset, SIZE, pictures=4, seed=3, start=5), 2))
    assert all(map(same, unbroken[5:], resumed))
    assert not same(unbroken[0], unbroken[1])
    assert not same(unbroken[0], BatchStream(dataset, SIZE, pictures=4, seed=4).draw(0))


def test_a_picture_looks_different_each_time(tmp_path: Path) -> None:
    stream = BatchStream(Dataset(small_dataset(tmp_path, count=1), "train"), SIZE, pictures=2)
    first, second = stream.draw(0), stream.draw(1)
    assert not torch.equal(first.images, second.images)
    assert not torch.equal(first.images[0], first.images[1])


def test_any_number_of_workers_draws_the_same(dataset: Dataset) -> None:
    stream = BatchStream(dataset, SIZE, pictures=2, seed=3, start=1)
    loader = DataLoader(stream, batch_size=None, num_workers=2)
    assert all(map(same, islice(loader, 5), islice(stream, 5)))


def test_every_picture_comes_as_often_as_any_other(dataset: Dataset) -> None:
    stream = BatchStream(dataset, SIZE, pictures=4, absent=0)
    # In 6 batches of 4 there are four passes; boxes are in half the pictures, cups in all.
    prompts = [prompt for step in range(6) for prompt in stream.draw(step).prompts]
    assert (prompts.count("cup"), prompts.count("box")) == (24, 12)


def test_a_mask_goes_with_its_picture_and_absent_phrases_are_asked_too(tmp_path: Path) -> None:
    colours = {"cup": (255, 0, 0), "box": (0, 255, 0), "ball": (0, 0, 255)}
    with DatasetWriter(tmp_path, "a test") as writer:
        for i, (phrase, colour) in enumerate(colours.items()):
            image, mask = np.zeros((HEIGHT * 4, WIDTH * 4, 3), np.uint8), box(4, 6 + 4 * i, 12, 10)
            mask = mask.repeat(4, axis=0).repeat(4, axis=1)
            image[mask] = colour
            writer.add(
                encode_picture(image), phrase, phrase, [labelled(phrase, mask)], split="train"
            )
    stream = BatchStream(Dataset(tmp_path, "train"), 64, pictures=3, absent=1)
    overlaps = []
    for step in range(10):
        batch = stream.draw(step)
        assert batch.images.shape == (3, 3, 64, 64)
        assert batch.which.tolist() == [0, 0, 1, 1, 2, 2]
        assert 0 <= batch.images.min() <= batch.images.max() <= 1
        asked = zip(batch.prompts, batch.which, batch.masks, strict=True)
        for number, (prompt, which, mask) in enumerate(asked):
            strongest = batch.images[which].max(dim=0)
            shown = (strongest.values > 0.4) & (strongest.indices == list(colours).index(prompt))
            if number % 2 == 0:  # what is there is asked before what is not
                overlaps.append(((shown & mask).sum() / (shown | mask).sum()).item())
            else:
                assert (mask.any(), shown.any()) == (False, False)
    assert min(overlaps) > 0.85


def test_a_broken_picture_is_left_out_of_its_batches(tmp_path: Path) -> None:
    small_dataset(tmp_path, count=4)
    (tmp_path / "images" / "p0.png").unlink()
    dataset = Dataset(tmp_path, "train")
    stream = BatchStream(dataset, SIZE, pictures=4)
    assert [len(stream.draw(step).images) for step in range(3)] == [3, 3, 3]
    assert len(dataset.notes.lines) == 1
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with pytest.raises(LearningError, match="no picture of step 0 can be read"):
        BatchStream(dataset, SIZE).draw(0)


def test_numbers_out_of_range_and_empty_splits_are_refused(dataset: Dataset) -> None:
    with pytest.raises(LearningError, match="got 32, 0, 2 and 0"):
        BatchStream(dataset, SIZE, pictures=0)
    with pytest.raises(LearningError, match="no pictures for validation"):
        BatchStream(Dataset(dataset.folder, "validation"), SIZE)


def test_a_picture_without_masks_is_asked_for_what_is_not_there(tmp_path: Path) -> None:
    small_dataset(tmp_path, count=1)
    with DatasetWriter(tmp_path, "a test") as writer:
        writer.add(encode_picture(picture(50)), "empty", "empty", [], split="train")
    batch = BatchStream(Dataset(tmp_path, "train"), SIZE, pictures=2).draw(0)
    assert batch.prompts == ("cup", "cup")
    assert sorted(mask.any().item() for mask in batch.masks) == [False, True]
