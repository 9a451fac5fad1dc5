"""A few small images of an episode, side by side in one JPEG: what the robot saw and decided."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vlam_ros.lab.visualization.jpeg import jpeg
from vlam_ros.types import Decision, Outcome, Uint8Array
from vlam_ros.visualization.canvas import BOLD, INK, PANEL, Paragraph, band, shortened
from vlam_ros.visualization.overlay import VERDICT_COLOURS, Role, with_roles

FRAMES = 8
"""Images in a strip at most."""
COLUMNS = 4
"""Images in a row."""
WIDTH = 256
"""Width of an image in pixels."""

_GAP = 4
_UNIT = 0.6  # size of text, against that of an image of 640 pixels
_MESSAGE = 110
_QUALITY = 75


@dataclass(frozen=True)
class Frame:
    """A small image uint8[h,WIDTH,3] with its caption, and the seconds since the start."""

    seconds: float
    image: Uint8Array


class FilmStrip:
    """Collects the decisions of an episode, evenly thinned: the first and the last one are kept."""

    def __init__(self) -> None:
        self._kept: list[Frame] = []
        self._last: tuple[float, Uint8Array, Decision] | None = None
        self._added, self._stride = 0, 1

    def add(self, seconds: float, image: Uint8Array, decision: Decision) -> None:
        """Hear of a decision on an image uint8[H,W,3] RGB, so many seconds after the start."""
        self._last = (seconds, image, decision)
        if self._added % self._stride == 0:
            self._kept.append(_frame(seconds, image, decision))
            # Twice as many as are shown, so that what is shown can be chosen evenly.
            if len(self._kept) > 2 * FRAMES:
                self._kept = self._kept[::2]
                self._stride *= 2
        self._added += 1

    @property
    def frames(self) -> tuple[Frame, ...]:
        frames = list(self._kept)
        if self._last and (self._added - 1) % self._stride:
            frames.append(_frame(*self._last))
        if len(frames) <= FRAMES:
            return tuple(frames)
        chosen = np.rint(np.linspace(0, len(frames) - 1, FRAMES)).astype(int)
        return tuple(frames[i] for i in chosen)

    def image(self) -> Uint8Array:
        """All frames in rows of COLUMNS: uint8[H,W,3] RGB; one dark row of none."""
        images = [frame.image for frame in self.frames] or [_paper(WIDTH * 3 // 4, WIDTH)]
        rows = [images[i : i + COLUMNS] for i in range(0, len(images), COLUMNS)]
        columns = len(rows[0])
        return np.vstack([_row(row, columns, below=row is not rows[-1]) for row in rows])

    def jpeg(self) -> bytes:
        return jpeg(self.image(), _QUALITY)


def _frame(seconds: float, image: Uint8Array, decision: Decision) -> Frame:
    """The image of a decision with the boxes of target and destination, over its caption."""
    scale = WIDTH / image.shape[1]
    size = (WIDTH, round(image.shape[0] * scale))
    frame = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    for thing, role in with_roles(decision.scene.objects, decision.plan):
        if role is not Role.NONE:
            x0, y0, x1, y1 = (round(c * scale) for c in thing.box)
            cv2.rectangle(frame, (x0, y0), (x1, y1), INK, 4)
            cv2.rectangle(frame, (x0, y0), (x1, y1), role.colour, 2)
    return Frame(seconds, np.vstack([frame, _caption(seconds, decision)]))


def _caption(seconds: float, decision: Decision) -> Uint8Array:
    verdict = decision.verdict
    said = verdict.reason.name if verdict.reason else decision.chunk.skill or verdict.outcome.name
    if verdict.outcome is Outcome.DONE:
        said = verdict.outcome.name
    paragraphs = [Paragraph(f"{seconds:.1f} s: {said}", 0.62, BOLD)]
    if verdict.outcome is Outcome.HOLD:
        paragraphs.append(Paragraph(shortened(verdict.message, _MESSAGE), 0.58))
    return band(paragraphs, INK, VERDICT_COLOURS[verdict.outcome], WIDTH, _UNIT)


def _row(images: list[Uint8Array], columns: int, below: bool) -> Uint8Array:
    """Images beside each other with gaps between them, and below where more rows follow."""
    height = max(p.shape[0] for p in images)
    row = _paper(height + _GAP * below, columns * (WIDTH + _GAP) - _GAP)
    for index, image in enumerate(images):
        left = index * (WIDTH + _GAP)
        row[: image.shape[0], left : left + WIDTH] = image
    return row


def _paper(height: int, width: int) -> Uint8Array:
    return np.full((height, width, 3), PANEL, np.uint8)
