"""Images, masks and captions of others, and corrections of ours, in COCO's format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from vlam_ros.errors import LearningError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.training.data.files import decode_image, encode_image, suffix_of
from vlam_ros.lab.training.data.index import Annotation, Image, masks_of, read_images
from vlam_ros.lab.training.data.segmentation import encode
from vlam_ros.lab.training.data.writer import DatasetWriter


def _prefix(image: Image) -> str:
    """As "kitchen" of "kitchen_0012.jpg"."""
    name = PurePosixPath(image.file).with_suffix("")
    return str(name).rstrip("0123456789").rstrip("_-. ") or str(name)


SCENES: dict[str, Callable[[Image], str]] = {
    "folder": lambda image: str(PurePosixPath(image.file).parent),
    "prefix": _prefix,
    "image": lambda image: image.file,
}
"""What images without a "scene" have in common that show one: their folder, the name in front of
a number, or nothing, where each is one of its own.
"""


def import_coco(
    writer: DatasetWriter,
    images: Path,
    files: Sequence[Path],
    scenes: str = "",
    split: str = "",
) -> None:
    """Add the images of annotation files to a data set.

    What cannot be used is left out with a note: images that are missing, broken or of another
    size than their annotations, or that show what no mask marks, and masks that are empty or make
    no sense.

    Args:
        images: the folder that the files' names of images are in.
        files: annotation files; what they say of the same image is put together.
        scenes: one of SCENES, for images that have no "scene"; by default the folder where there
            are several, otherwise each image is a scene.
        split: where all go; by default scenes decide.

    Raises:
        LearningError: a file is not in COCO's format.
        ConfigurationError: an image cannot be written.
    """
    notes = writer.notes
    frames = _together(files, notes)
    if not scenes:
        nested = len({PurePosixPath(p.file).parent for p in frames}) > 1
        scenes = "folder" if nested else "image"
        if any(not p.scene for p in frames):
            notes.add(
                f"scenes are not named: every {scenes} is taken for one; frames of one film "
                "must share theirs, or what is tested was learned from"
            )
    for frame in frames:
        scene = frame.scene or SCENES[scenes](frame)
        name = PurePosixPath(frame.file).name.rpartition(".")[0] or frame.file
        try:
            data = _upright(images / frame.file, frame)
            annotations = usable(frame, notes)
            writer.add(data, scene, name, annotations, frame.captions, split)
        except LearningError as error:
            notes.add(f"{frame.file} is left out: {error}", once=str(error))


def accept(folder: Path, corrected: Sequence[Path], notes: Notes) -> int:
    """Take proposals for true, and say of how many images.

    Args:
        corrected: annotation files of a tool in which people corrected images of it; each
            image is known by its file's name and gets the annotations of these files, in which
            every mark is taken for true. Without any, all proposals are taken as they are.
        notes: takes what is left out.

    Raises:
        LearningError: it is no data set, or a file is not in COCO's format or is of images of
            another size, or with things that no mask marks.
    """
    found: dict[str, Image] = {}
    for path in corrected:
        found |= {Path(image.file).name: image for image in read_images(path, notes)}
    count = 0
    with DatasetWriter(folder, "vlam data accept", notes) as writer:
        for split, images in writer.splits.items():
            kept = []
            for old in images:
                new = found.pop(old.file, None)
                taken = new is not None or (not corrected and old.awaits_correction)
                seen = old.annotations if new is None else _annotations_of(new, old, notes)
                image = replace(old, annotations=seen)
                kept.append(image.corrected() if taken else image)
                count += taken
            writer.splits[split] = kept
    for name in found:
        notes.add(f"{name} is no image of {folder} and left out", once="unknown image")
    return count


def _together(files: Sequence[Path], notes: Notes) -> list[Image]:
    known: dict[str, Image] = {}
    for path in files:
        for image in read_images(path, notes):
            before = known.setdefault(image.file, image)
            if before is not image:
                known[image.file] = replace(
                    before,
                    annotations=(*before.annotations, *image.annotations),
                    captions=(*before.captions, *image.captions),
                )
    return list(known.values())


def _upright(path: Path, frame: Image) -> bytes:
    """The image's file, made a PNG where it is something else or was annotated as the camera was
    held, which not every reader knows.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LearningError(f"cannot read it: {error.strerror}") from error
    size = (frame.height, frame.width)
    image = decode_image(data)
    if image.shape[:2] == size:
        try:
            suffix_of(data)
        except LearningError:
            return encode_image(image)
        return data
    turned = decode_image(data, turned=True)
    if turned.shape[:2] != size:
        raise LearningError(
            f"it has {image.shape[1]} x {image.shape[0]} pixels, its annotations are for "
            f"{frame.width} x {frame.height}"
        )
    return encode_image(turned)


def usable(image: Image, notes: Notes) -> list[Annotation]:
    found = masks_of(image, notes, each=False)
    return [replace(annotation, segmentation=encode(mask)) for annotation, mask in found]


def _annotations_of(corrected: Image, image: Image, notes: Notes) -> tuple[Annotation, ...]:
    if (corrected.width, corrected.height) != (image.width, image.height):
        raise LearningError(
            f"{image.file} was corrected with {corrected.width} x {corrected.height} pixels, "
            f"it has {image.width} x {image.height}: correct the images of images/"
        )
    try:
        return tuple(usable(corrected, notes))
    except LearningError as error:
        raise LearningError(f"{image.file} was corrected, but {error}") from error
