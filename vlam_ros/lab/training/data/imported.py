"""Pictures, masks and captions of others, in COCO's format, as one of our data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from vlam_ros.errors import LearningError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.training.data.files import decode_picture, encode_picture, suffix_of
from vlam_ros.lab.training.data.index import Annotation, Picture, read_pictures
from vlam_ros.lab.training.data.segmentation import decode, encode
from vlam_ros.lab.training.data.writer import DatasetWriter


def _prefix(picture: Picture) -> str:
    """As "kitchen" of "kitchen_0012.jpg"."""
    name = PurePosixPath(picture.file).with_suffix("")
    return str(name).rstrip("0123456789").rstrip("_-. ") or str(name)


SCENES: dict[str, Callable[[Picture], str]] = {
    "folder": lambda picture: str(PurePosixPath(picture.file).parent),
    "prefix": _prefix,
    "picture": lambda picture: picture.file,
}
"""What pictures without a "scene" have in common that show one: their folder, the name in front of
a number, or nothing, where each is one of its own.
"""


def import_coco(
    writer: DatasetWriter,
    images: Path,
    files: Sequence[Path],
    scenes: str = "",
    split: str = "",
) -> None:
    """Add the pictures of annotation files to a data set.

    What cannot be used is left out with a note: pictures that are missing, broken or of another
    size than their annotations, and masks that are empty or make no sense.

    Args:
        writer: of the data set.
        images: the folder that the files' names of pictures are in.
        files: annotation files; what they say of the same picture is put together.
        scenes: one of SCENES, for pictures that have no "scene"; by default the folder where there
            are several, otherwise each picture is a scene.
        split: where all go; by default scenes decide.

    Raises:
        LearningError: a file is not in COCO's format.
        ConfigurationError: a picture cannot be written.
    """
    notes = writer.notes
    pictures = _together(files, notes)
    if not scenes:
        nested = len({PurePosixPath(p.file).parent for p in pictures}) > 1
        scenes = "folder" if nested else "picture"
        if any(not p.scene for p in pictures):
            notes.add(
                f"scenes are not named: every {scenes} is taken for one; frames of one film "
                "must share theirs, or what is tested was learned from"
            )
    for picture in pictures:
        scene = picture.scene or SCENES[scenes](picture)
        name = PurePosixPath(picture.file).name.rpartition(".")[0] or picture.file
        try:
            data = _upright(images / picture.file, picture)
            annotations = usable(picture, notes)
            writer.add(data, scene, name, annotations, picture.captions, split)
        except LearningError as error:
            notes.add(f"{picture.file} is left out: {error}")


def _together(files: Sequence[Path], notes: Notes) -> list[Picture]:
    """The pictures of all files, each once."""
    known: dict[str, Picture] = {}
    for path in files:
        for picture in read_pictures(path, notes):
            before = known.setdefault(picture.file, picture)
            if before is not picture:
                known[picture.file] = replace(
                    before,
                    annotations=(*before.annotations, *picture.annotations),
                    captions=(*before.captions, *picture.captions),
                )
    return list(known.values())


def _upright(path: Path, picture: Picture) -> bytes:
    """The picture's file, made a PNG where it is something else or was annotated as the camera was
    held, which not every reader knows.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LearningError(f"cannot read it: {error.strerror}") from error
    size = (picture.height, picture.width)
    image = decode_picture(data)
    if image.shape[:2] == size:
        try:
            suffix_of(data)
        except LearningError:
            return encode_picture(image)
        return data
    turned = decode_picture(data, turned=True)
    if turned.shape[:2] != size:
        raise LearningError(
            f"it has {image.shape[1]} x {image.shape[0]} pixels, its annotations are for "
            f"{picture.width} x {picture.height}"
        )
    return encode_picture(turned)


def usable(picture: Picture, notes: Notes) -> list[Annotation]:
    """The annotations with a mask, as run lengths."""
    kept = []
    for annotation in picture.annotations:
        what = f"{annotation.phrase!r} in {picture.file} is left out"
        try:
            mask = decode(annotation.segmentation, picture.height, picture.width)
        except LearningError as error:
            notes.add(f"{what}: {error}", once="senseless mask")
            continue
        if mask.any():
            kept.append(replace(annotation, segmentation=encode(mask)))
        else:
            notes.add(f"{what}: its mask is empty", once="empty mask")
    return kept
