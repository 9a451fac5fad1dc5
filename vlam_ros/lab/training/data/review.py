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
from vlam_ros.lab.training.data.index import SPLITS, Annotation, Image, read_images
from vlam_ros.lab.training.data.writer import DatasetWriter


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


def accept(folder: Path, corrected: Sequence[Path], notes: Notes) -> int:
    """Take proposals for true, and say of how many images.

    Args:
        folder: the data set.
        corrected: annotation files of a tool in which people corrected images of it; each
            image is known by its file's name and gets the annotations of these files, in which
            every mark is taken for true. Without any, all proposals are taken as they are.
        notes: takes what is left out.

    Raises:
        LearningError: it is no data set, or a file is not in COCO's format or is of images of
            another size.
    """
    found: dict[str, Image] = {}
    for path in corrected:
        found |= {Path(image.file).name: image for image in read_images(path, notes)}
    count = 0
    with DatasetWriter(folder, "vlam data accept", notes) as writer:
        kept: dict[str, list[Image]] = {}
        for split, images in writer.splits.items():
            kept[split] = []
            for old in images:
                new = found.pop(old.file, None)
                taken = new is not None or (not corrected and old.awaits_correction)
                seen = old.annotations if new is None else _of(new, old, notes)
                image = replace(old, annotations=seen)
                kept[split].append(image.corrected() if taken else image)
                count += taken
        for split, now in kept.items():
            writer.replace(split, now)
    for name in found:
        notes.add(f"{name} is no image of {folder} and left out", once="unknown image")
    return count


def _of(corrected: Image, image: Image, notes: Notes) -> tuple[Annotation, ...]:
    if (corrected.width, corrected.height) != (image.width, image.height):
        raise LearningError(
            f"{image.file} was corrected with {corrected.width} x {corrected.height} pixels, "
            f"it has {image.width} x {image.height}: correct the images of images/"
        )
    return tuple(usable(corrected, notes))
