"""Square windows of an image around candidates, and what is seen in them put back in its place."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vlam_ros.types import BoolArray, SceneObject, Uint8Array


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
            _mask_pixels(corner, self.side, pixels, image, grid)
            for corner, image, grid in zip(
                (self.top, self.left), image_size, mask.shape, strict=True
            )
        )
        part = np.zeros((pixels, pixels), bool)
        part[np.ix_(rows >= 0, columns >= 0)] = mask[np.ix_(rows[rows >= 0], columns[columns >= 0])]
        return part if part.any() else np.ones_like(part)


def square_crop(image: Uint8Array, box: tuple[int, int, int, int], margin: float) -> Uint8Array:
    """The square uint8[S,S,3] around a box: S is its longer side times 1 + margin, in pixels."""
    return Window.around(box, margin).cut(image)


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
        mask_threshold: probability in 0..1 from which a pixel belongs to the phrase.
        min_area: the smallest object, in pixels of the candidate's mask.
    """
    count, pieces = cv2.connectedComponents((probability > mask_threshold).astype(np.uint8))
    if count == 1:
        return None
    rows, columns = (
        _crop_pixels(corner, window.side, len(probability), image, grid)
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
        candidate, mask=mask, box=_image_box(pieces == own, window, image_size)
    )


def _crop_pixels(
    corner: int, side: int, pixels: int, image: int, grid: int
) -> npt.NDArray[np.int64]:
    """For the middle of each grid line the crop's line there, -1 outside of the crop."""
    middle = (np.arange(grid) + 0.5) * image / grid
    line = np.floor((middle - corner) * pixels / side).astype(np.int64)
    return np.where((line >= 0) & (line < pixels), line, -1)


def _mask_pixels(
    corner: int, side: int, pixels: int, image: int, grid: int
) -> npt.NDArray[np.int64]:
    """For the middle of each of the crop's lines the grid line there, -1 outside of the image."""
    middle = corner + (np.arange(pixels) + 0.5) * side / pixels
    line = np.floor(middle * grid / image).astype(np.int64)
    return np.where((line >= 0) & (line < grid), line, -1)


def _image_box(
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
