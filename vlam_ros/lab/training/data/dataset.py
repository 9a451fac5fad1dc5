"""Reads a data set: labelled pictures one after the other, only their index in memory.

A data set is a folder with `train.json`, `validation.json` and `test.json` in COCO's format, and
the pictures in `images/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vlam_ros.errors import LearningError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.training.data.files import decode_picture, sha256
from vlam_ros.lab.training.data.index import Picture, phrases_of, read_pictures
from vlam_ros.lab.training.data.segmentation import decode
from vlam_ros.lab.training.data.splits import SPLITS
from vlam_ros.types.arrays import BoolArray, Uint8Array

IMAGES = "images"
SAME = 0.5
"""IoU above which two masks of a picture are of one thing."""


class Labelled(NamedTuple):
    """A picture uint8[H,W,3] RGB and the things in it: what each is called, and its mask bool[H,W].

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

    `pictures` is the index, `phrases` what the annotations of the whole split are called. Pictures
    that await correction are left out, unless `proposals` are asked for.
    """

    def __init__(
        self, folder: Path, split: str, proposals: bool = False, notes: Notes | None = None
    ) -> None:
        """Read the index.

        Raises:
            LearningError: there is no such data set or split, or its splits share a scene or a
                picture.
        """
        self.folder, self.split = folder, split
        self.notes = notes or Notes()
        if split not in SPLITS:
            raise LearningError(f"a split is one of {', '.join(SPLITS)}, got {split!r}")
        every = read_splits(folder, self.notes)[split]
        self.pictures = tuple(p for p in every if proposals or not p.awaits_correction)
        if left_out := len(every) - len(self.pictures):
            self.notes.add(
                f"{left_out} of {len(every)} pictures for {split} await correction and are left "
                "out: correct them and read them back with `vlam data accept`"
            )
        self.phrases = phrases_of(self.pictures)

    def few(self, count: int, phrases: Sequence[str] = (), seed: int | None = None) -> Dataset:
        """The same with the first pictures that show each phrase `count` times, to learn from a
        few; a picture that shows several counts for each, and is taken if any of them lacks it.

        Args:
            count: at least 1.
            phrases: by default all.
            seed: takes the pictures in an order of its own.

        Raises:
            LearningError: there are too few.
        """
        lacking = dict.fromkeys(phrases or self.phrases, count)
        kept = []
        order = list(range(len(self.pictures)))
        if seed is not None:
            order = np.random.default_rng(seed).permutation(order).tolist()
        for picture in (self.pictures[i] for i in order):
            shown = {a.phrase for a in picture.annotations} & set(lacking)
            if any(lacking[phrase] > 0 for phrase in shown):
                kept.append(picture)
                for phrase in shown:
                    lacking[phrase] -= 1
        if short := [f"{count - n} of {p!r}" for p, n in lacking.items() if n > 0]:
            raise LearningError(
                f"{self.split} must show each phrase {count} times, got {', '.join(short)}"
            )
        smaller = copy(self)
        smaller.pictures, smaller.phrases = tuple(kept), phrases_of(kept)
        return smaller

    @property
    def digest(self) -> str:
        """A name for the pictures and all that is said of them."""
        return sha256(repr(self.pictures).encode())[:12]

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Labelled]:
        """The pictures in the order of the index, without those that cannot be read."""
        for picture in self.pictures:
            labelled = self.read_or_note(picture)
            if labelled is not None:
                yield labelled

    def read_or_note(self, picture: Picture) -> Labelled | None:
        """A picture with its masks, or None and a note of what is wrong with it."""
        try:
            return self.read(picture)
        except LearningError as error:
            self.notes.add(f"a picture is left out: {error}", once=f"broken {picture.file}")
            return None

    def read(self, picture: Picture) -> Labelled:
        """A picture with its masks; an annotation that is empty or makes no sense is noted.

        Raises:
            LearningError: the picture is missing, changed, broken or of another size.
        """
        image = decode_picture(read_unchanged(self.folder, picture))
        if image.shape[:2] != (picture.height, picture.width):
            raise LearningError(
                f"{picture.file} must have {picture.width} x {picture.height} pixels, "
                f"got {image.shape[1]} x {image.shape[0]}"
            )
        things = []
        for number, annotation in enumerate(picture.annotations):
            what, key = f"{annotation.phrase!r} in {picture.file}", f"{picture.file} {number}"
            try:
                mask = decode(annotation.segmentation, picture.height, picture.width)
            except LearningError as error:
                self.notes.add(f"{what} is left out: {error}", once=key)
                continue
            if not mask.any():
                self.notes.add(f"{what} is left out: its mask is empty", once=key)
                continue
            things.append((annotation.phrase, mask))
        return Labelled(image, things)


def read_splits(folder: Path, notes: Notes) -> dict[str, list[Picture]]:
    """The pictures of all splits, checked.

    Raises:
        LearningError: there is none, or two splits share a scene or a picture, or a picture has no
            scene or hash.
    """
    paths = {split: folder / f"{split}.json" for split in SPLITS}
    if not any(path.exists() for path in paths.values()):
        raise LearningError(
            f"{folder} is no data set: expected {', '.join(p.name for p in paths.values())}; "
            "make one with `vlam data`"
        )
    splits = {s: read_pictures(p, notes) if p.exists() else [] for s, p in paths.items()}
    owner: dict[str, str] = {}
    contents: dict[str, str] = {}
    for split, pictures in splits.items():
        for picture in pictures:
            if not picture.scene or not picture.sha256:
                raise LearningError(
                    f"{picture.file} in {split}.json has no scene or hash: was the file written "
                    "by another tool? Read that with `vlam data accept`"
                )
            if owner.setdefault(picture.scene, split) != split:
                raise LearningError(
                    f"scene {picture.scene!r} is in {owner[picture.scene]} and in {split}: all "
                    "pictures of a scene belong into one split"
                )
            if picture.sha256 in contents:
                raise LearningError(
                    f"{contents[picture.sha256]} and {split}/{picture.file} are the same picture: "
                    "delete one from its file"
                )
            contents[picture.sha256] = f"{split}/{picture.file}"
    return splits


def read_unchanged(folder: Path, picture: Picture) -> bytes:
    """The bytes of a picture's file.

    Raises:
        LearningError: it is missing, or not what it was when it was added.
    """
    path = folder / IMAGES / picture.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LearningError(f"cannot read {path}: {error.strerror}") from error
    if sha256(data) != picture.sha256:
        raise LearningError(f"{picture.file} has changed since it was added: put it back")
    return data
