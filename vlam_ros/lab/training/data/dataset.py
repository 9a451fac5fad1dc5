"""Reads a data set: labelled images one after the other, only their index in memory.

A data set is a folder with `train.json`, `validation.json` and `test.json` in COCO's format, and
the images in `images/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vlam_ros.errors import LearningError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.training.data.files import decode_image, sha256
from vlam_ros.lab.training.data.index import SPLITS, Image, masks_of, phrases_of, read_images
from vlam_ros.types.arrays import BoolArray, Uint8Array

IMAGES = "images"
SAME = 0.5
"""IoU above which two masks of an image are of one thing."""


class Labelled(NamedTuple):
    """An image uint8[H,W,3] RGB and the things in it: what each is called, and its mask bool[H,W].

    One thing may come several times, once for each of its names.
    """

    image: Uint8Array
    things: list[tuple[str, BoolArray]]

    @property
    def masks(self) -> dict[str, BoolArray]:
        """By phrase, all that is called so."""
        masks: dict[str, BoolArray] = {}
        for phrase, mask in self.things:
            masks[phrase] = masks[phrase] | mask if phrase in masks else mask
        return masks

    def named(self) -> list[tuple[tuple[str, ...], BoolArray]]:
        """Each thing once, with all its names: masks that cover the same are of one thing."""
        found: list[tuple[tuple[str, ...], BoolArray]] = []
        for phrase, mask in self.things:
            for i, (names, known) in enumerate(found):
                common = np.count_nonzero(known & mask)
                if common > SAME * np.count_nonzero(known | mask):
                    if phrase not in names:
                        found[i] = (*names, phrase), known
                    break
            else:
                found.append(((phrase,), mask))
        return found


class Dataset:
    """A split of a data set. Iterating gives what can be read, and notes what cannot.

    `images` is the index, `phrases` what the annotations of the whole split are called. Images
    that await correction are left out, unless `proposals` are asked for.
    """

    def __init__(
        self, folder: Path, split: str, proposals: bool = False, notes: Notes | None = None
    ) -> None:
        """Read the index; LearningError as for `read_splits`, or if there is no such split."""
        self.folder, self.split = folder, split
        self.notes = notes or Notes()
        if split not in SPLITS:
            raise LearningError(f"a split is one of {', '.join(SPLITS)}, got {split!r}")
        every = read_splits(folder, self.notes)[split]
        self.images = tuple(p for p in every if proposals or not p.awaits_correction)
        if left_out := len(every) - len(self.images):
            self.notes.add(
                f"{left_out} of {len(every)} images for {split} await correction and are left "
                "out: correct them and read them back with `vlam data accept`"
            )
        self.phrases = phrases_of(self.images)

    @property
    def digest(self) -> str:
        return sha256(repr(self.images).encode())[:12]

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Labelled]:
        for image in self.images:
            labelled = self.read_or_note(image)
            if labelled is not None:
                yield labelled

    def read_or_note(self, image: Image) -> Labelled | None:
        try:
            return self.read(image)
        except LearningError as error:
            self.notes.add(f"an image is left out: {error}", once=f"broken {image.file}")
            return None

    def read(self, frame: Image) -> Labelled:
        """An image with its masks; an annotation that is empty or makes no sense is noted.

        Raises:
            LearningError: the image is missing, changed, broken or of another size, or shows what
                no mask marks.
        """
        path = self.folder / IMAGES / frame.file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise LearningError(f"cannot read {path}: {error.strerror}") from error
        if sha256(data) != frame.sha256:
            raise LearningError(f"{frame.file} has changed since it was added: put it back")
        image = decode_image(data)
        if image.shape[:2] != (frame.height, frame.width):
            raise LearningError(
                f"{frame.file} must have {frame.width} x {frame.height} pixels, "
                f"got {image.shape[1]} x {image.shape[0]}"
            )
        found = masks_of(frame, self.notes, each=True)
        return Labelled(image, [(annotation.phrase, mask) for annotation, mask in found])


@dataclass(frozen=True)
class SplitSummary:
    """What a split holds: `masks` counts the images that show each phrase, `broken` those that
    cannot be read, `proposals` those that await correction.
    """

    split: str
    images: int
    scenes: int
    proposals: int
    broken: int
    masks: dict[str, int]


def summarise(folder: Path, notes: Notes) -> Iterator[SplitSummary]:
    """Read every image of a data set, split by split; LearningError as for `read_splits`."""
    for split in SPLITS:
        dataset = Dataset(folder, split, proposals=True, notes=notes)
        shown: Counter[str] = Counter()
        read = 0
        for labelled in dataset:
            read += 1
            shown.update(list(labelled.masks))
        yield SplitSummary(
            split,
            len(dataset),
            len({p.scene for p in dataset.images}),
            sum(p.awaits_correction for p in dataset.images),
            len(dataset) - read,
            dict(sorted(shown.items())),
        )


def read_splits(folder: Path, notes: Notes) -> dict[str, list[Image]]:
    """The images of all splits, checked.

    Raises:
        LearningError: there is none, or two splits share a scene or an image, or an image has no
            scene or hash.
    """
    paths = {split: folder / f"{split}.json" for split in SPLITS}
    if not any(path.exists() for path in paths.values()):
        raise LearningError(
            f"{folder} is no data set: expected {', '.join(p.name for p in paths.values())}; "
            "make one with `vlam data`"
        )
    splits = {s: read_images(p, notes) if p.exists() else [] for s, p in paths.items()}
    owner: dict[str, str] = {}
    contents: dict[str, str] = {}
    for split, images in splits.items():
        for image in images:
            if not image.scene or not image.sha256:
                raise LearningError(
                    f"{image.file} in {split}.json has no scene or hash: was the file written "
                    "by another tool? Read that with `vlam data accept`"
                )
            if owner.setdefault(image.scene, split) != split:
                raise LearningError(
                    f"scene {image.scene!r} is in {owner[image.scene]} and in {split}: all "
                    "images of a scene belong into one split"
                )
            if image.sha256 in contents:
                raise LearningError(
                    f"{contents[image.sha256]} and {split}/{image.file} are the same image: "
                    "delete one from its file"
                )
            contents[image.sha256] = f"{split}/{image.file}"
    return splits
