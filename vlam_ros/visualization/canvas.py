"""What all images are made of: colours, text, bands of text, labels, and the enlarged image.

Sizes are for images of MIN_WIDTH pixels; `unit` is by how much larger everything is drawn.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from vlam_ros.types import Uint8Array

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels."""

MIN_WIDTH = 640
MAX_HEIGHT = 1080
"""Small images are enlarged to this width, but not beyond this height."""

INK: Colour = (20, 22, 27)
PANEL: Colour = (32, 35, 43)
PAPER: Colour = (242, 244, 247)
QUIET: Colour = (196, 203, 214)

REGULAR, BOLD = cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX
# Pixels of a text of size 1: from line to line, and from the top of a line to its baseline.
_LINE, _BASELINE = 38, 27
_LONGEST = 500
"""Characters shown of an instruction or message, which may come from a stranger."""
LABEL_TEXT = 0.45
_LABEL_HEIGHT, _LABEL_MARGIN = 19, 5

_PLAIN = str.maketrans(
    {"⟨": "<", "⟩": ">", "→": "->", "←": "<-", "–": "-", "—": "-", "×": "x", "·": ".", "…": "...",
     "≤": "<=", "≥": ">=", "±": "+-", "°": " deg", "θ": "theta", "σ": "sigma", "“": '"', "”": '"',
     "„": '"', "‘": "'", "’": "'"}
)  # fmt: skip


class Paragraph(NamedTuple):
    """A text to be wrapped, its size and its font."""

    text: str
    size: float
    font: int = REGULAR


class Enlarged(NamedTuple):
    """An image on a canvas that is at least MIN_WIDTH wide.

    `canvas` is uint8[H,W,3]; `image` is the part of it from column `left` on that shows the
    image, `scale` times as large as it was.
    """

    canvas: Uint8Array
    image: Uint8Array
    left: int
    scale: float

    @property
    def unit(self) -> float:
        """By how much text and lines are larger than at MIN_WIDTH."""
        return self.canvas.shape[1] / MIN_WIDTH


def enlarged(image: Uint8Array) -> Enlarged:
    """A copy of an image uint8[H,W,3], large enough to be drawn on."""
    height, width = image.shape[:2]
    scale = max(1.0, min(MIN_WIDTH / width, MAX_HEIGHT / height))
    size = (round(width * scale), round(height * scale))
    columns = max(MIN_WIDTH, size[0])
    left = (columns - size[0]) // 2
    canvas = np.full((size[1], columns, 3), INK, dtype=np.uint8)
    frame = canvas[:, left : left + size[0]]
    frame[:] = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    return Enlarged(canvas, frame, left, scale)


def band(
    paragraphs: Sequence[Paragraph], ink: Colour, paper: Colour, columns: int, unit: float
) -> Uint8Array:
    """Paragraphs, wrapped, on a strip as wide as the image."""
    margin = round(14 * unit)
    lines = [
        Paragraph(line, size * unit, font)
        for text, size, font in paragraphs
        for line in _wrapped(plain(text), columns - 2 * margin, font, size * unit)
    ]
    heights = [round(_LINE * size) for _, size, _ in lines]
    padding = round(8 * unit)
    strip = np.full((sum(heights) + 2 * padding, columns, 3), paper, dtype=np.uint8)
    y = padding
    for (line, size, font), height in zip(lines, heights, strict=True):
        write(strip, line, (margin, y + round(_BASELINE * size)), font, size, ink)
        y += height
    return strip


def label_size(text: str, unit: float, font: int = REGULAR) -> tuple[int, int]:
    """Width and height of a label in pixels."""
    width = text_width(plain(text), font, LABEL_TEXT * unit)
    return round(width + 2 * _LABEL_MARGIN * unit), round(_LABEL_HEIGHT * unit)


def draw_label(
    canvas: Uint8Array, text: str, place: Rectangle, paper: Colour, unit: float, font: int = REGULAR
) -> None:
    """Write a label into a rectangle of its size."""
    cv2.rectangle(canvas, place[:2], (place[2] - 1, place[3] - 1), paper, cv2.FILLED)
    origin = (place[0] + round(_LABEL_MARGIN * unit), place[1] + round(14 * unit))
    write(canvas, plain(text), origin, font, LABEL_TEXT * unit, INK)


def overlap(a: Rectangle, b: Rectangle) -> bool:
    """Whether two rectangles have a pixel in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def pixels(size: float) -> int:
    """A thickness in whole pixels, 1 at least."""
    return max(1, round(size))


def write(
    canvas: Uint8Array, text: str, origin: tuple[int, int], font: int, size: float, ink: Colour
) -> None:
    """Write a line of plain text; `origin` is the left end of its baseline."""
    cv2.putText(canvas, text, origin, font, size, ink, pixels(size), cv2.LINE_AA)


def text_width(text: str, font: int, size: float) -> int:
    """Width in pixels of a line of plain text."""
    return int(cv2.getTextSize(text, font, size, pixels(size))[0][0])


def plain(text: str) -> str:
    """The text in the printable ASCII of OpenCV's fonts, "?" for what has no likeness there."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    kept = (c for c in decomposed if not unicodedata.combining(c))
    return "".join(" " if c.isspace() else c if " " <= c <= "~" else "?" for c in kept)


def fitted(text: str, width: float, font: int, size: float) -> str:
    """Plain text that is not wider than so many pixels: all of it, or its beginning."""
    text = shortened(plain(text))
    if text_width(text, font, size) <= width:
        return text
    while text and text_width(f"{text}...", font, size) > width:
        text = text[:-1]
    return f"{text}..."


def shortened(text: str, longest: int = _LONGEST) -> str:
    """The text, or the beginning of one that is too long to be shown."""
    return text if len(text) <= longest else f"{text[:longest]}..."


def _wrapped(text: str, width: float, font: int, size: float) -> list[str]:
    """Lines of at most `width` pixels; a word that is longer is broken, nothing is left out."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if text_width(longer, font, size) <= width:
            lines[-1:] = [longer]
            continue
        lines.append("")
        for character in word:
            if lines[-1] and text_width(lines[-1] + character, font, size) > width:
                lines.append("")
            lines[-1] += character
    return lines
