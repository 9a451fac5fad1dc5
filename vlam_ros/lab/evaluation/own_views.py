"""Views of one's own robot, and phrases that name what is in none of them, and what may be.

Nobody has to draw a mask: what a model confirms of a thing that is not there is a false alarm,
wherever it sees it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlam_ros.errors import LearningError, ModelError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.evaluation.queries import Query, QueryKind, Question
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.roles import assign
from vlam_ros.lab.replay.sensing import frames
from vlam_ros.lab.training.data.files import decode_image, encode_image
from vlam_ros.lab.training.data.from_bag import CELLS, Thumbnail, is_new
from vlam_ros.perception.familiarity import FOLDS
from vlam_ros.types import Missing, Observation, Uint8Array

CHANGED = 0.1
"""Share of an image's cells that have to differ from every other view's. Answers about two images
of a camera that stands are one answer twice; so are they while it turns by a few degrees.
"""
LEAST_VIEWS = 2 * FOLDS
"""From which a Density can be had."""
FRAMES = 600
"""Frames of a bag that are compared, evenly spread."""
SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class OwnViews:
    """Images as PNG, each unlike all others, and what is asked of each of them.

    They were chosen among `seen` ones; `about` names where these are from.
    """

    images: tuple[bytes, ...]
    absent: tuple[str, ...]
    present: tuple[str, ...]
    seen: int
    about: str

    @classmethod
    def among(
        cls,
        images: Iterable[Uint8Array],
        absent: Sequence[str],
        present: Sequence[str] = (),
        about: str = "images",
        count: int = 300,
    ) -> OwnViews:
        """Choose up to `count` views, evenly spread, among images uint8[H,W,3] RGB.

        Args:
            images: in their order.
            absent: phrases that name nothing in any of them.
            present: phrases that name what is in at least some.
            about: where the images are from.

        Raises:
            ModelError: nothing is said to be absent, or a phrase to be both.
        """
        absent, present = (
            tuple(dict.fromkeys(" ".join(p.lower().split()) for p in said if p.strip()))
            for said in (absent, present)
        )
        if not absent:
            raise ModelError("only what is not there sets a threshold: name it, with --absent")
        if both := sorted({*absent} & {*present}):
            raise ModelError(f"'{both[0]}' is said to be absent and present: which is it?")
        known: list[Thumbnail] = []
        chosen: list[bytes] = []
        seen = 0
        for image in images:
            seen += 1
            if is_new(image, known, round(CHANGED * CELLS[0] * CELLS[1])):
                chosen.append(encode_image(image))
        step = max(1.0, len(chosen) / count)
        spread = [chosen[int(i * step)] for i in range(min(count, len(chosen)))]
        return cls(tuple(spread), absent, present, seen, about)

    @property
    def digest(self) -> str:
        digest = hashlib.sha256(repr((self.absent, self.present)).encode())
        for image in self.images:
            digest.update(image)
        return digest.hexdigest()

    def require(self, questions: int) -> None:
        """ModelError unless there are that many questions about what is absent."""
        wanted = max(LEAST_VIEWS, -(-questions // len(self.absent)))
        if (missing := wanted - len(self.images)) > 0:
            raise ModelError(
                f"{len(self.images)} of {self.seen} images are views of their own, the others are "
                f"much like one of them; with {len(self.absent)} absent phrases {wanted} are the "
                f"least: {missing} more are needed. Drive and turn the robot through more of its "
                "surroundings, or name more that is not there"
            )

    def questions(self, start: int, end: int) -> Iterator[Question]:
        """About the views with these numbers."""
        for index, data in enumerate(self.images[start:end], start):
            image = decode_image(data)
            nowhere = np.zeros(image.shape[:2], bool)
            queries = [Query(p, QueryKind.OTHER, nowhere) for p in self.absent]
            queries += [Query(p, QueryKind.NAMED, nowhere) for p in self.present]
            observation = Observation(index, index, image, Missing("masks need no camera"))
            yield Question(observation, tuple(queries))


def images_of(
    bag: Path | None, folder: Path | None, mapping: Mapping[str, str], notes: Notes
) -> Iterator[Uint8Array]:
    """Images uint8[H,W,3] RGB of a bag, evenly spread, then those of a folder, each if there is
    one; of what is passed over `notes` tell.

    Args:
        mapping: topics of roles in the bag, as image:=/front/image_raw.

    Raises:
        BagError, ReplayError: the bag cannot be read, or it is not clear where its images are.
        LearningError: there is no image in the folder.
    """
    if bag is not None:
        with BagReader(bag) as reader:
            topic = assign(reader.topics, mapping).images
            for _, _, image in frames(reader, topic, FRAMES, notes):
                yield image
            for remark in reader.notes:
                notes.add(remark)
    if folder is None:
        return
    try:
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise LearningError(f"cannot read {folder}: {error.strerror}") from error
    if not paths:
        raise LearningError(f"{folder} has no images: *{', *'.join(SUFFIXES)}")
    for path in paths:
        try:
            yield decode_image(path.read_bytes(), turned=True)
        except (OSError, LearningError) as error:
            notes.add(f"{path.name} is passed over: {error}")
