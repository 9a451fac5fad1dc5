"""Adds images to a data set: each once, all of a scene into one split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vlam_ros.errors import LearningError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.training.data.dataset import IMAGES, read_splits
from vlam_ros.lab.training.data.files import decode_image, sha256, suffix_of
from vlam_ros.lab.training.data.index import (
    SPLITS,
    Annotation,
    Image,
    phrases_of,
    read_categories,
    split_of,
    write_images,
)
from vlam_ros.resources import write_file


class DatasetWriter:
    """An open data set, new or to be added to, with its images by split. Use as a context manager:
    leaving it writes the annotation files, also by an error if something was added before.
    """

    def __init__(self, folder: Path, made_with: str, notes: Notes | None = None) -> None:
        """Open it; LearningError if the folder has something else in it, or a broken data set."""
        self.folder, self.notes = folder, notes or Notes()
        self._made_with = made_with
        self.splits: dict[str, list[Image]] = {split: [] for split in SPLITS}
        self._phrases: set[str] = set()
        files = [path for split in SPLITS if (path := folder / f"{split}.json").exists()]
        if files:
            self.splits = read_splits(folder, self.notes)
            self._phrases.update(*map(read_categories, files))
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise LearningError(f"{folder} is no data set and not empty: name another folder")
        known = [p for images in self.splits.values() for p in images]
        self._contents = {p.sha256: p.file for p in known}
        self._files = {p.file for p in known}
        self._split_of = {p.scene: s for s, some in self.splits.items() for p in some}
        self.added = 0

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None or self.added:
            self.save()

    def add(
        self,
        data: bytes,
        scene: str,
        name: str,
        annotations: Sequence[Annotation],
        captions: Sequence[str] = (),
        split: str = "",
        proposal: bool = False,
    ) -> bool:
        """Add an image, and say whether it was new; one that is there already is noted.

        Args:
            data: a JPEG or PNG.
            scene: what it shows; all images of a scene are in one split.
            name: what it is called, made unique.
            split: where the scene goes; by default its name decides.
            proposal: whether a person has still to look at it.

        Raises:
            LearningError: it is no image, or its scene is in another split already.
            ConfigurationError: it cannot be written.
        """
        digest = sha256(data)
        if digest in self._contents:
            self.notes.add(
                f"{name} is the same image as {self._contents[digest]}: left out", once="double"
            )
            return False
        height, width = decode_image(data).shape[:2]
        home = self._split_of.setdefault(scene, split or split_of(scene))
        if split and home != split:
            raise LearningError(f"scene {scene!r} is in {home} already and cannot go to {split}")
        file = f"{_plain(name)}{suffix_of(data)}"
        if file in self._files:
            file = f"{_plain(name)}-{digest[:12]}{suffix_of(data)}"
        write_file(self.folder / IMAGES / file, data)
        self.splits[home].append(
            Image(file, width, height, scene, digest, tuple(captions), tuple(annotations), proposal)
        )
        self._contents[digest] = file
        self._files.add(file)
        self.added += 1
        return True

    def name(self, phrases: Iterable[str]) -> None:
        """Let people who correct choose these phrases, whether or not anything is called so yet."""
        self._phrases.update(phrases)

    def save(self) -> None:
        """Write the annotation files, of the same categories; ConfigurationError if that fails."""
        used = phrases_of(p for images in self.splits.values() for p in images)
        phrases = sorted(self._phrases.union(used))
        for split, images in self.splits.items():
            write_images(self.folder / f"{split}.json", images, phrases, self._made_with)


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.") or "image"
