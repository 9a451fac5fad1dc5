"""Frames of a bag, with what the pipeline sees in them as proposals that a person corrects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.errors import BagError, InstructionError, LearningError
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.roles import IMAGES, assign
from vlam_ros.lab.replay.sensing import frames
from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.index import Annotation
from vlam_ros.lab.training.data.segmentation import outline
from vlam_ros.lab.training.data.writer import DatasetWriter
from vlam_ros.language import parse_instruction
from vlam_ros.perception.perceiver import Perceiver, is_confirmed
from vlam_ros.types import Missing, Observation, Uint8Array

SECTION = 10.0
"""Seconds of a bag that count as one scene: what follows at once is much the same."""
CELLS = (32, 24)
"""Images are compared as so many cells across and down."""
CHANGE, CHANGED = 12.0, 4
"""Grey levels from which a cell has changed, and cells that make another image. A robot that
stands changes none (at most 1 level); one that turned by a degree changes 40, and so does an object
that was moved.
"""
NO_CAMERA = Missing("masks need no camera")
Thumbnail = npt.NDArray[np.float32]


def add_bag(
    writer: DatasetWriter,
    path: Path,
    perceiver: Perceiver | None,
    phrases: Sequence[str] = (),
    mapping: Mapping[str, str] | None = None,
    count: int = 100,
) -> None:
    """Add frames of a bag to a data set, each unlike all others of it.

    Args:
        perceiver: sees what is proposed; None for images alone.
        phrases: what is looked for; by default what the bag's instructions talk about.
        mapping: topics of roles, as image:=/front/image_raw.
        count: of frames, spread evenly over the bag; near-duplicates are left out.

    Raises:
        BagError: it is no bag, or nothing of it can be read.
        ReplayError: it is not clear which of its topics has the images.
        LearningError: nothing is looked for.
    """
    notes = writer.notes
    with BagReader(path) as bag:
        roles = assign(bag.topics, mapping or {})
        for remark in roles.notes:
            if any(f"for {role}" in remark for role in IMAGES):
                notes.add(remark)
        told = roles.topics.get("instruction")
        phrases = phrases or (_talked_about(bag, told, notes) if told else ())
        if perceiver and not phrases:
            raise LearningError(
                "the bag's instructions name nothing to look for: say what, with --phrases"
            )
        writer.name(phrases)
        known: list[Thumbnail] = []
        for number, received, image in frames(bag, roles.images, count, notes):
            if not is_new(image, known):
                notes.add("a frame is much like another one and left out", once="like")
                continue
            seen = _proposals(perceiver, image, phrases) if perceiver else []
            section = int((received - bag.start) / 1e9 / SECTION)
            writer.add(
                encode_image(image),
                f"{bag.name}-{section:03d}",
                f"{bag.name}-{number:06d}",
                seen,
                proposal=True,
            )
        for remark in bag.notes:
            notes.add(remark)


def _talked_about(bag: BagReader, topic: str, notes: Notes) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for message in bag.messages([topic]):
        try:
            instruction = parse_instruction(message.read().data)
        except (BagError, InstructionError) as error:
            notes.add(f"an instruction is passed over: {error}", once="instruction")
            continue
        for phrase in (instruction.target, instruction.destination):
            found |= dict.fromkeys(phrase.texts if phrase else ())
    return tuple(found)


def _proposals(perceiver: Perceiver, image: Uint8Array, phrases: Sequence[str]) -> list[Annotation]:
    """What the pipeline believes to see; a checkpoint without thresholds shows all it may be."""
    observation = Observation(0, 0, np.require(image, requirements="W"), NO_CAMERA)
    scene, _ = perceiver.perceive(observation, phrases, phrases)
    calibration = perceiver.grounder.calibration
    size = (image.shape[1], image.shape[0])
    proposals = []
    for thing in scene.objects:
        if calibration is None or is_confirmed(thing, calibration):
            mask = cv2.resize(thing.mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
            polygons = outline(mask > 0.5)
            if polygons:
                proposals.append(
                    Annotation(thing.phrase, polygons, proposal=True, score=float(thing.score))
                )
    return proposals


def is_new(image: Uint8Array, known: list[Thumbnail], changed: int = CHANGED) -> bool:
    """Whether so many cells of it differ from every one that is known; it is one of them then."""
    grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    cells = cv2.resize(grey, CELLS, interpolation=cv2.INTER_AREA).astype(np.float32)
    cells -= cells.mean()  # a camera that adapts to the light sees nothing new
    if any(np.count_nonzero(np.abs(cells - k) > CHANGE) < changed for k in known):
        return False
    known.append(cells)
    return True
