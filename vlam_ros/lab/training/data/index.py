"""The annotation file of images, in COCO's format: what is in memory of a data set.

Beside COCO's own fields an image has "scene", "sha256" and "captions", and what nobody has looked
at yet is marked "proposal": true, the annotation or, where there is none, the image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vlam_ros.errors import LearningError
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.training.data.segmentation import decode
from vlam_ros.resources import write_file
from vlam_ros.types.arrays import BoolArray

SPLITS = ("train", "validation", "test")
SHARES = (0.7, 0.15, 0.15)
"""How many scenes each gets, on the average."""


@dataclass(frozen=True)
class Annotation:
    """One thing in an image: what it is called, and its mask as COCO writes it.

    A `proposal` is a model's opinion, with its `score`, that a person has still to correct.
    """

    phrase: str
    segmentation: Any
    proposal: bool = False
    score: float | None = None


@dataclass(frozen=True)
class Image:
    """An image: its file's name, size in pixels and content, the scene that it shows, what is said
    of it and what is in it. `sha256` and `scene` are empty in files of others.
    """

    file: str
    width: int
    height: int
    scene: str = ""
    sha256: str = ""
    captions: tuple[str, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    proposal: bool = False

    @property
    def awaits_correction(self) -> bool:
        if self.annotations:
            return any(a.proposal for a in self.annotations)
        return self.proposal

    def corrected(self) -> Image:
        kept = tuple(replace(a, proposal=False, score=None) for a in self.annotations)
        return replace(self, annotations=kept, proposal=False)


def read_images(path: Path, notes: Notes) -> list[Image]:
    """The images of an annotation file, in its order; entries that make no sense are noted.

    Raises:
        LearningError: the file cannot be read or is not in COCO's format.
    """
    document = _document(path)
    phrases: dict[str, str] = {}
    for entry in _entries(document, "categories", path, optional=True):
        if isinstance(entry.get("name"), str) and entry["name"].strip():
            phrases[_id(entry.get("id"))] = " ".join(entry["name"].split())
        else:
            notes.add("a category without a name is left out", once="category")
    images: dict[str, Image] = {}
    for entry in _entries(document, "images", path):
        made, key = _image(entry), _id(entry.get("id"))
        if made is None:
            notes.add(f"an image of {path.name} lacks id, file_name, width or height: left out")
        elif key in images:
            raise LearningError(f"{path}: two images have the id {key}")
        else:
            images[key] = made
    annotations: dict[str, list[Annotation]] = {key: [] for key in images}
    captions: dict[str, list[str]] = {key: [] for key in images}
    for entry in _entries(document, "annotations", path):
        key, category = _id(entry.get("image_id")), _id(entry.get("category_id"))
        if key not in images:
            notes.add("an annotation is of no image of its file and left out", once="stray")
        elif isinstance(entry.get("caption"), str):
            captions[key].append(" ".join(entry["caption"].split()))
        elif category not in phrases:
            notes.add("an annotation is of no category of its file and left out", once="unnamed")
        else:
            score = entry.get("score")
            annotation = Annotation(
                phrases[category],
                entry.get("segmentation", []),
                proposal=entry.get("proposal") is True,
                score=float(score) if isinstance(score, (int, float)) else None,
            )
            annotations[key].append(annotation)
    return [
        replace(
            image,
            annotations=tuple(annotations[key]),
            captions=(*image.captions, *captions[key]),
        )
        for key, image in images.items()
    ]


def read_categories(path: Path) -> tuple[str, ...]:
    entries = _entries(_document(path), "categories", path, optional=True)
    return tuple(e["name"] for e in entries if isinstance(e.get("name"), str))


def write_images(
    path: Path, images: Sequence[Image], phrases: Sequence[str], made_with: str
) -> None:
    """Write an annotation file with these categories whole, or not at all (ConfigurationError)."""
    category = {phrase: i for i, phrase in enumerate(phrases, start=1)}
    numbered = list(enumerate(images, start=1))
    described = [
        {
            "id": number,
            "file_name": image.file,
            "width": image.width,
            "height": image.height,
            "scene": image.scene,
            "sha256": image.sha256,
            **({"captions": image.captions} if image.captions else {}),
            **({"proposal": True} if image.proposal else {}),
        }
        for number, image in numbered
    ]
    seen = ((number, image, a) for number, image in numbered for a in image.annotations)
    annotations = [
        {"id": i, "image_id": n, "category_id": category[a.phrase], **_written(a, image)}
        for i, (n, image, a) in enumerate(seen, start=1)
    ]
    document = {
        "info": {"description": "vlam_ros data set", "made_with": made_with},
        "images": described,
        "annotations": annotations,
        "categories": [{"id": i, "name": phrase} for phrase, i in category.items()],
    }
    write_file(path, (json.dumps(document, ensure_ascii=False) + "\n").encode())


def phrases_of(images: Iterable[Image]) -> tuple[str, ...]:
    return tuple(sorted({a.phrase for p in images for a in p.annotations}))


def masks_of(image: Image, notes: Notes, each: bool) -> list[tuple[Annotation, BoolArray]]:
    """The annotations of an image, with their masks bool[H,W].

    One that is empty or makes no sense is noted, `each` by itself or counted with its like.

    Raises:
        LearningError: nothing marks what the image is said to show, as where others drew a box
            alone: whoever learned from it would learn that it is not there.
    """
    found: list[tuple[Annotation, BoolArray]] = []
    unmarked: dict[str, str] = {}
    for number, annotation in enumerate(image.annotations):
        key = f"{image.file} {number}" if each else ""
        why, kind = "its mask is empty", "empty mask"
        try:
            mask = decode(annotation.segmentation, image.height, image.width)
        except LearningError as error:
            mask, why, kind = np.zeros(0, np.bool_), str(error), "senseless mask"
        if mask.any():
            found.append((annotation, mask))
            continue
        notes.add(f"{annotation.phrase!r} in {image.file} is left out: {why}", once=key or kind)
        if not (mask.size and isinstance(annotation.segmentation, dict)):  # runs of nothing are one
            unmarked[annotation.phrase] = why
    for annotation, _ in found:
        unmarked.pop(annotation.phrase, None)
    if unmarked:
        phrase, why = next(iter(unmarked.items()))
        raise LearningError(f"it shows {phrase!r}, which no mask marks: {why}")
    return found


def split_of(scene: str) -> str:
    """The split of a scene: the same on every machine, and whatever other scenes there are."""
    number = int.from_bytes(hashlib.sha256(scene.encode()).digest()[:8], "big") / 2**64
    for split, share in zip(SPLITS[:-1], SHARES[:-1], strict=True):
        if number < share:
            return split
        number -= share
    return SPLITS[-1]


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())  # UTF-8 or UTF-16, with or without a mark
    except OSError as error:
        raise LearningError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise LearningError(f"{path} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise LearningError(f"{path} must hold a COCO object with images, got a list")
    return document


def _entries(
    document: Mapping[str, Any], name: str, path: Path, optional: bool = False
) -> list[dict[str, Any]]:
    entries = document.get(name, [] if optional else None)
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise LearningError(
            f"{path} is not in COCO's format: expected a list of objects under {name!r}"
        )
    return entries


def _image(entry: Mapping[str, Any]) -> Image | None:
    name, width, height = entry.get("file_name"), _pixels(entry, "width"), _pixels(entry, "height")
    if "id" not in entry or not isinstance(name, str) or not name or not (width and height):
        return None
    captions = entry.get("captions") or []
    return Image(
        name,
        width,
        height,
        scene=str(entry.get("scene") or ""),
        sha256=str(entry.get("sha256") or ""),
        captions=tuple(str(c) for c in captions) if isinstance(captions, list) else (),
        proposal=entry.get("proposal") is True,
    )


def _written(annotation: Annotation, image: Image) -> dict[str, Any]:
    """What COCO's tools want to know of an annotation: box (x, y, w, h) and area in pixels."""
    try:
        mask = decode(annotation.segmentation, image.height, image.width)
    except LearningError:  # kept as it came, for whoever reads it says so
        mask = np.zeros((1, 1), np.bool_)
    return {
        "segmentation": annotation.segmentation,
        "bbox": cv2.boundingRect(mask.astype(np.uint8)),
        "area": int(mask.sum()),
        "iscrowd": 0,
        **({"proposal": True} if annotation.proposal else {}),
        **({} if annotation.score is None else {"score": round(annotation.score, 4)}),
    }


def _pixels(entry: Mapping[str, Any], name: str) -> int:
    """A size, which some tools write as 640.0 or "640"; 0 for what is none."""
    try:
        size = float(entry.get(name, 0))
    except (TypeError, ValueError):
        return 0
    return int(size) if size > 0 and size.is_integer() else 0


def _id(value: Any) -> str:
    """The same for 7, 7.0 and "7"."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
