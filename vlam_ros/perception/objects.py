"""Mask logits of competing prompts as objects: connected pieces that a phrase can claim.

A candidate is looked at again in a square window of the image around it; what is seen there is put
back in its place.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.types import BoolArray, SceneObject, Uint8Array


def find_objects(
    logits: npt.NDArray[np.float32],
    prompts: Sequence[str],
    opponents: Mapping[str, Sequence[str]],
    image_size: tuple[int, int],
    *,
    mask_threshold: float,
    tolerance: float,
    min_area: int,
    lookalikes: Mapping[str, Sequence[str]] | None = None,
) -> tuple[SceneObject, ...]:
    """The objects of each asked phrase, best mask first.

    A pixel belongs to a phrase if the phrase's probability there exceeds the threshold and no
    opponent's is higher by more than the tolerance. Without tolerance the best prompt takes the
    pixel, which tears objects apart whose shape a small tower only guesses; with it the piece as a
    whole is judged, by its margin or by the second look. Each phrase has its own competition:
    phrases that entail each other may share pixels.

    Args:
        logits: float32[P,h,w], one mask per prompt.
        prompts: the P prompts, each asked phrase and each opponent among them.
        opponents: for each asked phrase the prompts it competes with.
        image_size: (height, width) of the image, in which boxes are given.
        mask_threshold: probability in 0..1.
        tolerance: lead in probability, in 0..1, that an opponent may have on a pixel.
        min_area: the smallest object, in pixels of the mask.
        lookalikes: for a phrase those opponents whose pieces are looked at as well, because a
            second look decides between them and the phrase; their masks count as the phrase's.
    """
    index = {prompt: i for i, prompt in enumerate(prompts)}
    probabilities = expit(logits)
    found: list[SceneObject] = []
    for phrase, others in opponents.items():
        alike = (lookalikes or {}).get(phrase, ())
        own, family = index[phrase], [index[p] for p in (phrase, *alike)]
        negatives = [index[other] for other in others if other not in alike]
        asked = probabilities[family].max(axis=0)
        best_negative = logits[negatives].max(axis=0, initial=-np.inf)
        negative = probabilities[negatives].max(axis=0, initial=0.0)
        # By the logits too, for probabilities near 1 are equal in float32.
        claimed = (asked - negative > -tolerance) | (logits[family].max(axis=0) > best_negative)
        mask = (asked > mask_threshold) & claimed
        opponent = probabilities[[index[other] for other in others]].max(axis=0, initial=0.0)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        for label in range(1, count):  # 0 is the background
            if stats[label, cv2.CC_STAT_AREA] < min_area:
                continue
            piece = labels == label
            score = float(asked[piece].mean())
            found.append(
                SceneObject(
                    phrase=phrase,
                    box=_image_box(stats[label].tolist(), mask.shape, image_size),
                    mask=piece,
                    score=score,
                    mask_score=score,
                    margin=float((probabilities[own] - opponent)[piece].mean()),
                )
            )
    return tuple(sorted(found, key=lambda o: -o.mask_score))


def expit(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The probabilities, in 0..1, of log-odds."""
    # logaddexp, because exp overflows on the large logits of an untrained decoder.
    return np.exp(-np.logaddexp(np.float32(0), -logits))


