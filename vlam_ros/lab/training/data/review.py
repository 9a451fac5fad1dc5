"""What people do with a data set: look whether it is whole, and correct proposals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vlam_ros.errors import LearningError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.training.data.dataset import Dataset
from vlam_ros.lab.training.data.imported import usable
from vlam_ros.lab.training.data.index import Annotation, Picture, read_pictures
from vlam_ros.lab.training.data.splits import SPLITS
from vlam_ros.lab.training.data.writer import DatasetWriter


@dataclass(frozen=True)
class SplitSummary:
    """What a split holds: `masks` counts the pictures that show each phrase, `broken` those that
    cannot be read, `proposals` those that await correction.
    """

    split: str
    pictures: int
    scenes: int
    proposals: int
    broken: int
    masks: dict[str, int]


def summarise(folder: Path, notes: Notes) -> Iterator[SplitSummary]:
    """Read every picture of a data set, split by split.

    Raises:
        LearningError: it is no data set, or its splits share a scene or a picture.
    """
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
            len({p.scene for p in dataset.pictures}),
            sum(p.awaits_correction for p in dataset.pictures),
            len(dataset) - read,
            dict(sorted(shown.items())),
        )


def accept(folder: Path, corrected: Sequence[Path], notes: Notes) -> int:
    """Take proposals for true.

    Args:
        folder: the data set.
        corrected: annotation files of a tool in which people corrected pictures of it; each
            picture is known by its file's name and gets the annotations of these files, in which
            every mark is taken for true. Without any, all proposals are taken as they are.
        notes: takes what is left out.

    Returns:
        How many pictures there were to correct, or were corrected again.

    Raises:
        LearningError: it is no data set, or a file is not in COCO's format or is of pictures of
            another size.
    """
    found: dict[str, Picture] = {}
    for path in corrected:
        found |= {Path(picture.file).name: picture for picture in read_pictures(path, notes)}
    count = 0
    with DatasetWriter(folder, "vlam data accept", notes) as writer:
        kept: dict[str, list[Picture]] = {}
        for split, pictures in writer.splits.items():
            kept[split] = []
            for old in pictures:
                new = found.pop(old.file, None)
                taken = new is not None or (not corrected and old.awaits_correction)
                seen = old.annotations if new is None else _of(new, old, notes)
                picture = replace(old, annotations=seen)
                kept[split].append(picture.corrected() if taken else picture)
                count += taken
        for split, now in kept.items():
            writer.replace(split, now)
    for name in found:
        notes.add(f"{name} is no picture of {folder} and left out", once="unknown picture")
    return count


def _of(corrected: Picture, picture: Picture, notes: Notes) -> tuple[Annotation, ...]:
    """The corrected annotations of a picture."""
    if (corrected.width, corrected.height) != (picture.width, picture.height):
        raise LearningError(
            f"{picture.file} was corrected with {corrected.width} x {corrected.height} pixels, "
            f"it has {picture.width} x {picture.height}: correct the pictures of images/"
        )
    return tuple(usable(corrected, notes))