def _image_box(
    stats: Sequence[int], mask: tuple[int, ...], image: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The pixels of the image that mask pixels cover, as (x0, y0, x1, y1) with x1, y1 exclusive."""
    x, y, width, height, _ = stats
    down, across = image[0] / mask[0], image[1] / mask[1]
    return (
        math.floor(x * across),
        math.floor(y * down),
        math.ceil((x + width) * across),
        math.ceil((y + height) * down),
    )


@dataclass(frozen=True)
class Window:
    """A square of an image, by its left upper corner and its side in pixels.

    It may reach beyond the edges.
    """

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, box: tuple[int, int, int, int], margin: float) -> Window:
        """The window around a box, its side the box's longer one times 1 + margin."""
        x0, y0, x1, y1 = box
        side = max(1, round((1 + margin) * max(x1 - x0, y1 - y0)))
        return cls(round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2), side)

    def cut(self, image: Uint8Array) -> Uint8Array:
        """The window's pixels uint8[side,side,3].

        Beyond the image its border pixels are repeated, so that an object keeps its proportions.
        """
        left, top, side = self.left, self.top, self.side
        height, width = image.shape[:2]
        inside = image[max(top, 0) : top + side, max(left, 0) : left + side]
        beyond = (
            (max(-top, 0), max(top + side - height, 0)),
            (max(-left, 0), max(left + side - width, 0)),
            (0, 0),
        )
        return np.pad(inside, beyond, mode="edge")

    def part_of(self, mask: BoolArray, image_size: tuple[int, int], pixels: int) -> BoolArray:
        """What of the crop, resized to a side of `pixels`, a mask of the image covers.

        All of it if nothing: the piece is smaller than the pixels of the crop.
        """
        rows, columns = (
            _lines(pixels, corner, self.side, grid, 0, image)
            for corner, image, grid in zip(
                (self.top, self.left), image_size, mask.shape, strict=True
            )
        )
        part = np.zeros((pixels, pixels), bool)
        part[np.ix_(rows >= 0, columns >= 0)] = mask[np.ix_(rows[rows >= 0], columns[columns >= 0])]
        return part if part.any() else np.ones_like(part)


def refined(
    candidate: SceneObject,
    window: Window,
    probability: npt.NDArray[np.float32],
    image_size: tuple[int, int],
    *,
    mask_threshold: float,
    min_area: int,
) -> SceneObject | None:
    """The candidate with the mask and box that its crop shows, None if nothing of it is there.

    In its crop an object has several times the pixels it has in the image.

    Args:
        candidate: a piece of the image's mask.
        window: where the crop was cut.
        probability: float32[s,s], the phrase's mask probability in the crop.
        image_size: (height, width) of the image.
        mask_threshold: see `find_objects`.
        min_area: see `find_objects`.
    """
    count, pieces = cv2.connectedComponents((probability > mask_threshold).astype(np.uint8))
    if count == 1:
        return None
    rows, columns = (
        _lines(grid, 0, image, len(probability), corner, window.side)
        for corner, image, grid in zip(
            (window.top, window.left), image_size, candidate.mask.shape, strict=True
        )
    )
    on_grid = np.zeros(candidate.mask.shape, pieces.dtype)
    within = np.ix_(rows >= 0, columns >= 0)
    on_grid[within] = pieces[np.ix_(rows[rows >= 0], columns[columns >= 0])]
    # A neighbour in the same crop is another piece: the candidate's own is the one it overlaps.
    overlap = np.bincount(on_grid[candidate.mask], minlength=count)
    overlap[0] = 0
    own = int(overlap.argmax())
    mask: BoolArray = (on_grid == own) & (own > 0)
    if np.count_nonzero(mask) < min_area:
        return None
    return dataclasses.replace(
        candidate, mask=mask, box=_crop_box(pieces == own, window, image_size)
    )


def _lines(
    count: int, start: int, length: int, others: int, other_start: int, other_length: int
) -> npt.NDArray[np.int64]:
    """For the middle of each of `count` lines, which share `length` pixels of the image from
    `start` on, which of the `others` is there; -1 outside of them.
    """
    middle = start + (np.arange(count) + 0.5) * length / count
    line = np.floor((middle - other_start) * others / other_length).astype(np.int64)
    return np.where((line >= 0) & (line < others), line, -1)


def _crop_box(
    piece: BoolArray, window: Window, image_size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The pixels of the image that a piece of the crop covers; x1 and y1 are exclusive."""
    scale = window.side / len(piece)
    (y0, y1), (x0, x1) = (
        (
            max(0, math.floor(corner + lines[0] * scale)),
            min(limit, math.ceil(corner + (lines[-1] + 1) * scale)),
        )
        for corner, limit, lines in (
            (window.top, image_size[0], np.flatnonzero(piece.any(axis=1))),
            (window.left, image_size[1], np.flatnonzero(piece.any(axis=0))),
        )
    )
    return x0, y0, x1, y1
